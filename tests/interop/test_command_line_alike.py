"""Command lines that end at once: what the command says and its status, as a real nats-server's.

Ours is called `nats-server` here, as by a symbolic link. What a file is refused for has words of
our own, with the option and what was expected: not compared here.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.hub.process import nats_server_path
from tests.sim.certificates import tls_pair

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

ROOT: Final = Path(__file__).parents[2]
WAIT_S: Final = 60.0
CALLED: Final = (
    "import sys; from leafnode.cli.main import main; sys.exit(main(called='nats-server'))"
)
OURS: Final = [sys.executable, "-c", CALLED]
THEIRS: Final = [str(nats_server_path())]
LINES: Final = [
    ["-c", "/none/x"],
    ["-c", "{dir}"],
    ["-c"],
    ["-c", "{dir}/bad.conf"],
    ["-t"],
    ["-t", "-c", "/none/x"],
    ["-t", "-c", "{dir}/good.conf"],
    ["-t", "-c", "{dir}/bad.conf"],
    ["-t", "-c", "{dir}/old.conf"],
    ["-t", "-c", "{dir}/empty.conf"],
    ["-c", "{dir}/bad.conf", "-c", "{dir}/good.conf", "-t"],
    ["-c", "{dir}/good.conf", "-c", "{dir}/bad.conf", "-t"],
    ["-t=maybe", "-c", "{dir}/good.conf"],
    ["-t", "-c", "{dir}/good.conf", "--user", "a", "--pass", "b"],
    ["-t", "-c", "{dir}/good.conf", "-n", "", "-r", "", "--log_size_limit", "-5"],
    ["--nope"],
    ["--nope=3"],
    ["---p", "4"],
    ["-p", "x"],
    ["-p", "9223372036854775808"],
    ["-n", "a b"],
    ["-D=x"],
    ["--signal"],
    ["--signal", "reload=abc"],
    ["--signal", "reload=/none/pid"],
    ["--signal", "nope=1"],
    ["foo"],
    ["-p", "-1", "extra"],
    ["-v"],
]


def said(command: list[str], directory: Path) -> tuple[int, str, str]:
    """Return the status, what is on standard output and what on standard error.

    The usage names our flags: that it is shown is all that counts. Of lines at the end of an error
    one is as good as two.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    out = "usage" if done.stdout.startswith("\nUsage: nats-server [options]\n") else done.stdout
    return done.returncode, out, done.stderr.replace(str(directory), "{dir}").rstrip("\n")


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_the_command_says_the_same(line: list[str], tmp_path: Path) -> None:
    (tmp_path / "good.conf").write_text("port: -1\n")
    (tmp_path / "bad.conf").write_text("port: -1\nfoo: 1\n")
    (tmp_path / "old.conf").write_text("port: -1\nwrite_deadline: 5\n")
    (tmp_path / "empty.conf").write_text("")
    words = [word.replace("{dir}", str(tmp_path)) for word in line]

    assert said([*OURS, *words], tmp_path) == said([*THEIRS, *words], tmp_path)


@pytest.mark.parametrize(
    ("config", "needs_certificate"),
    [
        ("listen: '127.0.0.1:{taken}'", False),
        ("listen: '192.0.2.1:4222'", False),
        ("listen: '[2001:db8::1]:4222'", False),
        ("http: '127.0.0.1:{taken}'", False),
        ("http: '192.0.2.1:80'", False),
        ("https: '127.0.0.1:{taken}', tls {{ {tls} }}", True),
        ("websocket {{ listen: '127.0.0.1:{taken}', no_tls: true }}", False),
        ("websocket {{ listen: '127.0.0.1:{taken}', tls {{ {tls} }} }}", True),
        ("leafnodes {{ listen: '127.0.0.1:{taken}' }}", False),
        ("jetstream {{ store_dir: '{dir}/file' }}", False),
        ("jetstream {{ store_dir: '{dir}/file/x' }}", False),
        ("jetstream {{ store_dir: '/proc/none/x' }}", False),
    ],
)
def test_what_keeps_a_server_from_starting_is_said_alike(
    config: str, needs_certificate: bool, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    tls = ""
    if needs_certificate:
        tls_pair(tmp_path)
        tls = f"cert_file: '{tmp_path}/cert.pem', key_file: '{tmp_path}/key.pem'"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = config.format(taken=taken.getsockname()[1], tls=tls, dir=tmp_path)
        rest = "" if text.startswith("listen") else "listen: '127.0.0.1:-1'\n"
        (tmp_path / "x.conf").write_text(rest + text)
        ends = [
            said([*command, "-c", str(tmp_path / "x.conf")], tmp_path) for command in (OURS, THEIRS)
        ]

    fatal = [[line.partition("[FTL]")[2] for line in end[2].splitlines()[-1:]] for end in ends]
    fatal[0][0] = fatal[0][0].removesuffix("/x").removesuffix(" - {dir}/file")  # ours names it, too
    assert fatal[0] == fatal[1] != [""]
    assert [end[0] for end in ends] == [1, 1]


def files_of(directory: Path) -> dict[str, Path]:
    """Return the files of a directory by what they end in, or by name."""
    return {file.suffix or file.name: file for file in directory.iterdir()}


def test_the_files_of_a_server_have_the_same_modes(tmp_path: Path) -> None:
    modes = []
    for name, command in (("ours", OURS), ("theirs", THEIRS)):
        directory = tmp_path / name
        directory.mkdir()
        words = ["-a", "127.0.0.1", "-p", "-1", "-P", "pid", "-l", "log", "--ports_file_dir", "."]
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
        process = subprocess.Popen(
            [*command, *words], cwd=directory, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            deadline = time.monotonic() + WAIT_S
            # A file has its name once it is whole.
            while not {"pid", "log", ".ports"} <= (files := files_of(directory)).keys():
                assert process.poll() is None
                assert time.monotonic() < deadline, files
                time.sleep(0.01)
            modes.append({kind: stat.filemode(file.stat().st_mode) for kind, file in files.items()})
        finally:
            process.kill()
            process.wait()

    assert modes[0] == modes[1]
    assert set(modes[0]) == {"pid", "log", ".ports"}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["-P", "/none/x"], "Could not write pidfile: open /none/x: no such file or directory"),
        (["-l", "/none/x"], "error opening file: open /none/x: no such file or directory"),
    ],
)
def test_a_file_that_cannot_be_written_ends_it(line: list[str], text: str) -> None:
    for command in (OURS, THEIRS):
        status, _, error = said([*command, "-a", "127.0.0.1", "-p", "-1", *line], ROOT)

        assert status == 1
        assert error.endswith(text)

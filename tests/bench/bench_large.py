"""One stream of ten million messages: fill, stop, start, find, purge; the servers one by one.

    python -m tests.bench.bench_large [--messages 10000000] [--only leafnode]

Prints a Markdown table. Messages of 128 B in 1,000 subjects, and one message alone in its subject
in the middle. Every question is timed at the client while a bystander sends a PING every 5 ms; its
worst wait is the number in brackets. Nothing here asserts a time. The disk needs 500 B a message.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.bench_server import CHUNK, ROOT, Server, api, connect, flush
from tests.hub.process import free_ports, nats_server_path

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

SUBJECTS: Final = 1000
OUTSTANDING: Final = 4096
PAYLOAD: Final = b"x" * 128
START_S: Final = 600.0


@dataclass(slots=True)
class Bystander:
    """Somebody else's PINGs, on a connection of their own."""

    port: int
    worst_s: float = 0.0
    _began: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Bystander:
        self._thread = threading.Thread(target=self._ping)
        self._thread.start()
        self._began.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _ping(self) -> None:
        sock = connect(self.port)
        while not self._stopped.wait(0.005):
            began = time.monotonic()
            self._began.set()
            sock.sendall(b"PING\r\n")
            while b"PONG" not in sock.recv(CHUNK):  # the server's own PING may come behind it
                pass
            self.worst_s = max(self.worst_s, time.monotonic() - began)
        sock.close()


class Tested:
    """One server with its store, started and stopped as the questions need it."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.directory = directory
        self.rows: dict[str, str] = {}
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    def start(self) -> float:
        """Start; the seconds until the stream answers."""
        (port,) = free_ports(1)
        file = self.directory.with_suffix(".conf")
        file.write_text(
            f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{self.directory}" }}\n'
        )
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*self._command, "-c", str(file)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        self._server = Server(self.directory.name, port, self._process.pid)
        sock = connect(port, START_S)
        api(sock, "STREAM.INFO.LARGE", {})
        sock.close()
        return time.monotonic() - began

    def stop(self, *, kill: bool = False) -> float:
        """SIGTERM or SIGKILL; the seconds until the process has gone."""
        assert self._process is not None
        began = time.monotonic()
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait()
        return time.monotonic() - began

    def ask(self, row: str, question: Callable[[socket.socket], object]) -> None:
        """Time one question, with a bystander."""
        sock = connect(self.server.port)
        with Bystander(self.server.port) as bystander:
            began = time.monotonic()
            question(sock)
            took = time.monotonic() - began
        self.rows[row] = f"{_seconds(took)} ({_seconds(bystander.worst_s)})"
        sock.close()

    def note_size(self, row: str) -> None:
        total = sum(f.stat().st_blocks * 512 for f in self.directory.rglob("*") if f.is_file())
        self.rows[row] = f"{total / 2**20:,.0f} MiB"


def _seconds(value: float) -> str:
    return f"{value * 1000:,.1f} ms" if value < 1 else f"{value:,.1f} s"


def fill(sock: socket.socket, messages: int) -> None:
    """Publish everything, acks being open; the one message of `large.rare` is in the middle."""
    _must(api(sock, "STREAM.CREATE.LARGE", {"name": "LARGE", "subjects": ["large.>"]}))
    flush(sock, b"SUB _INBOX.fill 1\r\n")
    frame = b"PUB large.%b _INBOX.fill %d\r\n%b\r\n"
    frames = [frame % (b"dev%d" % n, len(PAYLOAD), PAYLOAD) for n in range(SUBJECTS)]
    rare = frame % (b"rare", len(PAYLOAD), PAYLOAD)
    sent = acked = 0
    sock.setblocking(True)
    tail = b""
    while acked < messages:
        while sent < messages and sent - acked < OUTSTANDING:
            many = min(SUBJECTS, messages - sent)
            chunk = frames[:many]
            if sent <= messages // 2 < sent + many:
                chunk[messages // 2 - sent] = rare
            sock.sendall(b"".join(chunk))
            sent += many
        got = tail + sock.recv(4 * CHUNK)
        acked += got.count(b'"seq":')
        if b'"error"' in got:
            raise SystemExit(got[-500:])
        tail = got[-5:]
    sock.sendall(b"UNSUB 1\r\n")


def pull(sock: socket.socket, name: str, subject: str, *, batches: list[int]) -> None:
    """A new durable with a filter; then these batches, one after the other."""
    config = {"durable_name": name, "filter_subject": subject, "ack_policy": "none"}
    request = {"stream_name": "LARGE", "config": config}
    _must(api(sock, f"CONSUMER.DURABLE.CREATE.LARGE.{name}", request))
    inbox = b"_INBOX.pull"
    flush(sock, b"SUB %b 5\r\n" % inbox)
    for batch in batches:
        body = json.dumps({"batch": batch}).encode()
        next_subject = b"$JS.API.CONSUMER.MSG.NEXT.LARGE." + name.encode()
        sock.sendall(b"PUB %b %b %d\r\n%b\r\n" % (next_subject, inbox, len(body), body))
        got, tail = 0, b""
        while got < batch:
            data = tail + sock.recv(4 * CHUNK)
            got += data.count(b"$JS.ACK.")
            tail = data[-7:]
    sock.sendall(b"UNSUB 5\r\n")


def direct(sock: socket.socket, request: dict[str, object]) -> None:
    _must(api(sock, "STREAM.MSG.GET.LARGE", request))


def purge(sock: socket.socket, request: dict[str, object]) -> None:
    _must(api(sock, "STREAM.PURGE.LARGE", request))


def _must(answer: dict[str, object]) -> None:
    if "error" in answer:
        raise SystemExit(str(answer))


def measure(tested: Tested, messages: int) -> None:
    """All rows of one server."""
    rows = tested.rows
    tested.start()
    cpu = tested.server.cpu_s()
    began = time.monotonic()
    sock = connect(tested.server.port)
    fill(sock, messages)
    sock.close()
    rows["publish all"] = _seconds(time.monotonic() - began)
    rows["publish, CPU a message"] = f"{(tested.server.cpu_s() - cpu) / messages * 1e6:.1f} µs"
    rows["memory after it"] = f"{tested.server.rss_mib():,.0f} MiB"
    tested.note_size("disk after it")
    rows["SIGTERM to the end"] = _seconds(tested.stop())
    rows["start to the stream's INFO"] = _seconds(tested.start())
    rows["memory after the start"] = f"{tested.server.rss_mib():,.0f} MiB"
    tested.stop(kill=True)
    rows["start after SIGKILL"] = _seconds(tested.start())
    ask = tested.ask
    ask("INFO", lambda s: api(s, "STREAM.INFO.LARGE", {}))
    ask("INFO with its 1,001 subjects", _subjects)
    ask("last message of a subject", lambda s: direct(s, {"last_by_subj": "large.dev7"}))
    ask(
        "the only message of its subject",
        lambda s: direct(s, {"seq": 1, "next_by_subj": "large.rare"}),
    )
    ask("a consumer of it, and next", lambda s: pull(s, "rare", "large.rare", batches=[1]))
    share = messages // SUBJECTS - 1
    ask(
        "a consumer of one subject, and 1,000 times next",
        lambda s: pull(s, "dev7", "large.dev7", batches=[1] * min(share, 1000)),
    )
    ask(
        "a consumer of one subject, and all of it",
        lambda s: pull(s, "dev8", "large.dev8", batches=[share]),
    )
    ask("purge of one subject", lambda s: purge(s, {"filter": "large.dev9"}))
    ask("purge of the older half", lambda s: purge(s, {"seq": messages // 2}))
    ask("purge of everything", lambda s: purge(s, {}))
    rows["memory at the end"] = f"{tested.server.rss_mib():,.0f} MiB"
    tested.note_size("disk at the end")
    tested.stop()


def _subjects(sock: socket.socket) -> None:
    answer = api(sock, "STREAM.INFO.LARGE", {"subjects_filter": ">"})
    state = answer["state"]
    assert isinstance(state, dict)
    if len(state["subjects"]) != SUBJECTS + 1:
        raise SystemExit("subjects are missing")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--only", default="", help="leafnode or nats-server")
    arguments = parser.parse_args()
    nats = nats_server_path()
    if nats is None:
        raise SystemExit("nats-server is not installed: make setup")
    commands = {"leafnode": [sys.executable, "-m", "leafnode"], "nats-server": [nats]}
    chosen = [name for name in commands if arguments.only in ("", name)]
    with tempfile.TemporaryDirectory(prefix="leafnode-large-") as directory:
        tested = [Tested(commands[name], Path(directory) / name) for name in chosen]
        for one in tested:
            measure(one, arguments.messages)
    print(f"| {arguments.messages:,} messages | " + " | ".join(chosen) + " |")
    print("|---|" + "---|" * len(chosen))
    for row in tested[0].rows:
        print(f"| {row} | " + " | ".join(one.rows[row] for one in tested) + " |")


if __name__ == "__main__":
    main()

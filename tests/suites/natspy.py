"""The test suite of nats.py, which starts `nats-server` by name, against leafnode and the real one.

    make suite    (or: python -m tests.suites.natspy --only nats-core/ --servers leafnode)

Prints how many of the tests that pass on the real server pass on leafnode, and names the others.
Counted are tests that start a server and no cluster. Files about JetStream are listed apart.
Results stay in build/suites/, so that leafnode alone can be run again against an older run of the
real server. LEAFNODE names another program to test. Needs Python 3.13 (nats.py's new packages), a
checkout of nats-io/nats.py that NATSPY_SRC names, and about 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.hub.process import nats_server_path

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "build" / "suites"
PACKAGES: Final = ("nats", "nats-core", "nats-jetstream", "nats-key-value", "nats-server")
NEEDS: Final = (
    "pytest",
    "pytest-asyncio",
    "pytest-benchmark",
    "pytest-timeout",
    "aiofiles",
    "aiohttp",
    "nkeys",
    "websockets",
)
JETSTREAM: Final = re.compile(r"nats/test_js|nats-jetstream/|nats-key-value/")
TEST_TIMEOUT_S: Final = 60
FILE_TIMEOUT_S: Final = 3000

Results = dict[str, dict[str, object]]  # by package/file::test


def source() -> Path:
    """Return the checkout of nats.py."""
    given = os.environ.get("NATSPY_SRC")
    if not given:
        sys.exit("suite: set NATSPY_SRC to a checkout of nats-io/nats.py")
    return Path(given).resolve()


def python() -> Path:
    """Return the Python of an environment with what the suite imports."""
    environment = WORK / "venv"
    program = environment / "bin" / "python"
    if not (environment / "bin" / "pytest").exists():
        interpreter = os.environ.get("SUITE_PYTHON") or shutil.which("python3.13")
        if interpreter is None:
            raise SystemExit("suite: Python 3.13 is needed: set SUITE_PYTHON to one")
        subprocess.run([interpreter, "-m", "venv", str(environment)], check=True)
        subprocess.run(
            [program, "-m", "pip", "install", "-q", *NEEDS],
            check=True,
        )
    return program


def server_path(name: str) -> Path:
    """Return the program that `nats-server` is to be."""
    if name == "nats-server":
        found = nats_server_path()
    else:
        beside = Path(sys.executable).parent / name
        found = os.environ.get("LEAFNODE") or (str(beside) if beside.exists() else None)
    if found is None:
        raise SystemExit(f"suite: {name} is not installed: make setup")
    return Path(found).absolute()


def stand_in(directory: Path, server: Path) -> None:
    """Make a `nats-server` that notes its command line and becomes the server, under that name."""
    (directory / "real").mkdir(parents=True)
    (directory / "real" / "nats-server").symlink_to(server)
    script = directory / "nats-server"
    real = shlex.quote(str(directory / "real" / "nats-server"))
    note = """(IFS='\t'; printf '%s\\n' "$*" >> "$SUITE_STARTS")"""
    script.write_text(f'#!/bin/sh\n{note}\nunset PYTHONPATH\nexec {real} "$@"\n')
    script.chmod(0o755)


def isolated(command: list[str]) -> list[str]:
    """Give the command a network and processes of its own, if that is permitted.

    The suites use fixed ports.
    """
    unshare = ["unshare", "-n", "-p", "-f", "--mount-proc", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        return command
    return [*unshare, "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *command]


def run_file(file: Path, checkout: Path, server: Path, run: Path) -> Results:
    """Run one file of tests and return what became of each."""
    package = file.relative_to(checkout).parts[0]
    name = f"{package}/{file.stem}"
    tag = name.replace("/", "_")
    directory = run / tag
    stand_in(directory, server)
    classic = package == "nats"
    sources = ["nats"] if classic else [part for part in PACKAGES if part != "nats"]
    paths = [str(checkout / part / "src") for part in sources] + [str(Path(__file__).parent)]
    environment = os.environ | {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(directory),
        "NATS_SERVER_VERSION": "main",
        "SUITE_STARTS": str(directory / "starts"),
        "SUITE_RESULTS": str(directory / "results"),
    }
    options = ["-q", "-p", "no:cacheprovider", "-p", "recorder", "-o", "asyncio_mode=auto"]
    command = [str(python()), "-m", "pytest", *options, f"--timeout={TEST_TIMEOUT_S}", str(file)]
    with (directory / "log").open("wb") as log:
        subprocess.run(
            isolated(command),
            cwd=checkout if classic else checkout / package,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=FILE_TIMEOUT_S,
            check=False,
        )
    results: Results = {}
    if (directory / "results").exists():
        for line in (directory / "results").read_text().splitlines():
            entry = json.loads(line)
            results[f"{name}::{entry.pop('test').split('::', 1)[-1]}"] = entry
    passed = sum(entry["outcome"] == "passed" for entry in results.values())
    print(f"  {name}: {passed} of {len(results)} passed", flush=True)
    return results


def run_suite(name: str, only: re.Pattern[str], jobs: int) -> Results:
    """Run the suite on one server; older results of files that are left out stay."""
    checkout = source()
    run = WORK / name
    shutil.rmtree(run, ignore_errors=True)
    kept = WORK / f"{name}.json"
    results: Results = json.loads(kept.read_text()) if kept.exists() else {}
    files = [
        file for part in PACKAGES for file in sorted((checkout / part).glob("tests/test_*.py"))
    ]
    files = [
        file for file in files if only.search(f"{file.relative_to(checkout).parts[0]}/{file.stem}")
    ]
    print(f"{name}:", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        server = server_path(name)
        for found in pool.map(lambda file: run_file(file, checkout, server, run), files):
            results |= found
    kept.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    return results


def report(real: Results, ours: Results) -> int:
    """Print the counts as a Markdown table and what fails; return how many in scope fail."""
    counted = [
        test
        for test, entry in real.items()
        if entry["outcome"] == "passed" and entry["servers"] and not entry["cluster"]
    ]
    failed = [test for test in counted if ours.get(test, {}).get("outcome") != "passed"]
    print("\n| file | passed here | passed on nats-server |\n|---|---|---|")
    for file in sorted({test.split("::")[0] for test in counted}):
        total = sum(test.startswith(f"{file}::") for test in counted)
        missing = sum(test.startswith(f"{file}::") for test in failed)
        print(f"| {file} | {total - missing} | {total} |")
    in_scope = [test for test in counted if not JETSTREAM.match(test)]
    failing = [test for test in failed if not JETSTREAM.match(test)]
    print(f"| all but JetStream | {len(in_scope) - len(failing)} | {len(in_scope)} |")
    print(f"| all | {len(counted) - len(failed)} | {len(counted)} |\n")
    for test in failed:
        print(f"failed: {test}: {ours.get(test, {}).get('message', 'was not run')}".splitlines()[0])
    return len(failing)


def main() -> int:
    """Run both servers, or the ones asked for, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", default="nats-server,leafnode")
    parser.add_argument("--only", default=".", help="regular expression on package/file")
    parser.add_argument("--jobs", type=int, default=1, help="files at a time")
    arguments = parser.parse_args()
    # Suites stop servers with SIGINT, which a shell in the background has ignored for us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    WORK.mkdir(parents=True, exist_ok=True)
    only = re.compile(arguments.only)
    for name in arguments.servers.split(","):
        run_suite(name, only, arguments.jobs)
    kept = [WORK / "nats-server.json", WORK / "leafnode.json"]
    if not all(file.exists() for file in kept):
        return 0
    real, ours = (json.loads(file.read_text()) for file in kept)
    return 1 if report(real, ours) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The test suite of nats.c, which starts `nats-server` by name, against leafnode and the real one.

    make suite-c    (or: python -m tests.suites.natsc --only '^JetStream' --servers leafnode)

Prints which of the tests that pass on the real server fail on leafnode. Tests that start a cluster
are counted apart. Results stay in build/suites/. LEAFNODE names another program to test. Needs
gcc, cmake, OpenSSL's headers, a checkout of nats-io/nats.c that NATSC_SRC names, and half an hour.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.suites.natspy import WORK, isolated, server_path

NAME: Final = re.compile(r"^_test\((\w+)\)", re.M)
REFUSED: Final = "leafnode builds no cluster"
PASSED: Final = "ALL PASSED"
TEST_TIMEOUT_S: Final = 180


def build(checkout: Path) -> Path:
    """Build the suite once and return its program."""
    directory = WORK / "natsc-build"
    program = directory / "bin" / "testsuite"
    if not program.exists():
        options = ["-DNATS_BUILD_STREAMING=OFF", "-DNATS_BUILD_EXAMPLES=OFF"]
        subprocess.run(["cmake", "-S", checkout, "-B", directory, *options], check=True)
        subprocess.run(["cmake", "--build", directory, "-j2"], check=True)
    return program


def run_test(program: Path, test: str, server: Path, directory: Path) -> str:
    """Run one test in `directory`, a copy of the suite's own; return what it printed."""
    environment = os.environ | {"NATS_TEST_SERVER_EXE": str(server), "HOME": str(directory)}
    try:
        done = subprocess.run(
            isolated([str(program), test]),
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TEST_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return (expired.output or b"").decode(errors="replace") + "\nno end"
    return done.stdout.decode(errors="replace")


def run_suite(name: str, checkout: Path, tests: list[str]) -> dict[str, str]:
    """Run the tests on one server and return what each printed."""
    program = build(checkout)
    run = WORK / f"natsc-{name}"
    shutil.rmtree(run, ignore_errors=True)
    link = run / "server" / "nats-server"
    link.parent.mkdir(parents=True)
    link.symlink_to(server_path(name))
    shutil.copytree(checkout / "test", run / "test")
    outputs = {}
    for test in tests:
        outputs[test] = run_test(program, test, link, run / "test")
        (run / f"{test}.log").write_text(outputs[test])
        print(f"  {'passed' if PASSED in outputs[test] else 'FAILED'} {test}", flush=True)
    return outputs


def main() -> int:
    """Run both servers, or the ones asked for, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--servers", default="nats-server,leafnode")
    parser.add_argument("--only", default=".", help="regular expression on a test's name")
    arguments = parser.parse_args()
    given = os.environ.get("NATSC_SRC")
    if not given:
        sys.exit("suite: set NATSC_SRC to a checkout of nats-io/nats.c")
    # The suite stops servers with SIGINT, which a shell in the background has ignored for us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checkout = Path(given).resolve()
    named = NAME.findall((checkout / "test" / "list_test.txt").read_text())
    tests = [test for test in named if re.search(arguments.only, test)]
    servers = arguments.servers.split(",")
    results = {name: run_suite(name, checkout, tests) for name in servers}
    passed = [{test for test in tests if PASSED in results[name][test]} for name in servers]
    for name, good in zip(servers, passed, strict=True):
        print(f"{name}: {len(good)} of {len(tests)} passed")
    ours = results[servers[-1]]
    missing = sorted(passed[0] - passed[-1])
    clusters = [test for test in missing if REFUSED in ours[test]]
    failed = [test for test in missing if test not in clusters]
    print(f"start a cluster, which is refused: {', '.join(clusters) or 'none'}")
    print(f"pass on {servers[0]} alone: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

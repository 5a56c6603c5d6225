"""`make demo` gets to its end: the first thing that somebody tries."""

import subprocess
import sys


def test_the_demo_proves_that_no_reading_is_lost() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.endswith("exactly once and in order.\n")

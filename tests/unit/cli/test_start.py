"""leafnode.cli.start: an interrupt while the code is being loaded."""

from __future__ import annotations

import signal
import subprocess
import sys

# An interrupt that comes with the first module that `main` loads.
INTERRUPTED = """
import os, signal, sys
class Meets:
    def find_spec(self, name, path=None, target=None):
        if name == "leafnode.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Meets())
sys.argv = ["leafnode", *{words}]
{before}
from leafnode.cli.start import main
sys.exit(main())
"""


def interrupted(*words: str, before: str = "") -> tuple[int, str]:
    """How a command ended that was interrupted, and what it wrote to stderr."""
    code = INTERRUPTED.format(words=list(words), before=before)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


def test_an_interrupt_before_the_server_is_there_ends_it_unsaid() -> None:
    assert interrupted("--version") == (-signal.SIGINT, "")


def test_where_interrupts_are_ignored_they_stay_so() -> None:
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)"

    assert interrupted("--version", before=ignored) == (0, "")


def test_a_command_that_cleans_up_does_and_says_that_it_was_interrupted() -> None:
    told = "import atexit; atexit.register(lambda: print('cleaned up', file=sys.stderr))"

    assert interrupted("store", "ls", before=told) == (130, "interrupted\ncleaned up\n")

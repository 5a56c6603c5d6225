"""What runs first: until the server takes its signals, an interrupt ends the process unsaid.

Loading the code takes most of a start, and Python would answer with a traceback. It must not load
anything itself. Truth: nats-server, which an interrupt ends like any program before its handlers
are there.
"""

from __future__ import annotations

import signal
import sys

from leafnode.cli.words import WORDS


def main() -> int:
    """Run the command and return its exit status, see `leafnode.cli.main.main`."""
    cleans_up = len(sys.argv) > 1 and sys.argv[1] in WORDS
    if not cleans_up and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # left alone where it is ignored
    try:
        from leafnode.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # of a command that loads what it needs
        if not cleans_up:
            raise
        print("interrupted", file=sys.stderr)  # as `running` says it
        return 128 + signal.SIGINT

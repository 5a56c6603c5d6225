"""A test runner small enough for MicroPython: runs every test_ function of the named modules.

Prints `ok <module> <test>` or `FAILED <module> <test>` with a traceback; the exit code is the
number of failures. Knows nothing of pytest. Truth: tests/firmware/test_link_under_micropython.py
calls it.
"""

import sys


def run(name):
    """Return how many tests of module `name` failed."""
    module = __import__(name, None, None, ("*",))
    failures = 0
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        try:
            getattr(module, test)()
            print("ok", name, test)
        except Exception as err:  # noqa: BLE001 -- boundary: one test hides no other
            failures += 1
            print("FAILED", name, test)
            sys.print_exception(err, sys.stdout)
    return failures


if __name__ == "__main__":
    sys.exit(min(1, sum([run(name) for name in sys.argv[1:]])))

"""Standard descriptors that are closed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import os, sys
from leafnode.cli.descriptors import hold_standard
hold_standard()
print("said", file=sys.stderr, flush=True)
print("said", flush=True)
descriptor = os.open(sys.argv[1], os.O_WRONLY)
os.write(descriptor, str(descriptor > 2 and sys.stderr.isatty() is False).encode())
"""


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2), ()])
def test_no_file_takes_the_place_of_a_closed_one(closed: tuple[int, ...], tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.touch()
    shut = "".join(f"os.close({descriptor});" for descriptor in closed)
    # exec: Python itself has to find them closed.
    start = f"import os,sys;{shut}os.execv(sys.executable,[sys.executable,*sys.argv[1:]])"

    done = subprocess.run(
        [sys.executable, "-c", start, "-c", CODE, str(found)],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ,
    )

    assert found.read_text() == "True"
    said = (b"" if 1 in closed else b"said\n", b"" if 2 in closed else b"said\n")
    assert (done.stdout, done.stderr) == said

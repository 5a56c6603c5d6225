"""Lets CPython import the firmware as a device does: `link`, `node` and `hal` are top-level."""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# At the end: nothing of the project may hide a module of the standard library or of a dependency.
sys.path += [str(_ROOT / "leafnode"), str(_ROOT / "firmware")]

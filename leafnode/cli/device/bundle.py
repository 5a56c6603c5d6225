"""Bundles of the firmware as people of each Python know them: a folder `lib` in a zip file.

MicroPython: one zip per board, as a board's file system has it. CircuitPython: the layout of the
community bundle, which circup reads: `<name>/lib`, `<name>/examples`, a JSON of what is in it.
Knows files; not boards' insides. The same input gives the same bytes. Truth: circup's README,
"Community bundles"; firmware/README.md, "Bundles".
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Final

from leafnode import __version__
from leafnode.cli.device.boards import CIRCUITPYTHON, MICROPYTHON
from leafnode.cli.device.plan import Copy, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from leafnode.cli.device.boards import Board

BUNDLE: Final = "leafnode-circuitpython-bundle"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can have
_MODE: Final = 0o644 << 16


def build(boards: Iterable[Board], output: Path, mpy_cross: dict[str, str]) -> list[Path]:
    """Write every bundle to `output`; return their paths.

    `mpy_cross`: the compiler of each language; without one its bundle has sources only. Raises
    LeafnodeError and OSError.
    """
    output.mkdir(parents=True, exist_ok=True)
    written = []
    circuitpython = []
    for board in boards:
        if board.language == CIRCUITPYTHON:
            circuitpython.append(board)
            continue
        for kind in _kinds(mpy_cross, MICROPYTHON):
            compiler = mpy_cross[MICROPYTHON] if kind == "mpy" else None
            path = output / f"leafnode-{board.name}-{kind}-{__version__}.zip"
            _write(path, plan(board, {}, mpy_cross=compiler))
            written.append(path)
    for kind in _kinds(mpy_cross, CIRCUITPYTHON):
        compiler = mpy_cross[CIRCUITPYTHON] if kind == "mpy" else None
        name = f"{BUNDLE}-{kind}-{__version__}"
        _write(output / f"{name}.zip", _community(circuitpython, name, compiler))
        written.append(output / f"{name}.zip")
    path = output / f"{BUNDLE}-{__version__}.json"
    path.write_text(json.dumps(_contents(circuitpython), indent=2, sort_keys=True) + "\n")
    return [*written, path]


def _kinds(mpy_cross: dict[str, str], language: str) -> Sequence[str]:
    return ("py", "mpy") if language in mpy_cross else ("py",)


def _community(boards: Sequence[Board], name: str, mpy_cross: str | None) -> list[Copy]:
    found: dict[str, Copy] = {}
    for board in boards:
        for copy in plan(board, {}, mpy_cross=mpy_cross):
            inside = copy.target.startswith("lib/")
            target = copy.target if inside else f"examples/leafnode_{board.name}/{copy.target}"
            found[target] = Copy(f"{name}/{target}", copy.data)
    return [*found.values(), Copy(f"{name}/VERSIONS.txt", f"leafnode {__version__}\n".encode())]


def _contents(boards: Sequence[Board]) -> dict[str, dict[str, object]]:
    """Return what circup looks up: each package, and which others it needs."""
    packages = sorted({file.target.split("/")[0] for board in boards for file in board.modules})
    return {
        package: {
            "package": True,
            "path": f"lib/{package}",
            "repo": "",
            "version": __version__,
            "dependencies": [other for other in packages if other != package],
            "external_dependencies": [],
        }
        for package in packages
    }


def _write(path: Path, copies: Iterable[Copy]) -> None:
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for copy in sorted(copies, key=lambda one: one.target):
            entry = zipfile.ZipInfo(copy.target, _EPOCH)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, copy.data)
    partial.replace(path)

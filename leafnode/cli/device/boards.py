"""The boards that the firmware knows, and which files each carries.

Knows firmware/boards.toml and where the firmware lies: beside the package in a checkout, else where
a wheel puts it. The link's files are the package's own. Truth: firmware/README.md, "Boards".
"""

from __future__ import annotations

import ast
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import leafnode
from leafnode.errors import LeafnodeError

_PACKAGE: Final = Path(leafnode.__file__).parent
_INSTALLED: Final = Path("share/leafnode/firmware")
MICROPYTHON: Final = "micropython"
CIRCUITPYTHON: Final = "circuitpython"


class NoFirmware(LeafnodeError):  # noqa: N818 -- a condition of the place, not of the program
    """There is no firmware where it should be, or no such board in it."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a board: its path there, where it comes from, whether it is Python."""

    target: str
    source: Path

    @property
    def is_module(self) -> bool:
        """Whether it may be compiled: what starts a board may not."""
        return self.target.endswith(".py") and "/" in self.target


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board. `usb`: vendor and product as `2e8a:0005`."""

    name: str
    title: str
    language: str
    usb: tuple[str, ...]
    modules: tuple[File, ...]
    start: tuple[File, ...]  # main.py or code.py, and what is read by it
    heap_bytes: int
    compiled: bool  # takes compiled modules only


def firmware_directory() -> Path:
    """Return where the firmware lies. Raises NoFirmware."""
    for directory in (_PACKAGE.parent / "firmware", Path(sys.prefix) / _INSTALLED):
        if (directory / "boards.toml").is_file():
            return directory
    raise NoFirmware(f"no firmware beside {_PACKAGE} or in {Path(sys.prefix) / _INSTALLED}")


def load_boards(directory: Path) -> dict[str, Board]:
    """Return the boards of `directory` by name."""
    table = tomllib.loads((directory / "boards.toml").read_text())
    return {
        name: _board(name, entry, table["groups"], directory)
        for name, entry in table["boards"].items()
    }


def sensor_names(directory: Path) -> tuple[str, ...]:
    """Return the sensors that settings may name: NAMES of the firmware's boards/wired.py."""
    for node in ast.parse((directory / "boards/wired.py").read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="NAMES")]):
                return tuple(ast.literal_eval(node.value))
    raise NoFirmware(f"boards/wired.py of {directory} names no sensors")


def board_named(boards: dict[str, Board], name: str) -> Board:
    """Return the board of that name. Raises NoFirmware."""
    board = boards.get(name)
    if board is None:
        raise NoFirmware(f"{name}: no such board; there are {', '.join(sorted(boards))}")
    return board


def _board(
    name: str, entry: dict[str, object], groups: dict[str, list[str]], directory: Path
) -> Board:
    left_out = _texts(entry["leaves_out"])
    targets = [target for group in _texts(entry["groups"]) for target in groups[group]]
    targets.append(f"boards/{name}.py")
    modules = [
        File(target, source_of(target, directory)) for target in targets if target not in left_out
    ]
    return Board(
        name=name,
        title=str(entry["title"]),
        language=str(entry["language"]),
        usb=_texts(entry["usb"]),
        modules=tuple(modules),
        start=tuple(
            File(file, directory / "examples" / name / file) for file in _texts(entry["start"])
        ),
        heap_bytes=int(str(entry["heap_bytes"])),
        compiled=entry.get("compiled") is True,
    )


def source_of(target: str, directory: Path) -> Path:
    """Return where a module of a board comes from."""
    return (_PACKAGE if target.startswith("link/") else directory) / target


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()

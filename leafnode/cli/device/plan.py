"""What goes onto a board: each file's path there and its bytes, in the order of copying.

Knows boards and settings; not how they get there. Truth: firmware/README.md, "Boards", "Settings".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leafnode.cli.device.boards import CIRCUITPYTHON
from leafnode.cli.device.compiled import compile_module
from leafnode.cli.device.slim import slim
from leafnode.errors import LeafnodeError
from leafnode.link.subject import is_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from leafnode.cli.device.boards import Board


class BadSetting(LeafnodeError):  # noqa: N818 -- a condition of what was asked for
    """A setting that a board could not read, or a name that the link would refuse."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One file as it lies on the board."""

    target: str
    data: bytes


def plan(
    board: Board,
    settings: Mapping[str, str | int],
    *,
    mpy_cross: str | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> list[Copy]:
    """Return the files of a board, what starts it last. With `mpy_cross` modules are compiled.

    A board that loses its power or its cable meanwhile starts with what it had, or not at all.
    `step` is called with the number of modules after each. Raises LeafnodeError.
    """
    copies = []
    for file in board.modules:
        source = slim(file.source.read_text())
        target = file.target
        data = source.encode()
        if mpy_cross is not None:
            data = compile_module(source, target, mpy_cross, board.language)
            target = target.removesuffix(".py") + ".mpy"
        copies.append(Copy(f"lib/{target}", data))
        step(len(board.modules))
    for file in reversed(board.start):
        text = file.source.read_text()
        if file.target == "settings.toml":
            text = with_settings(text, settings)
        elif file.target.endswith(".py"):
            text = slim(text)
        copies.append(Copy(file.target, text.encode()))
    return copies


def with_settings(text: str, settings: Mapping[str, str | int]) -> str:
    """Return a settings.toml with some values changed or added. Raises BadSetting."""
    left = dict(settings)
    lines = []
    for line in text.splitlines():
        key = line.partition("=")[0].strip()
        lines.append(f"{key} = {_value(key, left.pop(key))}" if key in left else line)
    lines += [f"{key} = {_value(key, value)}" for key, value in left.items()]
    return "\n".join(lines) + "\n"


def checked_name(name: str) -> str:
    """Return a name that a board may have. Raises BadSetting."""
    if not name.isascii() or not is_name(name.encode()):
        raise BadSetting(f"{name!r}: a name is 1 to 32 letters, digits, - and _")
    return name


def checked_sensors(text: str, known: Sequence[str]) -> str:
    """Return what NODE_SENSORS may say: names that a board knows. Raises BadSetting."""
    names = text.split()
    for name in names:
        if name not in known:
            raise BadSetting(f"{name!r}: no such sensor; there are {' '.join(known)}")
    if not names:
        raise BadSetting(f"no sensor; there are {' '.join(known)}")
    return " ".join(names)


def stale(copies: list[Copy]) -> list[str]:
    """Return the paths whose files would be taken instead of what is copied.

    A `.py` beside a `.mpy` of the same module comes first.
    """
    others = []
    for copy in copies:
        stem, _, suffix = copy.target.rpartition(".")
        if suffix in {"py", "mpy"} and "/" in copy.target:
            others.append(f"{stem}.{'mpy' if suffix == 'py' else 'py'}")
    return others


def directories(copies: list[Copy]) -> list[str]:
    """Return the directories that must be there, parents first."""
    found: dict[str, None] = {}
    for copy in copies:
        parts = copy.target.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            found["/".join(parts[:count])] = None
    return list(found)


def needs_reset(board: Board) -> bool:
    """Whether a person has to press reset: CircuitPython reads boot.py at power-up only."""
    return board.language == CIRCUITPYTHON


def _value(key: str, value: str | int) -> str:
    if isinstance(value, int):
        if not -999_999_999 <= value <= 999_999_999:
            raise BadSetting(f"{key}: {value}: at most nine digits")
        return str(value)
    if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
        raise BadSetting(f"{key}: {value!r}: printable ASCII without quotes and backslashes")
    return f'"{value}"'

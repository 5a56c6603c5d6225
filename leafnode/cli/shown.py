"""What the commands print: tables, JSON, sizes, progress; nothing that a terminal would obey.

Names and payloads come from clients, so every control character in them is shown as an escape.
Colours and progress bars only where somebody looks. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import base64
import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

import click
from tabulate import tabulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager


class Step(Protocol):
    """How a bar is told: so many steps there are, so many more are done."""

    def __call__(self, count: int, done: int = 1) -> None: ...


_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def printable(value: object) -> str:
    """Return one line of text without anything that moves a cursor, changes direction or colour."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        data: bytes = value
        try:
            value = data.decode()
        except UnicodeDecodeError:
            return base64.b64encode(data).decode()
    return "".join(char if char.isprintable() else _escape(char) for char in str(value))


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> str:
    """Return a table. `right`: heads of columns with numbers."""
    cells = [[printable(value) for value in row] for row in rows]
    align = ["right" if head in right else "left" for head in heads]
    styled = [bold(head) for head in heads]
    if not cells:
        return "  ".join(styled)
    text: str = tabulate(
        cells,
        styled,
        tablefmt="plain",
        disable_numparse=True,
        colalign=align,
        headersglobalalign="left",
    )
    return text


def size(count: int) -> str:
    """Return bytes as people read them."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def bold(text: str) -> str:
    return click.style(text, bold=True)


def bad(text: str) -> str:
    return click.style(text, fg="red", bold=True)


def good(text: str) -> str:
    return click.style(text, fg="green")


def say(text: str, *, error: bool = False) -> None:
    """Print one piece of text; colours go where no terminal shows them or NO_COLOR is set."""
    click.echo(text, err=error, color=False if os.environ.get("NO_COLOR") else None)


def as_json(value: Any) -> str:
    """Return JSON in ASCII: nothing in it is a control character."""
    return json.dumps(value, indent=2, default=_json_value, allow_nan=False)


def json_cell(value: object) -> object:
    """Return a value of a row as JSON can have it: a number without end is none there."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json_value(value: object) -> str:
    assert isinstance(value, bytes), type(value)
    return printable(value)


def progress(what: str, count: int = 0) -> AbstractContextManager[Step]:
    """Return a bar on standard error, shown on a terminal only.

    It is called after each step with the number of steps there are.
    """
    return _Progress(what, count)


class _Progress:
    def __init__(self, what: str, count: int) -> None:
        self._bar = click.progressbar(
            length=count, label=what, file=sys.stderr, hidden=not sys.stderr.isatty()
        )

    def __enter__(self) -> Step:
        self._bar.__enter__()
        return self._step

    def __exit__(self, *_: object) -> None:
        self._bar.render_finish()

    def _step(self, count: int, done: int = 1) -> None:
        self._bar.length = count
        self._bar.update(done)

"""A module of the firmware without what only a type checker reads.

`if TYPE_CHECKING:` costs a board nothing when it runs, but its body is in the file, and in the
bytecode, too: mpy-cross cannot know that the name stays False. Line numbers stay, for tracebacks.
Knows source text. Truth: docs/device-link.md, "Portable subset".
"""

from __future__ import annotations

import ast
from typing import Final

_GUARD: Final = "TYPE_CHECKING"


def slim(source: str) -> str:
    """Return `source` without its typing-only lines and docstrings, line for line."""
    lines = source.splitlines()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and _names_guard(node.test):
            # `if False:` is what a compiler leaves out, whatever its else does.
            lines[node.lineno - 1] = lines[node.lineno - 1].replace(_GUARD, "False", 1)
            _blank(lines, node.body, "pass")
        elif isinstance(node, ast.Assign) and any(map(_names_guard, node.targets)):
            _blank(lines, [node], "")
    for docstring, alone in _docstrings(tree):
        _blank(lines, [docstring], "pass" if alone else "")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def _names_guard(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == _GUARD


def _docstrings(tree: ast.Module) -> list[tuple[ast.stmt, bool]]:
    """Return each docstring, and whether it is all that its block has."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            found.append((node.body[0], len(node.body) == 1 and not isinstance(node, ast.Module)))
    return found


def _blank(lines: list[str], statements: list[ast.stmt], instead: str) -> None:
    first = statements[0].lineno - 1
    last = (statements[-1].end_lineno or statements[-1].lineno) - 1
    indent = lines[first][: statements[0].col_offset]
    lines[first : last + 1] = [""] * (last + 1 - first)
    lines[first] = indent + instead if instead else ""

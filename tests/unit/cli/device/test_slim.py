"""leafnode.cli.device.slim: what a board does not need is gone, and every line is where it was."""

import ast
from pathlib import Path

import pytest

from leafnode.cli.device.slim import slim

ROOT = Path(__file__).parents[4]
DEVICE_SOURCES = [
    *sorted((ROOT / "leafnode/link").glob("*.py")),
    *sorted((ROOT / "firmware").glob("*/*.py")),
]


def test_typing_is_replaced_by_a_condition_that_a_compiler_leaves_out() -> None:
    source = (
        "TYPE_CHECKING = False\n"
        "if TYPE_CHECKING:\n"
        "    from typing import Any\n"
        "\n"
        "    Sensor = Any\n"
        "else:\n"
        "    from link.ticks import is_due\n"
        "x: 'Any' = 1\n"
    )

    assert slim(source) == (
        "\nif False:\n    pass\n\n\nelse:\n    from link.ticks import is_due\nx: 'Any' = 1\n"
    )


def test_an_elif_goes_on_where_the_guard_was() -> None:
    source = "if TYPE_CHECKING:\n    import a\nelif b:\n    import c\n"

    assert slim(source) == "if False:\n    pass\nelif b:\n    import c\n"


def test_docstrings_go_and_what_they_filled_stays_valid() -> None:
    source = (
        '"""Module.\n\nMore.\n"""\n'
        'class A:\n    """A."""\n'
        'def f():\n    """F."""\n    return 1\n'
        "class B:\n    '''Only\n    this.'''\n"
    )

    slimmed = slim(source)

    assert slimmed == ("\n\n\n\nclass A:\n    pass\ndef f():\n\n    return 1\nclass B:\n    pass\n")
    ast.parse(slimmed)


def test_a_text_that_is_no_docstring_stays() -> None:
    source = 'a = "TYPE_CHECKING"\nb = """x\ny"""\n'

    assert slim(source) == source


@pytest.mark.parametrize("path", DEVICE_SOURCES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_each_file_of_the_firmware_means_the_same_at_the_same_lines(path: Path) -> None:
    source = path.read_text()
    before, after = ast.parse(source), ast.parse(slim(source))

    functions = [
        [(node.name, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for tree in (_without_typing(before), after)
    ]
    assert functions[0] == functions[1]
    assert "TYPE_CHECKING" not in ast.unparse(after)


def _without_typing(tree: ast.Module) -> ast.Module:
    class Cut(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST:
            if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = [ast.Pass(lineno=node.lineno, col_offset=0)]
            self.generic_visit(node)
            return node

    return Cut().visit(tree)

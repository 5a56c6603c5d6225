"""leafnode.cli.device.boards: the table is whole, and every file in it exists and is enough."""

import ast
import importlib.util
from pathlib import Path

import pytest

from leafnode.cli.device.boards import (
    CIRCUITPYTHON,
    MICROPYTHON,
    NoFirmware,
    board_named,
    firmware_directory,
    load_boards,
)

DIRECTORY = firmware_directory()
BOARDS = load_boards(DIRECTORY)
HOST_ONLY = {"link/gateway.py", "link/gateway_channel.py", "link/events.py", "link/parts.py"}


def test_the_firmware_of_a_checkout_is_the_checkouts() -> None:
    assert Path(__file__).parents[4] / "firmware" == DIRECTORY


def test_the_boards_of_the_issue_are_there() -> None:
    assert set(BOARDS) == {"esp32_s3", "pico", "pico_w", "samd21"}
    assert BOARDS["pico"].language == MICROPYTHON
    assert BOARDS["samd21"].language == CIRCUITPYTHON


def test_another_board_is_refused_with_those_that_are() -> None:
    with pytest.raises(NoFirmware, match="nano: no such board; there are esp32_s3, pico, pico_w"):
        board_named(BOARDS, "nano")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_file_of_a_board_exists(board) -> None:
    for file in (*board.modules, *board.start):
        assert file.source.is_file(), file
    targets = [file.target for file in (*board.modules, *board.start)]
    assert len(targets) == len(set(targets))
    assert not HOST_ONLY & set(targets)
    assert board.start[0].target == ("main.py" if board.language == MICROPYTHON else "code.py")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_what_a_board_imports_it_carries(board) -> None:
    carried = {
        file.target[:-3].replace("/", ".").replace(".__init__", "") for file in board.modules
    }
    packages = {name.split(".")[0] for name in carried}
    left_out = {"sensors.counter"} if board.name == "samd21" else set()

    for file in (*board.modules, *board.start):
        if file.source.suffix != ".py":
            continue
        missing = {
            name
            for name in _imports(file.source, file.target)
            if name.split(".")[0] in packages and name not in carried
        }
        assert missing <= left_out, file.target


def module_name(target: str) -> str:
    return target.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(path: Path, target: str) -> set[str]:
    """Return the modules that a file imports when it runs, as a board names them."""
    package = target.rsplit("/", 1)[0].replace("/", ".") if "/" in target else ""
    found = set()
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = f"{package}.{node.module or ''}".strip(".") if node.level else node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                source = DIRECTORY / f"{name.replace('.', '/')}.py"
                link = DIRECTORY.parent / "leafnode" / f"{name.replace('.', '/')}.py"
                found.add(name if source.exists() or link.exists() else base)
    return found


def _running(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes outside `if TYPE_CHECKING:`."""
    found = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        guard = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
        if guard and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("name", BOARDS)
def test_a_boards_module_says_what_opens_its_pins_need(name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, DIRECTORY / "boards" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    for constant in ("LINE_TX", "LINE_RX", "SDA", "SCL", "SENSOR_TX", "SENSOR_RX"):
        assert hasattr(module, constant)
    for constant in ("ONE_WIRE", "ANALOG", "CONTACT", "PULSE"):
        assert hasattr(module, constant)
    assert 1 <= module.LINK["window"] <= 8
    # The ring is allocated at start: a fifth of the heap at most.
    assert module.LINK["ring_bytes"] <= BOARDS[name].heap_bytes / 3

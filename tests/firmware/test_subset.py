"""The firmware's source stays within what the smallest supported Python has."""

import ast
import json
import re
import subprocess

import pytest

from leafnode.cli.device.boards import firmware_directory, load_boards
from leafnode.cli.device.slim import slim
from tests.firmware.interpreter import DEVICE_PATHS, ROOT, mpy_cross, run_micropython
from tests.firmware.subset import HAL_MODULES, MODULES, SAMD21_MODULES, problems

LINK = sorted((ROOT / "leafnode/link").glob("*.py"))
NODE = sorted((ROOT / "firmware/node").glob("*.py"))
HAL = sorted((ROOT / "firmware/hal").glob("*.py"))
BOARDS = sorted((ROOT / "firmware/boards").glob("*.py"))
SENSORS = sorted((ROOT / "firmware/sensors").glob("*.py"))
# What a SAMD21 carries: nothing of these may need more than it has.
SAMD21 = load_boards(firmware_directory())["samd21"]
SMALL = [file.source for file in SAMD21.modules]
ASYNCHRONOUS = {"aio"}
# The packages of a device, which import each other by their names there.
OWN = {"hal", "boards"}
OWN |= {f"{path.parent.name}.{path.stem}" for path in [*LINK, *NODE, *HAL, *SENSORS, *BOARDS]}
EXAMPLES = sorted((ROOT / "firmware/examples").rglob("*.py"))
DEVICE_MPY_BYTES_MAX = 21_200  # link without the gateway's half, node, one HAL
# Of the link, for boards with messages, aliases, time or a CRC-16.
PARTS = {"aliases", "channel", "clock", "crc16", "messages", "pattern", "verbs"}
PARTS_MPY_BYTES_MAX = 12_000


@pytest.mark.parametrize("path", LINK + NODE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_link_and_node_use_only_the_portable_subset(path):
    modules = MODULES | OWN | ({"asyncio"} if path.stem in ASYNCHRONOUS else set())
    asynchronous = path.stem in ASYNCHRONOUS

    assert problems(path.read_text(), modules, asynchronous=asynchronous) == []


@pytest.mark.parametrize("path", HAL, ids=lambda path: path.stem)
def test_boards_use_only_the_portable_subset(path):
    assert problems(path.read_text(), HAL_MODULES) == []


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_how_boards_are_opened_uses_only_the_portable_subset(path):
    modules = HAL_MODULES | SAMD21_MODULES | OWN | {"countio", "esp32", "onewire"}

    assert problems(path.read_text(), modules) == []


@pytest.mark.parametrize("path", SENSORS, ids=lambda path: path.stem)
def test_sensors_use_only_the_portable_subset(path):
    assert problems(path.read_text(), MODULES, long_ints=False) == []


@pytest.mark.parametrize("path", SMALL, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_what_a_samd21_carries_asks_for_no_module_that_it_lacks(path):
    # pulses() says that the board counts none before it imports countio.
    modules = SAMD21_MODULES | OWN | ({"countio"} if path.stem == "on_circuitpython" else set())

    assert problems(path.read_text(), modules) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("match a:\n  case 1: pass", "match"),
        ("def f(a, /): pass", "positional-only /"),
        ("try: pass\nexcept* ValueError: pass", "except*"),
        ("from __future__ import annotations", "import __future__"),
        ("import typing", "import typing"),
        ("from collections.abc import Callable", "import collections.abc"),
        ("try:\n  from typing import Any\nexcept ImportError:\n  pass", "import typing"),
        ("try:\n  from typing import Any\nexcept ImportError:\n  Any = None", "import typing"),
        ("from circuitpython_typing import ReadableBuffer", "import circuitpython_typing"),
        ("try:\n  import json\nexcept ImportError:\n  pass", "import json"),
        ("import re", "import re"),
        ("async def f(): await g()", "async"),
        ("a.partition('x')", "partition"),
        ("frozenset()", "frozenset"),
        ("pow(2, 3, 5)", "pow with three arguments"),
        ("from dataclasses import dataclass", "import dataclasses"),
        ("import enum", "import enum"),
        ("import asyncio", "import asyncio"),
        ("del a[:3]", "del of a slice"),
        ("a.removeprefix('x')", "removeprefix"),
        ("int.from_bytes(b, 'little', signed=True)", "signed="),
        ("f'{a}'", "f-string"),
        ("raise A() from b", "raise from"),
        ("a = (*b, 1)", "star in a display"),
        ("@cache\ndef f(): pass", "decorator"),
        ("def f(): f()", "recursion"),
        ("class A:\n  def f(self): self.f()", "recursion"),
        ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n  pass\nelse:\n  import enum", "import enum"),
    ],
)
def test_the_probe_finds_what_the_subset_lacks(source, what):
    assert problems(source)[0].split(": ")[1] == what


@pytest.mark.parametrize("module", ["json", "re", "binascii", "asyncio", "errno", "select"])
def test_the_probe_knows_what_a_samd21_lacks(module):
    assert problems(f"import {module}", SAMD21_MODULES) == [f"1: import {module}"]


def test_the_probe_takes_an_import_that_has_a_fallback():
    source = "try:\n  from binascii import crc32\nexcept ImportError:\n  crc32 = portable"

    assert problems(source, SAMD21_MODULES) == []


def test_the_probe_finds_integers_that_a_board_without_long_ones_lacks():
    assert problems("a = 0x3FFFFFFF", long_ints=False) == []
    assert problems("a = 0x40000000", long_ints=False) == ["1: integer beyond 30 bits"]


def test_the_probe_takes_async_only_where_it_is_allowed():
    source = "async def f(): await g()"

    assert problems(source, asynchronous=True) == []
    assert problems("f'{a}'", asynchronous=True) == ["1: f-string"]


def test_the_probe_leaves_typing_alone_where_it_is_not_executed():
    source = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n  from typing import Final\nx: 'Final' = 1"

    assert problems(source) == []


@pytest.mark.parametrize(
    "path",
    LINK + NODE + HAL + SENSORS + BOARDS + EXAMPLES,
    ids=lambda path: f"{path.parent.name}.{path.stem}",
)
def test_every_file_compiles_for_a_device_as_it_is(path, tmp_path):
    output = tmp_path / "out.mpy"

    result = subprocess.run(
        [mpy_cross(), "-o", str(output), str(path)], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    assert output.stat().st_size > 0


@pytest.mark.parametrize(
    "path", LINK + NODE + HAL + SENSORS + BOARDS, ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_no_typing_is_left_in_what_is_built_for_a_device(path, tmp_path):
    source = tmp_path / "module.py"
    source.write_text(slim(path.read_text()))
    output = tmp_path / "out.mpy"

    subprocess.run([mpy_cross(), "-o", str(output), str(source)], check=True)

    # Neither an import nor a name: the bytecode has no word of them.
    words = set(re.findall(rb"[A-Za-z_]{4,}", output.read_bytes()))
    assert not words & {b"typing", b"collections", b"Callable", b"Protocol", b"Any", b"Sequence"}
    assert not words & {b"ReadableBuffer", b"WriteableBuffer", b"circuitpython_typing"}


@pytest.mark.parametrize("path", LINK, ids=lambda path: path.stem)
def test_every_link_module_imports_as_link_on_a_device(path):
    name = "link" if path.stem == "__init__" else f"link.{path.stem}"

    result = run_micropython("-c", f"import {name}; print('ok')", paths=DEVICE_PATHS)

    assert result.stdout == "ok\n", result.stderr


def packaged():
    """Return (path on the device, path here) of package.json."""
    urls = json.loads((ROOT / "firmware/package.json").read_text())["urls"]
    return [(target, (ROOT / "firmware" / source).resolve()) for target, source in urls]


def manifest_files():
    """Return the paths on the device that manifest.py names."""
    files = set()
    for call in ast.walk(ast.parse((ROOT / "firmware/manifest.py").read_text())):
        if isinstance(call, ast.Call) and call.func.id == "package":
            name = ast.literal_eval(call.args[0])
            if len(call.args) > 1:
                files |= {f"{name}/{file}" for file in ast.literal_eval(call.args[1])}
            else:
                files |= {f"{name}/{path.name}" for path in (ROOT / "firmware" / name).glob("*.py")}
    return files


def test_package_json_names_files_that_exist_under_their_own_names():
    for target, source in packaged():
        assert source.is_file()
        assert str(source).endswith(target)


def test_package_json_and_manifest_carry_the_same_files():
    assert manifest_files() == {target for target, _ in packaged()}


def test_package_json_carries_what_the_micropython_boards_carry():
    boards = load_boards(firmware_directory()).values()
    carried = {
        file.target for board in boards if board.language == "micropython" for file in board.modules
    }

    assert {target for target, _ in packaged()} == carried


def compiled(tmp_path, is_wanted):
    """Compile what is packaged and wanted to `tmp_path`; return the size of it all."""
    size = 0
    for target, source in packaged():
        if is_wanted(target):
            output = (tmp_path / target).with_suffix(".mpy")
            output.parent.mkdir(exist_ok=True)
            subprocess.run([mpy_cross(), "-o", str(output), str(source)], check=True)
            size += output.stat().st_size
    return size


def is_part(target):
    folder, _, file = target.partition("/")
    return folder == "link" and file.removesuffix(".py") in PARTS


def is_beside(target):
    return target.split("/")[0] in {"boards", "sensors"} or target == "node/aio.py"


def test_what_is_packaged_is_enough_to_run_and_small_enough(tmp_path):
    size = compiled(tmp_path, lambda t: not is_part(t) and not is_beside(t))

    result = run_micropython(
        "-c", "import node.node, hal.micropython; print('ok')", paths=(tmp_path,)
    )

    assert result.stdout == "ok\n", result.stderr
    assert size < DEVICE_MPY_BYTES_MAX


def test_the_parts_of_the_link_are_packaged_and_small_enough(tmp_path):
    assert {t.partition("/")[2].removesuffix(".py") for t, _ in packaged() if is_part(t)} == PARTS

    assert compiled(tmp_path, is_part) < PARTS_MPY_BYTES_MAX

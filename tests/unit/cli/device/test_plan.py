"""leafnode.cli.device.plan: what goes onto a board, and in which order."""

import tomllib

import pytest

from leafnode.cli.device.boards import firmware_directory, load_boards
from leafnode.cli.device.compiled import compiler
from leafnode.cli.device.plan import (
    BadSetting,
    Copy,
    checked_name,
    directories,
    needs_reset,
    plan,
    stale,
    with_settings,
)

BOARDS = load_boards(firmware_directory())


def test_modules_are_in_lib_and_what_starts_the_board_is_last() -> None:
    copies = plan(BOARDS["pico"], {"NODE_NAME": "a1"})

    targets = [copy.target for copy in copies]
    assert targets[-2:] == ["settings.toml", "main.py"]
    assert all(target.startswith("lib/") for target in targets[:-2])
    assert tomllib.loads(copies[-2].data.decode())["NODE_NAME"] == "a1"
    assert [copy.target for copy in plan(BOARDS["samd21"], {})][-3:] == [
        "settings.toml",
        "boot.py",
        "code.py",
    ]


def test_sources_are_without_typing_and_docstrings() -> None:
    for copy in plan(BOARDS["esp32_s3"], {}):
        assert b"TYPE_CHECKING" not in copy.data
        assert b"from typing" not in copy.data


def test_compiled_modules_take_the_place_of_sources() -> None:
    steps: list[int] = []
    board = BOARDS["pico"]
    cross = compiler(None, board.language)

    copies = plan(board, {}, mpy_cross=cross, step=steps.append)

    modules = [copy for copy in copies if copy.target.startswith("lib/")]
    assert steps == [len(modules)] * len(modules)
    assert all(copy.target.endswith(".mpy") and copy.data[:1] == b"M" for copy in modules)
    assert copies[-1].target == "main.py"  # a board starts a source only
    assert sum(len(c.data) for c in copies) < sum(len(c.data) for c in plan(board, {}))


def test_settings_are_changed_in_their_place_and_added_at_the_end() -> None:
    text = '# a name\nNODE_NAME = "x"\nNODE_LINE = "usb"\n'

    changed = with_settings(text, {"NODE_NAME": "y", "NODE_INTERVAL_MS": 50})

    assert changed == '# a name\nNODE_NAME = "y"\nNODE_LINE = "usb"\nNODE_INTERVAL_MS = 50\n'


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", "é", 1_000_000_000])
def test_a_value_that_a_board_could_not_read_is_refused(value: str | int) -> None:
    with pytest.raises(BadSetting, match="NODE_NAME"):
        with_settings("", {"NODE_NAME": value})


@pytest.mark.parametrize("name", ["", "a.b", "a b", "ä", "x" * 33, "*", ">"])
def test_a_name_is_a_token_of_a_subject(name: str) -> None:
    assert checked_name("press-4_A") == "press-4_A"
    with pytest.raises(BadSetting, match="1 to 32 letters"):
        checked_name(name)


def test_the_other_form_of_a_module_is_in_the_way_and_what_starts_is_not() -> None:
    copies = [Copy("lib/a/b.mpy", b""), Copy("lib/c.py", b""), Copy("main.py", b"")]

    assert stale(copies) == ["lib/a/b.py", "lib/c.mpy"]
    assert directories(copies) == ["lib", "lib/a"]


def test_only_circuitpython_needs_a_person_to_press_reset() -> None:
    assert needs_reset(BOARDS["samd21"])
    assert not needs_reset(BOARDS["pico"])

"""The committed figures of the firmware are those of this firmware, within a tenth."""

import csv
from pathlib import Path

import pytest

from leafnode.cli.device.boards import firmware_directory, load_boards
from tests.firmware.interpreter import ROOT
from tests.firmware.measure import FIELDS, compile_board, run

FIGURES = ROOT / "hw/measurements/firmware.csv"
IN_README = ("heap_bytes", "mpy_bytes", "used_bytes_64bit", "smallest_heap_64bit")
BOARDS = load_boards(firmware_directory())


def rows():
    lines = [line for line in FIGURES.read_text().splitlines() if line[0] != "#"]
    return {row["board"]: row for row in csv.DictReader(lines)}


def test_the_figures_say_which_command_made_them():
    assert FIGURES.read_text().startswith("# make fw-measure: ")
    assert tuple(next(iter(rows().values()))) == FIELDS


def test_the_page_says_what_was_measured():
    page = (ROOT / "firmware/README.md").read_text()
    for board, row in rows().items():
        numbers = (int(row[name]) for name in IN_README)
        assert f"| `{board}` | " + " | ".join(f"{number:,}" for number in numbers) + " |" in page


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_sizes_are_those_of_this_firmware(board, tmp_path: Path):
    row = rows()[board.name]

    size = sum(compile_board(board, tmp_path).values())

    assert abs(size - int(row["mpy_bytes"])) < size / 10, "make fw-measure"
    # It still runs in that heap, and a tenth more for what changes from day to day.
    assert run(board, tmp_path, int(row["smallest_heap_64bit"]) * 11 // 10), "make fw-measure"

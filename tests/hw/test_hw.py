"""hw/: drawings are of their sources, and pins, ids and parts are those of the firmware."""

import ast
import csv
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hw.render import MARK, digest, is_current
from leafnode.cli.device.boards import firmware_directory, load_boards

ROOT = Path(__file__).parents[2]
HW = ROOT / "hw"
WIRING = sorted((HW / "wiring").glob("*.yml"))
BOARDS = load_boards(firmware_directory())
RULES = ROOT / "configs/udev/60-leafnode.rules"
# Each drawing with the board whose pins it shows, as label of a pin and constant of the module.
DRAWN = [
    ("pico-i2c-1wire", "pico", "GP{SDA} SDA", "GP{SCL} SCL", "GP{ONE_WIRE} 1-Wire"),
    ("pico-i2c-1wire", "pico_w", "GP{SDA} SDA", "GP{SCL} SCL", "GP{CONTACT} contact"),
    ("pico-uart-pi", "pico", "GP{LINE_TX} TX", "GP{LINE_RX} RX"),
    ("esp32-s3-air", "esp32_s3", "GPIO{SDA} SDA", "GPIO{SCL} SCL", "GPIO{SENSOR_TX} TX"),
    ("esp32-s3-air", "esp32_s3", "GPIO{SENSOR_RX} RX"),
    ("samd21-loop", "samd21", "[{ANALOG}, GND, {CONTACT}]"),
]


def constants(board: str) -> dict[str, object]:
    """Return what a board's module says, without running it."""
    tree = ast.parse((ROOT / f"firmware/boards/{board}.py").read_text())
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


@pytest.mark.parametrize("source", WIRING, ids=lambda path: path.stem)
def test_a_drawing_is_of_its_yaml(source: Path) -> None:
    assert is_current(source), f"{source.name} was changed: make hw"


def test_a_drawing_of_another_yaml_is_found(tmp_path: Path) -> None:
    source = tmp_path / "a.yml"
    source.write_text("connectors:\n")
    assert not is_current(source)
    source.with_suffix(".svg").write_text(f"<svg>\n{MARK.format(digest(source))}\n</svg>\n")
    assert is_current(source)
    source.write_text("connectors: {}\n")
    assert not is_current(source)


def test_make_hw_check_says_which_are_stale(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HW / "render.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("row", DRAWN, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_drawing_has_the_pins_of_the_boards_module(row: tuple[str, ...]) -> None:
    drawing, board, *labels = row
    text = (HW / f"wiring/{drawing}.yml").read_text()

    for label in labels:
        assert label.format(**constants(board)) in text


@pytest.mark.parametrize("board", BOARDS)
def test_a_boards_page_has_each_pin_of_its_module_and_every_setting(board: str) -> None:
    page = (HW / f"boards/{board}.md").read_text()
    said = constants(board)

    for name in ("LINE_TX", "LINE_RX", "SDA", "SCL", "ONE_WIRE", "ANALOG", "CONTACT", "PULSE"):
        pin = said[name]
        assert pin == "" or re.search(rf"\| (.*[ ,|])?{pin}\b", page), name
    for sensor in ("bme280", "scd4x", "sds011", "contact", "ds18b20", "analog", "loop"):
        assert f"`{sensor}`" in page


def test_every_drawing_and_list_of_parts_is_used() -> None:
    pages = "".join(path.read_text() for path in HW.rglob("*.md"))

    for path in [*HW.rglob("*.svg"), *HW.glob("bom/*.csv"), *HW.glob("boards/*.md")]:
        assert path.name in pages, path


@pytest.mark.parametrize("path", sorted((HW / "bom").glob("*.csv")), ids=lambda path: path.stem)
def test_a_list_of_parts_is_a_table(path: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))

    assert rows[0] == ["part", "quantity", "example", "for", "note"]
    for row in rows[1:]:
        assert len(row) == 5, row
        assert row[0], row
        assert int(row[1]) > 0


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in HW.rglob("*.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), (page, link)


def test_udev_knows_the_ids_of_the_boards() -> None:
    text = RULES.read_text()
    known = set(re.findall(r'idVendor\}=="(\w+)", ATTRS\{idProduct\}=="(\w+)"', text))
    table = tomllib.loads((ROOT / "firmware/boards.toml").read_text())["boards"]

    for entry in table.values():
        for usb in entry["usb"]:
            assert tuple(usb.split(":")) in known


def test_udev_rules_are_whole() -> None:
    """What `udevadm verify` says where there is one (systemd 254), and what we see ourselves."""
    lines = [line for line in RULES.read_text().splitlines() if line and line[0] != "#"]
    labels = set(re.findall(r'LABEL="(\w+)"', RULES.read_text()))
    key = r'[A-Z_]+(\{[\w.]+\})?(==|!=|\+=|=)"[^"]*"'
    for line in lines:
        assert re.fullmatch(rf"{key}(, {key})*", line), line
    assert set(re.findall(r'GOTO="(\w+)"', RULES.read_text())) == labels

    program = shutil.which("udevadm")
    if program is None:
        return
    done = subprocess.run(
        [program, "verify", str(RULES)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 or "Unknown command verb" in done.stderr, done.stderr


def test_the_overlay_compiles_where_there_is_a_compiler(tmp_path: Path) -> None:
    source = HW / "overlays/leafnode-rs485.dts"
    text = source.read_text()
    assert text.count("{") == text.count("}")
    assert "NOT TESTED on hardware" in text
    program = shutil.which("dtc")
    if program is None:
        return
    output = tmp_path / "out.dtbo"
    done = subprocess.run(
        [program, "-@", "-I", "dts", "-O", "dtb", "-o", str(output), str(source)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert output.read_bytes()[:4] == b"\xd0\x0d\xfe\xed"

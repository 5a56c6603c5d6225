"""leafnode.cli.device.bundle: zip files as mip and circup people know them."""

import json
import stat
import sys
import zipfile
from pathlib import Path

from leafnode import __version__
from leafnode.cli.device.boards import CIRCUITPYTHON, MICROPYTHON, firmware_directory, load_boards
from leafnode.cli.device.bundle import BUNDLE, build
from leafnode.cli.device.compiled import compiler

BOARDS = load_boards(firmware_directory())


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_each_micropython_board_has_its_file_system(tmp_path: Path) -> None:
    build(BOARDS.values(), tmp_path, {MICROPYTHON: compiler(None, MICROPYTHON)})

    sources = names(tmp_path / f"leafnode-pico-py-{__version__}.zip")
    bytecode = names(tmp_path / f"leafnode-pico-mpy-{__version__}.zip")
    assert {"main.py", "settings.toml", "lib/link/device.py", "lib/boards/pico.py"} <= sources
    assert {"main.py", "settings.toml", "lib/link/device.mpy"} <= bytecode
    assert not any(name.endswith("device.py") for name in bytecode)


def test_the_circuitpython_bundle_has_circups_layout(tmp_path: Path) -> None:
    cross = tmp_path / "cross"
    cross.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "open(sys.argv[sys.argv.index('-o') + 1], 'wb').write(b'C\\x06')\n"
    )
    cross.chmod(cross.stat().st_mode | stat.S_IXUSR)
    output = tmp_path / "out"

    written = build(BOARDS.values(), output, {CIRCUITPYTHON: str(cross)})

    for kind in ("py", "mpy"):
        root = f"{BUNDLE}-{kind}-{__version__}"
        found = names(output / f"{root}.zip")
        assert f"{root}/lib/node/text.{kind}" in found
        assert f"{root}/examples/leafnode_samd21/code.py" in found
        assert f"{root}/VERSIONS.txt" in found
        assert all(name.startswith(f"{root}/") for name in found)
    contents = json.loads((output / f"{BUNDLE}-{__version__}.json").read_text())
    assert set(contents) == {"boards", "hal", "link", "node", "sensors"}
    assert contents["link"]["path"] == "lib/link"
    assert set(contents["node"]["dependencies"]) == {"boards", "hal", "link", "sensors"}
    assert all(path.is_file() for path in written)


def test_the_same_input_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    for run in ("a", "b"):
        build(BOARDS.values(), tmp_path / run, {})

    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert first == second
    assert not any(name.endswith(".partial") for name in first)

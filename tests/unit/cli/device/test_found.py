"""leafnode.cli.device.found: USB ports by their ids."""

import os
from dataclasses import dataclass
from pathlib import Path

from leafnode.cli.device.boards import firmware_directory, load_boards
from leafnode.cli.device.found import Said, found_boards, held_ports, said_hello

BOARDS = load_boards(firmware_directory())


@dataclass
class Port:
    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    product: str | None = None


def test_a_port_is_told_by_its_usb_ids() -> None:
    ports = [
        Port("/dev/ttyUSB0", 0x10C4, 0xEA60, "1", "CP2102"),
        Port("/dev/ttyACM1", 0x239A, 0x8023, "F1", "Feather M0 Express"),
        Port("/dev/ttyACM0", 0x2E8A, 0x0005, "E66", "Board in FS mode"),
        Port("/dev/ttyS0"),
    ]

    found = found_boards(ports, BOARDS, {})

    assert [(row.device, row.boards) for row in found] == [
        ("/dev/ttyACM0", ("pico", "pico_w")),
        ("/dev/ttyACM1", ("samd21",)),
        ("/dev/ttyUSB0", ()),
    ]
    assert (found[0].usb, found[0].serial) == ("2e8a:0005", "E66")


def test_what_a_server_has_open_is_told_by_whatever_name_it_used(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    link = tmp_path / "by-id"
    link.symlink_to(device)
    serialz = {
        "ports": [
            {"name": "node", "device": str(link), "open": True},
            {"name": "gone", "device": str(tmp_path / "x"), "open": False},
            {"name": "id", "device": "by-id:x", "path": "/dev/null", "open": True},
        ]
    }

    held = held_ports(serialz)

    assert held == {os.path.realpath(device): "node", "/dev/null": "id"}
    (row,) = found_boards([Port(str(device), 0x2E8A, 0x0005)], BOARDS, held)
    assert row.held_by == "node"


def test_boards_that_said_hello_stand_at_their_port_and_others_behind() -> None:
    serialz = {
        "ports": [
            {"name": "node", "device": "by-id:x", "path": "/dev/null", "open": True},
            {"name": "far", "device": "socket://h:1", "path": "socket://h:1", "open": True},
        ],
        "devices": [
            {"name": "old", "port": "node", "framing": "link", "boot": 1, "up": False},
            {"name": "n1", "port": "node", "framing": "link", "boot": 2, "up": True},
            {"name": "n2", "port": "far", "framing": "text_link", "boot": 0, "up": True},
        ],
    }

    said = said_hello(serialz)
    found = found_boards([Port("/dev/null", 0x2E8A, 0x0005)], BOARDS, held_ports(serialz), said)

    assert [[one.name for one in row.said] for row in found] == [["n1", "old"], ["n2"]]
    assert found[0].said[0] == Said("n1", "node", "link", 2, up=True, last_seen="")
    assert (found[1].device, found[1].usb, found[1].held_by) == ("socket://h:1", "", "far")

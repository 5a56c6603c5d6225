"""How a port is named. Truth: docs/serial/ports.md, "Names"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.config.device_name import DeviceName, Kind, is_bare, parse


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("by-id:usb-FTDI_A1-if00-port0", DeviceName(Kind.BY_ID, "usb-FTDI_A1-if00-port0")),
        ("by-path:pci-0:1:1.0-port0", DeviceName(Kind.BY_PATH, "pci-0:1:1.0-port0")),
        ("usb:2E8A:000a", DeviceName(Kind.USB, "", "2e8a", "000a")),
        ("usb:303a:1001:F4:12:FA", DeviceName(Kind.USB, "F4:12:FA", "303a", "1001")),
        ("/dev/ttyAMA0", DeviceName(Kind.PATH, "/dev/ttyAMA0")),
        ("socket://10.0.0.7:4001", DeviceName(Kind.SOCKET, host="10.0.0.7", port=4001)),
        ("socket://[::1]:1", DeviceName(Kind.SOCKET, host="::1", port=1)),
        ("rfc2217://Moxa.plant:4001", DeviceName(Kind.RFC2217, host="moxa.plant", port=4001)),
    ],
)
def test_a_device_has_a_name_of_a_kind(text: str, name: DeviceName) -> None:
    assert parse(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ttyUSB0",
        "dev/ttyUSB0",
        "/",
        "//dev/ttyUSB0",
        "/dev/../etc/shadow",
        "/dev/./ttyUSB0",
        "/dev/tty\x00USB0",
        "/dev/tty\nUSB0",
        "/" + "x" * 2000,
        "by-id:",
        "by-id:..",
        "by-id:../../etc/shadow",
        "by-path:a/b",
        "by-id:a\x00b",
        "usb:2e8a",
        "usb:2e8a:a",
        "usb:2e8a:000a:",
        "usb:2e8g:000a",
        "usb:2e8a:000a:a/b",
        "usb:2e8a:000a:" + "x" * 200,
        "socket://",
        "socket://host",
        "socket://host:0",
        "socket://host:70000",
        "socket://host:x",
        "socket://user:secret@host:1",
        "socket://host:1/path",
        "socket://host:1?logging=debug",
        "rfc2217://host:1#x",
        "rfc2217://ho st:1",
        "spy:///dev/ttyUSB0?file=/etc/passwd",
        "loop://",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(text)


@given(st.text(max_size=60))
def test_whatever_is_written_is_a_name_or_a_refusal(text: str) -> None:
    for candidate in (text, f"/dev/{text}", f"by-id:{text}", f"usb:{text}", f"socket://{text}"):
        try:
            name = parse(candidate)
        except ValueError:
            continue
        assert "\x00" not in name.value
        assert ".." not in name.value.split("/")


def test_a_path_that_goes_to_whoever_comes_first_is_known() -> None:
    assert is_bare("/dev/ttyUSB0")
    assert is_bare("/dev/ttyACM12")
    assert not is_bare("/dev/ttyAMA0")
    assert not is_bare("/dev/serial/by-id/ttyUSB0")

"""Radios are told from sensors by id and by words."""

import pytest

from leafnode.bridge.sysfs import Tty
from leafnode.cli.ports.radios import is_radio


@pytest.mark.parametrize(
    ("vendor", "product", "maker", "model", "expected"),
    [
        ("0658", "0200", "", "", True),
        ("1cf1", "0030", "dresden elektronik", "ConBee II", True),
        ("10c4", "ea60", "ITead", "Sonoff Zigbee 3.0 USB Dongle Plus", True),
        ("10c4", "ea60", "Silicon Labs", "CP2102 USB to UART Bridge Controller", False),
        ("10c4", "ea60", "Nabu Casa", "SkyConnect v1.0", True),
        ("0403", "6001", "FTDI", "FT232R USB UART", False),
        ("", "", "", "", False),
    ],
)
def test_a_radio_is_known(
    vendor: str, product: str, maker: str, model: str, expected: bool
) -> None:
    tty = Tty("ttyUSB0", "/dev/ttyUSB0", "", vendor, product, maker=maker, model=model)

    assert is_radio(tty) is expected

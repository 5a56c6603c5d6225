"""Sticks that are no sensors: Zigbee, Z-Wave and Thread radios, which a stray byte or a moved line
may stop in the middle of their work.

Knows USB ids and words. Truth: Home Assistant's list of adapters, by their own documents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.bridge.sysfs import Tty

# Ids that belong to radios alone.
_IDS: Final = frozenset(
    {
        "0451:16a8",  # TI CC2531
        "0658:0200",  # Aeotec and other Z-Wave sticks of Sigma Designs
        "10c4:8a2a",  # HUSBZB-1, Zigbee and Z-Wave
        "1366:0105",  # SEGGER J-Link of an nRF52840 kit
        "1cf1:0030",  # ConBee II
        "1915:521a",  # nRF52840 dongle with Thread firmware
        "303a:4001",  # Home Assistant Connect ZBT-2
        "303a:831a",  # the same, as a bootloader
    }
)
# Adapters behind ids that many sensors have as well, by what they say of themselves.
_WORDS: Final = re.compile(
    r"zigbee|z-?wave|thread|conbee|raspbee|skyconnect|home ?assistant|husbzb|slzb|zb-?gw|zbt-|"
    r"zonoff|sonoff|sky ?connect|cc253\d|cc265\d|cc135\d|efr32|ezsp|deconz|zooz|aeotec|uzb",
    re.IGNORECASE,
)


def is_radio(tty: Tty) -> bool:
    """Say whether it is one of them, as far as its id and its words tell."""
    return tty.usb_id in _IDS or _WORDS.search(f"{tty.maker} {tty.model} {tty.by_id}") is not None

"""The well-known CRCs by name: what each calculates with, in the terms of the CRC catalogue.

Knows parameters; not how a CRC is calculated. Truth: Greg Cook's "Catalogue of parametrised CRC
algorithms" (reveng.sourceforge.io/crc-catalogue); each row's `check` is the published CRC of the
nine bytes "123456789", which tests/unit/bridge/checks/test_crc.py calculates for every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CrcOptions:
    """One CRC. `reflect_in`: the lowest bit of a byte comes first; `reflect_out`: of the result."""

    width: int
    poly: int
    init: int = 0
    reflect_in: bool = False
    reflect_out: bool = False
    xor_out: int = 0


def _straight(width: int, poly: int, init: int = 0, xor_out: int = 0) -> CrcOptions:
    return CrcOptions(width, poly, init, xor_out=xor_out)


def _reflected(width: int, poly: int, init: int = 0, xor_out: int = 0) -> CrcOptions:
    return CrcOptions(width, poly, init, reflect_in=True, reflect_out=True, xor_out=xor_out)


# Name: what it is, and its check value.
CATALOG: Final[dict[str, tuple[CrcOptions, int]]] = {
    "crc8_smbus": (_straight(8, 0x07), 0xF4),
    "crc8_maxim": (_reflected(8, 0x31), 0xA1),
    "crc8_sensirion": (_straight(8, 0x31, 0xFF), 0xF7),  # in the catalogue: CRC-8/NRSC-5
    "crc8_autosar": (_straight(8, 0x2F, 0xFF, 0xFF), 0xDF),
    "crc8_sae_j1850": (_straight(8, 0x1D, 0xFF, 0xFF), 0x4B),
    "crc8_dvb_s2": (_straight(8, 0xD5), 0xBC),
    "crc8_rohc": (_reflected(8, 0x07, 0xFF), 0xD0),
    "crc16_modbus": (_reflected(16, 0x8005, 0xFFFF), 0x4B37),
    "crc16_arc": (_reflected(16, 0x8005), 0xBB3D),
    "crc16_usb": (_reflected(16, 0x8005, 0xFFFF, 0xFFFF), 0xB4C8),
    "crc16_maxim": (_reflected(16, 0x8005, 0, 0xFFFF), 0x44C2),
    "crc16_umts": (_straight(16, 0x8005), 0xFEE8),
    "crc16_ccitt_false": (_straight(16, 0x1021, 0xFFFF), 0x29B1),
    "crc16_xmodem": (_straight(16, 0x1021), 0x31C3),
    "crc16_kermit": (_reflected(16, 0x1021), 0x2189),
    "crc16_x25": (_reflected(16, 0x1021, 0xFFFF, 0xFFFF), 0x906E),
    "crc16_mcrf4xx": (_reflected(16, 0x1021, 0xFFFF), 0x6F91),
    "crc16_genibus": (_straight(16, 0x1021, 0xFFFF, 0xFFFF), 0xD64E),
    "crc16_aug_ccitt": (_straight(16, 0x1021, 0x1D0F), 0xE5CC),
    "crc16_dnp": (_reflected(16, 0x3D65, 0, 0xFFFF), 0xEA82),
    "crc16_en13757": (_straight(16, 0x3D65, 0, 0xFFFF), 0xC2B7),
    "crc32_iso_hdlc": (_reflected(32, 0x04C11DB7, 0xFFFFFFFF, 0xFFFFFFFF), 0xCBF43926),
    "crc32_jamcrc": (_reflected(32, 0x04C11DB7, 0xFFFFFFFF), 0x340BC6D9),
    "crc32_bzip2": (_straight(32, 0x04C11DB7, 0xFFFFFFFF, 0xFFFFFFFF), 0xFC891918),
    "crc32_mpeg2": (_straight(32, 0x04C11DB7, 0xFFFFFFFF), 0x0376E6E7),
    "crc32_cksum": (_straight(32, 0x04C11DB7, 0, 0xFFFFFFFF), 0x765E7680),
    "crc32_iscsi": (_reflected(32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF), 0xE3069283),
}

# The other names that datasheets use for them.
ALIASES: Final = {
    "crc8": "crc8_smbus",
    "crc8_dallas": "crc8_maxim",
    "crc16_ibm": "crc16_arc",
    "crc16_ccitt": "crc16_kermit",
    "crc16_hdlc": "crc16_x25",
    "crc32": "crc32_iso_hdlc",
    "crc32c": "crc32_iscsi",
}

"""A boot id that this device has not used before.

Knows os.urandom. A reused id would make new readings pass for old ones. Truth: docs/device-link.md.
"""

import os

_BOOT_ID_MASK = 0x3FFFFFFF  # link.const.BOOT_ID_MAX; all ones, so that it can be a mask


def random_boot_id() -> int:
    """Return 1 to 2^30 - 1. Raises NotImplementedError (CircuitPython) without a true random
    source.
    """
    while True:
        boot_id = int.from_bytes(os.urandom(4), "little") & _BOOT_ID_MASK
        if boot_id:
            return boot_id

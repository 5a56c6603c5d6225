"""Boot ids of a board without a true random source: a counter in memory that outlives power.

SAMD21 has no random number generator, so CircuitPython's os.urandom raises NotImplementedError
there. Knows a byte store (microcontroller.nvm); not the board. Truth: docs/device-link.md, "Ring"
and "boot id": an id that comes again would make new readings pass for old ones.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableSequence

_BOOT_ID_MAX = 0x3FFFFFFF
_SLOT_BYTES = 5  # number, little-endian, and a check byte
_CHECK = 0x5A


def counted_boot_id(nvm: "MutableSequence[int]", seed: bytes, at: int = 0) -> int:
    """Return the next boot id and keep it, in two slots of 5 bytes from `at`.

    `seed` is used once, where both slots are empty or damaged: what differs between boards and
    between moments, such as the chip's id and noise of an open analog input. A power cut while a
    slot is written leaves the other one.
    """
    first = _slot(nvm, at)
    second = _slot(nvm, at + _SLOT_BYTES)
    last = max(first, second)
    boot_id = (last if last else _mixed(seed)) % _BOOT_ID_MAX + 1
    if boot_id < last:  # began again at 1: the higher number must not win at the next boot
        _keep(nvm, at, boot_id)
        _keep(nvm, at + _SLOT_BYTES, boot_id)
        return boot_id
    _keep(nvm, at if first <= second else at + _SLOT_BYTES, boot_id)
    return boot_id


def _slot(nvm: "MutableSequence[int]", at: int) -> int:
    """Return the number of a slot, 0 when it holds none."""
    number = 0
    check = _CHECK
    for index in range(4):
        byte = nvm[at + index]
        if index == 3 and byte > 0x3F:
            return 0  # beyond 2^30 - 1: not ours, and no small integer either
        number |= byte << (8 * index)
        check ^= byte
    return number if check == nvm[at + 4] else 0


def _keep(nvm: "MutableSequence[int]", at: int, number: int) -> None:
    check = _CHECK
    for index in range(4):
        byte = number >> (8 * index) & 0xFF
        nvm[at + index] = byte
        check ^= byte
    nvm[at + 4] = check


def _mixed(seed: bytes) -> int:
    """Return a number of 30 bits that each byte of `seed` changes."""
    mixed = 0x1234567
    for byte in seed:
        # 24 bits times 33 and a byte: no step leaves the small integers of a board without others.
        mixed = ((mixed & 0xFFFFFF) * 33 ^ (mixed >> 24) ^ byte * 0x10101) & _BOOT_ID_MAX
    return mixed

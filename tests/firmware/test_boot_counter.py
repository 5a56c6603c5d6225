"""Boot ids of a board without random numbers, on a byte store that a power cut leaves in between.

Runs on CPython and MicroPython.
"""

from hal.boot_counter import counted_boot_id

BOOT_ID_MAX = 0x3FFFFFFF


class PowerCutError(Exception):
    pass


class Nvm:
    """Bytes that outlive power; `writes` ends them with a power cut."""

    def __init__(self, data=None):
        self.bytes = data or bytearray(b"\xff" * 16)
        self.writes = 1000

    def __getitem__(self, index):
        return self.bytes[index]

    def __setitem__(self, index, value):
        if self.writes == 0:
            raise PowerCutError
        self.writes -= 1
        self.bytes[index] = value


def test_each_boot_has_the_next_id_and_the_first_is_the_boards_own():
    nvm = Nvm()
    ids = [counted_boot_id(nvm, b"chip-1") for _ in range(5)]

    assert ids == list(range(ids[0], ids[0] + 5))
    assert counted_boot_id(Nvm(), b"chip-2") != ids[0]
    assert counted_boot_id(Nvm(bytearray(16)), b"chip-3") != ids[0]


def test_an_id_is_in_range_whatever_the_store_holds():
    for seed in range(200):
        data = bytearray([(seed * 7 + index * 31) & 0xFF for index in range(16)])

        boot_id = counted_boot_id(Nvm(data), bytes([seed]))

        assert 1 <= boot_id <= BOOT_ID_MAX


def test_after_the_last_id_comes_the_first_and_then_the_second():
    nvm = Nvm()
    first = counted_boot_id(nvm, b"chip")
    for at in (0, 5):
        data = BOOT_ID_MAX.to_bytes(4, "little")
        check = 0x5A
        for byte in data:
            check ^= byte
        nvm.bytes[at : at + 5] = data + bytes([check])

    assert [counted_boot_id(nvm, b"chip") for _ in range(3)] == [1, 2, 3]
    assert first != 1


def test_a_power_cut_at_any_byte_never_brings_an_id_again():
    for writes in range(6):
        nvm = Nvm()
        given = [counted_boot_id(nvm, b"chip") for _ in range(4)]
        nvm.writes = writes
        try:  # noqa: SIM105 -- MicroPython has no contextlib
            given.append(counted_boot_id(nvm, b"chip"))
        except PowerCutError:
            pass
        nvm.writes = 1000

        again = counted_boot_id(nvm, b"chip")

        assert again not in given
        assert again > given[3]

"""What a device may call itself and its readings, and how its words may be shown.

Knows bytes. Stricter than NATS on purpose: the gateway puts these into subjects, so whatever could
end a protocol line, match more than itself or hide from an operator's eye is refused at both ends.
Truth: docs/device-link.md, "Names and subjects".
"""

from .const import NAME_BYTES_MAX, SUBJECT_BYTES_MAX

_DOT = 0x2E
_STAR = 0x2A
_MORE = 0x3E


def is_name(name: "bytes | memoryview") -> bool:
    """Return whether `name` is one token of letters, digits, '-' and '_'."""
    if not 1 <= len(name) <= NAME_BYTES_MAX:
        return False
    for byte in name:
        letter = 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A
        if not (letter or 0x30 <= byte <= 0x39 or byte in (0x2D, 0x5F)):
            return False
    return True


def is_subject(subject: "bytes | memoryview") -> bool:
    """Return whether `subject` is a literal subject of printable ASCII tokens."""
    if not 1 <= len(subject) <= SUBJECT_BYTES_MAX:
        return False
    previous = _DOT
    for byte in subject:
        if not 0x21 <= byte <= 0x7E or byte in (_STAR, _MORE):
            return False
        if byte == _DOT and previous == _DOT:
            return False
        previous = byte
    return previous != _DOT


def printable(data: bytes) -> str:
    """Return `data` as text without control characters: it may not forge a line of a log."""
    return "".join([chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data])

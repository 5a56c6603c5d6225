"""What a device may subscribe to: subjects with wildcards, and whether one matches.

Knows bytes. Truth: docs/device-link.md, "Names and subjects".
"""

from .const import SUBJECT_BYTES_MAX
from .subject import is_subject


def is_pattern(pattern: bytes) -> bool:
    """Return whether `pattern` is a subject in which `*` may stand for a token, and `>`, at its
    end, for one and more.
    """
    if len(pattern) > SUBJECT_BYTES_MAX:
        return False
    tokens = pattern.split(b".")
    last = len(tokens) - 1
    for index in range(last + 1):
        token = tokens[index]
        if token == b"*" or (token == b">" and index == last):
            tokens[index] = b"x"
    return is_subject(b".".join(tokens))


def matches(pattern: bytes, subject: bytes) -> bool:
    """Return whether a message on the literal `subject` is for who subscribed to `pattern`."""
    wanted = pattern.split(b".")
    tokens = subject.split(b".")
    for index in range(len(wanted)):
        if index == len(tokens):
            return False
        if wanted[index] == b">":
            return True
        if wanted[index] not in (b"*", tokens[index]):
            return False
    return len(wanted) == len(tokens)

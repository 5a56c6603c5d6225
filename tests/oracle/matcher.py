"""Which pattern matches which subject, and who gets a message: the slow, obvious form.

Routing's sublist must agree with it, whatever was inserted and removed before.
"""

from __future__ import annotations


def matches(pattern: bytes, subject: bytes) -> bool:
    """Say whether a literal subject is one that the pattern stands for."""
    return _match(pattern.split(b"."), subject.split(b"."))


def _match(pattern: list[bytes], subject: list[bytes]) -> bool:
    if not pattern or not subject:
        return not pattern and not subject
    if pattern == [b">"]:
        return True
    return pattern[0] in (b"*", subject[0]) and _match(pattern[1:], subject[1:])


def is_mapped(source: bytes, subject: bytes) -> bool:
    """Say whether a published subject, odd ones too, is one that a mapping's source stands for."""
    wanted, tokens = source.split(b"."), subject.split(b".")
    for index, want in enumerate(wanted):
        if index == len(tokens):
            return False
        if want == b">":
            return True
        if tokens[index] in (b"", b">") or not (want[:1] == b"*" or want == tokens[index]):
            return False
    return len(wanted) == len(tokens)


def is_subject(subject: bytes) -> bool:
    """Say whether it may be subscribed to."""
    tokens = subject.split(b".")
    return b"" not in tokens and b">" not in tokens[:-1]


def is_literal(subject: bytes) -> bool:
    """Say whether no token is a wildcard."""
    return not any(token in (b"*", b">") for token in subject.split(b"."))

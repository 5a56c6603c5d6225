"""Subjects: tokens, wildcards, validity, matching.

Knows bytes only; not who subscribes. Truth: nats-server server/sublist.go IsValidSubject and
subjectIsSubsetMatch; tests/oracle/matcher.py is the slow form.
"""

from __future__ import annotations

from typing import Final

# What would break a control line or could never be subscribed to.
_FORBIDDEN: Final = b" \t\r\n\0\f"


def is_valid(subject: bytes) -> bool:
    """Say whether it may be subscribed to: no empty token, no white space, `>` only at the end."""
    if not subject or not is_routable(subject):
        return False
    return b">" not in subject or b">" not in subject.split(b".")[:-1]


def is_routable(subject: bytes) -> bool:
    """Say whether a message under it may reach anybody: wildcards are words there."""
    return b".." not in b".%b." % subject and has_no_space(subject)


def has_no_space(text: bytes) -> bool:
    """Say whether it holds nothing that may stand in no subject."""
    return len(text.translate(None, _FORBIDDEN)) == len(text)


def is_literal(subject: bytes) -> bool:
    """Say whether no token is a wildcard; `foo.*bar` is a literal."""
    if b"*" not in subject and b">" not in subject:
        return True
    tokens = subject.split(b".")
    return b"*" not in tokens and b">" not in tokens


def is_valid_literal(subject: bytes) -> bool:
    """Say whether a message may be published under it."""
    return is_valid(subject) and is_literal(subject)


def matches(pattern: bytes, subject: bytes) -> bool:
    """Say whether the literal subject is one that the pattern stands for."""
    if pattern in {subject, b">"}:
        return True
    wanted = pattern.split(b".")
    tokens = subject.split(b".")
    for index, want in enumerate(wanted):
        if want == b">":
            return index < len(tokens)
        if index >= len(tokens) or want not in {b"*", tokens[index]}:
            return False
    return len(wanted) == len(tokens)


def is_subset(pattern: bytes, of: bytes) -> bool:
    """Say whether every subject that `pattern` stands for is one that `of` stands for."""
    tokens = pattern.split(b".")
    wanted = of.split(b".")
    for index, want in enumerate(wanted):
        if want == b">":
            return index < len(tokens)
        if index >= len(tokens):
            return False
        token = tokens[index]
        if token == b">" or (want != b"*" and (token == b"*" or token != want)):
            return False
    return len(tokens) == len(wanted)


def collides(one: bytes, other: bytes) -> bool:
    """Say whether some subject matches both patterns."""
    left = one.split(b".")
    right = other.split(b".")
    for a, b in zip(left, right, strict=False):
        if b">" in {a, b}:
            return True
        if a != b and b"*" not in {a, b}:
            return False
    return len(left) == len(right)


def intersection(one: bytes, other: bytes) -> bytes | None:
    """Return the pattern of the subjects that both patterns stand for; None: there are none."""
    left = one.split(b".")
    right = other.split(b".")
    common: list[bytes] = []
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b">":
            return b".".join(common + right[index:])
        if b == b">":
            return b".".join(common + left[index:])
        if a != b and b"*" not in {a, b}:
            return None
        common.append(b if a == b"*" else a)
    return b".".join(common) if len(left) == len(right) else None

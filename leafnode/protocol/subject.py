"""Subjects: tokens, wildcards, validity, matching.

Knows bytes only; not who subscribes. Truth: nats-server server/sublist.go IsValidSubject and
subjectIsSubsetMatch; tests/oracle/matcher.py is the slow form.
"""

from __future__ import annotations

from typing import Final

# What would break a control line or could never be subscribed to.
_FORBIDDEN: Final = b" \t\r\n\0\f"
# As numbers: `b"*" in subject` takes six times as long as `_STAR in subject`, because CPython
# looks first whether the one before `in` is a number, and makes an exception when it is none.
_STAR: Final = ord("*")
_FULL: Final = ord(">")
_DOT: Final = ord(".")


def is_valid(subject: bytes) -> bool:
    """Say whether it may be subscribed to: no empty token, no white space, `>` only at the end."""
    if not is_routable(subject):
        return False
    return _FULL not in subject or b">" not in subject.split(b".")[:-1]


def is_routable(subject: bytes) -> bool:
    """Say whether a message under it may reach anybody: wildcards are words there."""
    return not has_empty_token(subject) and has_no_space(subject)


def has_empty_token(subject: bytes) -> bool:
    """Say whether a token is empty: no wildcard stands for that."""
    if not subject or subject[0] == _DOT or subject[-1] == _DOT:
        return True
    return len(subject.replace(b"..", b".")) != len(subject)  # half the time of `find`


def has_no_space(text: bytes) -> bool:
    """Say whether it holds nothing that may stand in no subject."""
    return len(text.translate(None, _FORBIDDEN)) == len(text)


def is_literal(subject: bytes) -> bool:
    """Say whether no token is a wildcard; `foo.*bar` is a literal."""
    if _STAR not in subject and _FULL not in subject:
        return True
    tokens = subject.split(b".")
    return b"*" not in tokens and b">" not in tokens


def is_valid_literal(subject: bytes) -> bool:
    """Say whether a message may be published under it."""
    return is_valid(subject) and is_literal(subject)


def is_internal(subject: bytes) -> bool:
    """Say whether it is the server's own, or of an inbox: `_INBOX_alice` is one, too."""
    return subject.startswith((b"$", b"_INBOX"))


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


def intersection(left: list[bytes], right: list[bytes]) -> bytes | None:
    """Return the pattern of the subjects that both patterns stand for, each given by its tokens;
    None: there are none.
    """
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

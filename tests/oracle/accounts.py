"""Who gets a message when accounts share streams, services and mappings: by trying everything.

Slow and obvious: no trie, no shadows, no routes. Each rule is one function, in the words of
docs/configuration.md. Checked against the real routing in tests/unit/server/test_sharing.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Stream:
    """`importer` gets `source` of `exporter` under the name `local`."""

    importer: str
    exporter: str
    source: str
    local: str


@dataclass(frozen=True)
class Service:
    """What `importer` publishes on `local` goes to `source` of `exporter`."""

    importer: str
    exporter: str
    source: str
    local: str


@dataclass(frozen=True)
class Sharing:
    """All that accounts share; `mappings` by account, the first that matches holds."""

    streams: tuple[Stream, ...] = ()
    services: tuple[Service, ...] = ()
    mappings: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


def deliveries(
    sharing: Sharing, subscriptions: list[tuple[str, str]], account: str, subject: str
) -> list[tuple[int, str]]:
    """Return (index of the subscription, subject that it sees), sorted.

    `subscriptions` are (account, pattern); the message is published by a client of `account`.
    """
    subject = _mapped(sharing, account, subject)
    return sorted(_spread(sharing, subscriptions, account, subject, ()))


def _spread(
    sharing: Sharing,
    subscriptions: list[tuple[str, str]],
    account: str,
    subject: str,
    passed: tuple[tuple[str, str], ...],
) -> Iterator[tuple[int, str]]:
    for index, (owner, pattern) in enumerate(subscriptions):
        if owner == account and _values(pattern, subject) is not None:
            yield index, subject
        if passed:
            continue  # what a service brought is no stream any more
        for stream in sharing.streams:
            if stream.exporter != account or stream.importer != owner:
                continue
            values = _values(stream.source, subject)
            if values is None:
                continue
            seen = _filled(stream.local, values)
            if _values(pattern, seen) is not None:
                yield index, seen
    for service in sharing.services:
        export = (service.exporter, service.source)
        if service.importer != account or export in passed:
            continue
        there = _asked(service, subject)
        if there is not None:
            there = _mapped(sharing, service.exporter, there)
            further = (*passed, export)
            yield from _spread(sharing, subscriptions, service.exporter, there, further)


def _asked(service: Service, subject: str) -> str | None:
    """Return what a request is called in the exporter's account, by trying to name it here."""
    names = service.local.split(".")
    tokens = subject.split(".")
    if len(names) != len(tokens):
        return None
    values: dict[str, str] = {}
    for name, token in zip(names, tokens, strict=True):
        if name.startswith("$"):
            values[name] = token
        elif name != token:
            return None
    stars = iter(range(1, 9))
    return ".".join(
        values[f"${next(stars)}"] if token == "*" else token for token in service.source.split(".")
    )


def _mapped(sharing: Sharing, account: str, subject: str) -> str:
    for source, destination in sharing.mappings.get(account, ()):
        values = _values(source, subject)
        if values is not None:
            return _filled(destination, values)
    return subject


def _values(pattern: str, subject: str) -> list[str] | None:
    """Return what the wildcards of a pattern stand for, `>` last; None: it does not match."""
    values: list[str] = []
    tokens = subject.split(".")
    for index, token in enumerate(pattern.split(".")):
        if token == ">":
            return [*values, ".".join(tokens[index:])] if index < len(tokens) else None
        if index >= len(tokens) or token not in {"*", tokens[index]}:
            return None
        if token == "*":
            values.append(tokens[index])
    return values if len(pattern.split(".")) == len(tokens) else None


def _filled(name: str, values: list[str]) -> str:
    """Put the values into a name: `$1` and so on; a `>` takes the last."""
    tokens = []
    for token in name.split("."):
        if token.startswith("$"):
            tokens.append(values[int(token[1:]) - 1])
        else:
            tokens.append(values[-1] if token == ">" else token)
    return ".".join(tokens)

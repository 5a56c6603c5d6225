"""Options that several commands of `leafnode store` have. Knows click only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from leafnode.errors import StoreError
from leafnode.go_time import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.store.inspect import Inspection, Seen

Command = TypeVar("Command", bound="Callable[..., Any]")


def place(command: Command) -> Command:
    """Add --store and --config."""
    command = click.option(
        *("-c", "--config"),
        metavar="FILE",
        help="The server's configuration, which names the store.",
    )(command)
    return click.option(
        *("-s", "--store"),
        metavar="DIR",
        help="The store's directory (store_dir), or a database file such as a backup.",
    )(command)


def account(command: Command) -> Command:
    """Add --account."""
    return click.option(
        *("-a", "--account"),
        metavar="NAME",
        help="The account, where several have a stream of that name.",
    )(command)


def as_json(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON.")(command)


def force(what: str) -> Callable[[Command], Command]:
    """Add --force."""
    return click.option("-f", "--force", is_flag=True, help=what)


def moment(_: object, option: click.Parameter, value: str | None) -> int | None:
    """Take a time in RFC 3339, or a date; the callback of an option."""
    if value is None:
        return None
    for text in (value, f"{value}Z", f"{value}T00:00:00Z"):
        found = parse_time(text)
        if found is not None:
            return found
    raise click.BadParameter(f"{value!r} is no time such as 2026-11-27T06:00:00Z", param=option)


def picked(inspection: Inspection, stream: str, account: str | None) -> Seen:
    """Return the stream that is meant. Raises StoreError."""
    found = [
        seen
        for seen in inspection.streams()
        if seen.stream.name == stream and account in {None, seen.stream.account}
    ]
    if not found:
        where = f" in account {account}" if account else ""
        raise StoreError(f"{inspection.path}: has no stream {stream}{where}")
    if len(found) > 1:
        names = ", ".join(seen.stream.account for seen in found)
        raise StoreError(f"several accounts have a stream {stream}: choose with --account: {names}")
    if found[0].stream.damage is not None:
        raise found[0].stream.damage
    return found[0]

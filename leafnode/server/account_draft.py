"""What a change makes of the accounts, built and checked before any of it holds.

Knows what is built, by account; not how (`server.accounts`), nor where options come from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from leafnode.config.import_check import ImportCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.config import account_options
    from leafnode.config.account_options import AccountOptions
    from leafnode.routing.account import Account
    from leafnode.routing.imports import StreamImports, StreamsPlan
    from leafnode.routing.mapping import Mappings
    from leafnode.routing.service_export import ServiceExport
    from leafnode.routing.services import Services, ServicesPlan

    Exported = dict[str, tuple[account_options.ServiceExport, ServiceExport]]  # by subject


class Plan(NamedTuple):
    """The imports of one account that may be, and what is wrong with the others."""

    streams: list[account_options.StreamImport]
    services: list[account_options.ServiceImport]
    problems: list[str]


class Wiring(NamedTuple):
    """What one account is to be connected by, built and not yet used."""

    mappings: Mappings | None
    imports: StreamImports
    to_import: StreamsPlan
    own: Services
    to_serve: ServicesPlan


@dataclass(slots=True)
class Draft:
    """What a change makes of the accounts, built and checked before any of it holds."""

    wanted: Mapping[str, AccountOptions | None]  # None: gone
    changed: dict[str, AccountOptions | None]  # those of them that are something else now
    check: ImportCheck = field(default_factory=ImportCheck)
    accounts: dict[str, Account] = field(default_factory=dict)  # that are new
    exports: dict[str, Exported] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    wiring: dict[str, Wiring] = field(default_factory=dict)

    def give_up(self) -> None:
        """Nothing of it is to hold."""
        for one in self.wiring.values():
            one.own.give_up(one.to_serve)

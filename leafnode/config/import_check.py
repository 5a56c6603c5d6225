"""Which imports may be: the exporter offers them to this account, and they lead in no circle.

Knows what accounts say about themselves, from a configuration or from JWTs; not how anything is
routed. Truth: nats-server 2.15.1 server/accounts.go checkStreamImportAuthorized,
checkServiceImportsForCycles, checkStreamImportsForCycles; its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.config.lexer import quoted
from leafnode.errors import TransformError
from leafnode.protocol.subject import collides, is_subset
from leafnode.protocol.transform import Transform, import_transform, tokenize, untokenize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leafnode.config.account_options import (
        AccountOptions,
        ServiceExport,
        ServiceImport,
        StreamExport,
        StreamImport,
    )

    Export = StreamExport | ServiceExport

_CYCLE = "import forms a cycle"


class ImportCheck:
    """Judges imports one after the other, each together with those that were good before it."""

    def __init__(self, accounts: Iterable[AccountOptions]) -> None:
        self._accounts = {account.name: account for account in accounts}
        # By importer: (exporter, the exporter's subject, the importer's subject).
        self._streams: dict[str, list[tuple[str, bytes, bytes]]] = {}
        self._services: dict[str, list[tuple[str, bytes, bytes]]] = {}

    def export_problem(self, kind: str, export: Export) -> str:
        """Say who is named by an export and unknown, or return ""."""
        for name in export.accounts or ():
            if name not in self._accounts:
                return f"{quoted(name)} account not defined for {kind} export"
        return ""

    def add_stream(self, importer: str, one: StreamImport) -> str:
        """Take a stream import, or say what is wrong with it."""
        exporter = self._accounts.get(one.account)
        if exporter is None:
            return f"{quoted(one.account)} account not defined for stream import"
        problem = self._stream_problem(importer, exporter, one)
        if problem:
            return f"Error adding stream import {quoted(one.subject)}: {problem}"
        subject, local = one.subject.encode(), local_subject(one)
        self._streams.setdefault(importer, []).append((one.account, subject, untokenize(local)[0]))
        return ""

    def add_service(self, importer: str, one: ServiceImport) -> str:
        """Take a service import, or say what is wrong with it."""
        exporter = self._accounts.get(one.account)
        if exporter is None:
            return f"{quoted(one.account)} account not defined for service import"
        subject, local = one.subject.encode(), (one.to or one.subject).encode()
        mine = self._services.setdefault(importer, [])
        for account, before, taken in mine:
            if account == one.account and taken == untokenize(local)[0]:
                where = f"account {quoted(account)}, subject {quoted(before.decode())}"
                taken_by = f"previously used in import for {where}"
                return f"Duplicate service import subject {quoted(local.decode())}, {taken_by}"
        problem = self._service_problem(importer, exporter, one, local)
        if problem:
            return f"Error adding service import {quoted(one.subject)}: {problem}"
        mine.append((one.account, subject, untokenize(local)[0]))
        return ""

    def _stream_problem(self, importer: str, exporter: AccountOptions, one: StreamImport) -> str:
        subject, local = one.subject.encode(), local_subject(one)
        if not offers(exporter.stream_exports, one.subject, importer, activated=one.activated):
            return "stream import not authorized"
        for pattern in (local, subject):
            if self._stream_loops(exporter.name, pattern, {importer}):
                return _CYCLE
        try:
            if local != subject and b"*" in subject.split(b"."):
                Transform(subject, tokenize(local), strict=True)
        except TransformError as err:
            names = f"from {quoted(one.subject)} to {quoted(local.decode())}"
            return f"failed to create mapping transform for stream import subject {names}: {err}"
        if any(entry[:2] == (one.account, subject) for entry in self._streams.get(importer, ())):
            return "stream import already exists"
        return ""

    def _service_problem(
        self, importer: str, exporter: AccountOptions, one: ServiceImport, local: bytes
    ) -> str:
        subject = one.subject.encode()
        if not offers(exporter.service_exports, one.subject, importer, activated=one.activated):
            return "service import not authorized"
        if self._service_loops(exporter.name, untokenize(local)[0], {importer}):
            return _CYCLE
        try:
            if local != subject:
                import_transform(subject, local)
        except TransformError as err:
            names = f"from {quoted(local.decode())} to {quoted(one.subject)}"
            return f"failed to create mapping transform for service import subject {names}: {err}"
        return ""

    def _stream_loops(self, name: str, subject: bytes, visited: set[str]) -> bool:
        account = self._accounts[name]
        if not any(is_subset(subject, one.subject.encode()) for one in account.stream_exports):
            return False
        for exporter, _, local in self._streams.get(name, ()):
            if collides(subject, local):
                if exporter in visited:
                    return True
                visited.add(name)
                onward = local if is_subset(local, subject) else subject
                if self._stream_loops(exporter, onward, visited):
                    return True
        return False

    def _service_loops(self, name: str, subject: bytes, visited: set[str]) -> bool:
        for exporter, there, local in self._services.get(name, ()):
            if collides(subject, there):
                if exporter in visited:
                    return True
                visited.add(name)
                onward = local if is_subset(local, subject) else subject
                if self._service_loops(exporter, onward, visited):
                    return True
        return False


def offers(exports: Sequence[Export], subject: str, importer: str, *, activated: bool) -> bool:
    """Say whether exports offer a subject to an importer.

    An export of exactly that subject decides, else the first that includes it.
    """
    wanted = subject.encode()
    export = next((one for one in exports if one.subject == subject), None)
    if export is None:
        including = (one for one in exports if is_subset(wanted, one.subject.encode()))
        export = next(including, None)
    if export is None:
        return False
    if export.account_token_position:
        tokens = subject.split(".")
        position = export.account_token_position
        return position <= len(tokens) and tokens[position - 1] == importer
    if export.token_required:
        return activated
    return export.accounts is None or importer in export.accounts


def latency_problem(exports: Sequence[ServiceExport]) -> str:
    """Say which service's measurements would be requests to a service, or return ""."""
    for export in exports:
        if export.latency is None:
            continue
        subject = export.latency.subject
        if any(is_subset(subject.encode(), one.subject.encode()) for one in exports):
            return (
                f"Error adding service latency sampling for {quoted(export.subject)} on subject "
                f"{quoted(subject)}: invalid publish subject"
            )
    return ""


def local_subject(one: StreamImport) -> bytes:
    """Return what the subjects of a stream import are called in the importing account."""
    if one.prefix:
        return f"{one.prefix.removesuffix('.')}.{one.subject}".encode()
    return (one.to or one.subject).encode()

"""What an account is made of, as /accountz shows it: exports, imports and mappings.

Pure: options in, JSON out. Truth: measured on nats-server 2.15.1, server/monitor.go accountInfo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.config.account_options import ResponseType
from leafnode.config.import_check import local_subject
from leafnode.protocol.transform import untokenize

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.account_options import (
        AccountOptions,
        LatencyOptions,
        ServiceExport,
        ServiceImport,
        StreamExport,
    )

    ServiceOf = Callable[[str, str], ServiceExport | None]

_RESPONSES: Final = {
    ResponseType.SINGLETON: "Singleton",
    ResponseType.STREAM: "Streamed",
    ResponseType.CHUNKED: "Chunked",
}
_OFFERED: Final = (
    ("$SYS.REQ.ACCOUNT.*.CONNZ", "Streamed"),
    ("$SYS.REQ.ACCOUNT.*.STATZ", "Streamed"),
    ("$SYS.DEBUG.SUBSCRIBERS", "Singleton"),
    ("$SYS.REQ.USER.*.INFO", "Singleton"),
)
_JETSTREAM: Final = "$JS.API.>"
_PLAIN: Final = {"invalid": False, "share": False, "tracking": False}


def exports(account: AccountOptions) -> list[dict[str, Any]]:
    shown = [_service(one) for one in account.service_exports]
    return shown + [_exported(one, "stream") for one in account.stream_exports]


def _service(export: ServiceExport) -> dict[str, Any]:
    shown = _exported(export, "service")
    approved = shown.pop("approved_accounts", None)
    shown["response_type"] = _RESPONSES[export.response_type]
    if export.latency is not None:
        shown["service_latency"] = _latency(export.latency)
    return shown if approved is None else shown | {"approved_accounts": approved}


def _exported(export: StreamExport | ServiceExport, kind: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"subject": export.subject, "type": kind}
    if export.token_required:
        shown["token_req"] = True
    if export.accounts:
        shown["approved_accounts"] = list(export.accounts)
    return shown


def imports(account: AccountOptions, service_of: ServiceOf) -> list[dict[str, Any]]:
    """The exporter's latency is shown at the importer's: `service_of` says by account and subject
    which service an import is of, if it is still there.
    """
    shown = [
        {
            "subject": one.subject,
            "account": one.account,
            "local_subject": untokenize(local_subject(one))[0].decode(),
            "type": "stream",
        }
        | _PLAIN
        for one in account.stream_imports
    ]
    return shown + [_requested(one, service_of) for one in account.service_imports]


def _requested(one: ServiceImport, service_of: ServiceOf) -> dict[str, Any]:
    local = one.to or one.subject
    shown: dict[str, Any] = {
        "subject": one.subject,
        "account": one.account,
        "to": local,
        "local_subject": local,
        "type": "service",
    }
    shown |= _PLAIN | {"share": one.share}
    export = service_of(one.account, one.subject)
    if export is not None and export.latency is not None:
        shown["latency"] = _latency(export.latency)
    return shown


def _latency(latency: LatencyOptions) -> dict[str, Any]:
    sampling = latency.sampling_percent or "headers"
    return {"sampling": sampling, "results": latency.subject}


def server_exports(*, jetstream: bool) -> list[dict[str, Any]]:
    """Return what the server itself offers to all accounts, in the system account."""
    rows = [*_OFFERED, *([(_JETSTREAM, "Singleton")] if jetstream else [])]
    return [
        {"subject": subject, "type": "service", "response_type": response}
        for subject, response in rows
    ]


def server_imports(name: str, system: str, *, jetstream: bool) -> list[dict[str, Any]]:
    """Return what an account has of that; `system` is the name of the system account."""
    rows = [(f"$SYS.REQ.USER.{name}.INFO", "$SYS.REQ.USER.INFO", True)]
    if name != system:
        connections = f"$SYS.REQ.ACCOUNT.{name}.CONNZ"
        rows += [
            (connections, "$SYS.REQ.ACCOUNT.PING.CONNZ", False),
            (connections, "$SYS.REQ.SERVER.PING.CONNZ", False),
            (f"$SYS.REQ.ACCOUNT.{name}.STATZ", "$SYS.REQ.ACCOUNT.PING.STATZ", False),
        ]
        if jetstream:
            rows.append((_JETSTREAM, _JETSTREAM, True))
    return [
        {"subject": subject, "account": system, "to": local, "local_subject": local}
        | {"type": "service"}
        | _PLAIN
        | {"share": share}
        for subject, local, share in rows
    ]


def mappings(account: AccountOptions) -> dict[str, list[dict[str, Any]]]:
    """Return the destinations by source. Weights add up, the smallest first, as there."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for mapping in account.mappings:
        total: dict[str, int] = {}
        rows = shown[mapping.source] = []
        for one in sorted(mapping.destinations, key=lambda one: one.weight_percent):
            total[one.cluster] = total.get(one.cluster, 0) + one.weight_percent
            row: dict[str, Any] = {"subject": one.subject, "weight": total[one.cluster]}
            rows.append(row | ({"cluster": one.cluster} if one.cluster else {}))
    return shown

"""/healthz: is the store well, and with `leafnode=true` everything that leads outside too.

Without our own field it answers as nats-server does, so that existing probes keep their meaning: a
gateway that is offline is healthy. Truth: measured on nats-server 2.15.1; docs/monitoring.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.monitor.varz import address
from leafnode.uplink.status import State

if TYPE_CHECKING:
    from leafnode.monitor.query import Query
    from leafnode.monitor.views import JetStreamView, StreamView, Views

# Offline is told by the remote; here are those that somebody has to look into.
_UPLINK_TROUBLE: Final = frozenset({State.OPENING, State.REFUSED, State.BLOCKED})


class Cause(NamedTuple):
    """One thing that is not well."""

    code: int  # HTTP status
    kind: str
    names: dict[str, str]
    error: str


def healthz(views: Views, query: Query) -> tuple[int, dict[str, object]]:
    """Return (HTTP status, answer). Raises BadQuery."""
    details = query.flag("details")
    query.flag("js-enabled-only")
    query.flag("js-server-only")
    everything = query.flag("leafnode")
    refused = _refusal(query)
    if refused:
        return 400, {"status": "error", "error": refused}
    causes = _store(views, query)
    if everything:
        causes += _outside(views)
    code, answer = _verdict(causes, details=details)
    warnings = views.warnings() if everything else []
    if warnings:
        answer["warnings"] = warnings  # they tell people something and change no verdict
    return code, answer


def _verdict(causes: list[Cause], *, details: bool) -> tuple[int, dict[str, object]]:
    if not causes:
        return 200, {"status": "ok"}
    if details:
        errors = [{"type": cause.kind} | cause.names | {"error": cause.error} for cause in causes]
        return causes[0].code, {"status": "error", "errors": errors}
    error = "; ".join(cause.error for cause in causes)
    return causes[0].code, {"status": "unavailable", "error": error}


def _refusal(query: Query) -> str:
    if query.text("stream") and not query.text("account"):
        return '"account" must not be empty when checking stream health'
    if query.text("consumer") and not query.text("stream"):
        return '"stream" must not be empty when checking consumer health'
    return ""


def _store(views: Views, query: Query) -> list[Cause]:
    jetstream = views.jetstream()
    if jetstream is None:
        return []
    if jetstream.failure:
        return [Cause(503, "JETSTREAM", {}, f"JetStream cannot store: {jetstream.failure}")]
    account, stream, consumer = (query.text(name) for name in ("account", "stream", "consumer"))
    if not account:
        return _damaged(jetstream)
    accounts = {view.name: view for view in jetstream.accounts}
    names = {"account": account}
    if account not in accounts:
        return [Cause(404, "ACCOUNT", names, f'JetStream account "{account}" not found')]
    if not stream:
        return []
    names["stream"] = stream
    streams = {view.name: view for view in accounts[account].streams}
    if stream not in streams:
        error = f'JetStream stream "{stream}" not found on account "{account}"'
        return [Cause(404, "STREAM", names, error)]
    if streams[stream].damage:
        return [_damage(account, streams[stream])]
    if not consumer:
        return []
    names["consumer"] = consumer
    if all(info.get("name") != consumer for info in streams[stream].consumers()):
        error = (
            f'JetStream consumer "{consumer}" not found for stream "{stream}" '
            f'on account "{account}"'
        )
        return [Cause(404, "CONSUMER", names, error)]
    return []


def _damaged(jetstream: JetStreamView) -> list[Cause]:
    return [
        _damage(account.name, stream)
        for account in jetstream.accounts
        for stream in account.streams
        if stream.damage
    ]


def _damage(account: str, stream: StreamView) -> Cause:
    error = f'JetStream stream "{stream.name}" on account "{account}" is damaged: {stream.damage}'
    return Cause(503, "STREAM", {"account": account, "stream": stream.name}, error)


def _outside(views: Views) -> list[Cause]:
    causes = []
    for remote in views.remotes():
        if not remote.is_connected and not remote.disabled:
            url = address(remote.url)
            error = f"remote {url} is not connected: {remote.error or 'not yet'}"
            causes.append(Cause(503, "LEAFNODE", {"url": url}, error))
    for uplink in views.uplinks():
        if uplink.state in _UPLINK_TROUBLE:
            error = f"uplink of stream {uplink.stream} is {uplink.state.value}: {uplink.last_error}"
            causes.append(Cause(503, "UPLINK", {"stream": uplink.stream}, error))
    for port in views.ports():
        if not port.open:
            error = f"serial port {port.name} is not open: {port.last_error}"
            causes.append(Cause(503, "SERIAL", {"port": port.name}, error))
    return causes

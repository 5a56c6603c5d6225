"""/healthz: is the store well, and with `leafnode=true` everything that leads outside too.

Without our own field it answers as nats-server does, so that existing probes keep their meaning: a
gateway that is offline is healthy. Truth: measured on nats-server 2.15.1; docs/monitoring.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.clock import NS_PER_S
from leafnode.go_json import quoted
from leafnode.monitor.query import shown
from leafnode.monitor.varz import address

if TYPE_CHECKING:
    from leafnode.bridge.status import PortStatus
    from leafnode.monitor.options import HealthzOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import JetStreamView, StreamView, Views

_STREAMS_PER_TURN: Final = 256  # of about 5 us each on a PC


class Cause(NamedTuple):
    """One thing that is not well."""

    code: int  # HTTP status
    kind: str
    names: dict[str, str]
    error: str


def healthz(views: Views, options: HealthzOptions) -> Steps[dict[str, object]]:
    """Return the answer with its HTTP status under `status_code`, where `$SYS` requests want it."""
    causes = _refusal(options) or _closed(views)
    if not causes:
        if not options.js_server_only:
            causes = yield from _store(views, options)
        if options.leafnode:
            causes += _outside(views)
    answer = _verdict(causes, details=options.details)
    warnings = views.warnings() if options.leafnode else []
    if warnings:
        answer["warnings"] = warnings  # they tell people something and change no verdict
    return answer


def _verdict(causes: list[Cause], *, details: bool) -> dict[str, object]:
    if not causes:
        return {"status": "ok", "status_code": 200}
    code = causes[0].code
    if details:
        errors = [{"type": cause.kind} | cause.names | {"error": cause.error} for cause in causes]
        return {"status": "error", "status_code": code, "errors": errors}
    error = "; ".join(cause.error for cause in causes)
    status = "error" if code in {400, 500} else "unavailable"
    return {"status": status, "status_code": code, "error": error}


def _refusal(options: HealthzOptions) -> list[Cause]:
    missing = ""
    if options.stream and not options.account:
        missing = '"account" must not be empty when checking stream health'
    elif options.consumer and not options.stream:
        missing = '"stream" must not be empty when checking consumer health'
    return [Cause(400, "BAD_REQUEST", {}, missing)] if missing else []


def _closed(views: Views) -> list[Cause]:
    """Tell who balances load, or looks on, to send nobody here any more."""
    closed = views.closed_entrances()
    if not closed:
        return []
    error = f"failed to be ready for connections after 1ms: {', '.join(closed)}"
    return [Cause(500, "CONNECTION", {}, error)]


def _store(views: Views, options: HealthzOptions) -> Steps[list[Cause]]:
    jetstream = yield from views.jetstream()
    if jetstream is None:
        return []
    if jetstream.failure:
        return [Cause(503, "JETSTREAM", {}, f"JetStream cannot store: {jetstream.failure}")]
    if options.js_enabled_only or options.js_enabled:
        return []
    account, stream, consumer = options.account, options.stream, options.consumer
    if not account:
        return (yield from _damaged(jetstream))
    accounts = {view.name: view for view in jetstream.accounts}
    names = {"account": shown(account)}
    if account not in accounts or not accounts[account].streams:
        return [Cause(404, "ACCOUNT", names, f"JetStream account {quoted(account)} not found")]
    if not stream:
        return []
    names["stream"] = shown(stream)
    streams = {view.name: view for view in accounts[account].streams}
    if stream not in streams:
        error = f"JetStream stream {quoted(stream)} not found on account {quoted(account)}"
        return [Cause(404, "STREAM", names, error)]
    if streams[stream].damage:
        return [_damage(account, streams[stream])]
    if not consumer:
        return []
    names["consumer"] = shown(consumer)
    if all(info.get("name") != consumer for info in streams[stream].consumers()):
        error = (
            f"JetStream consumer {quoted(consumer)} not found for stream {quoted(stream)} "
            f"on account {quoted(account)}"
        )
        return [Cause(404, "CONSUMER", names, error)]
    return []


def _damaged(jetstream: JetStreamView) -> Steps[list[Cause]]:
    causes = []
    every = ((account.name, one) for account in jetstream.accounts for one in account.streams)
    for number, (name, stream) in enumerate(every, 1):
        if stream.damage:
            causes.append(_damage(name, stream))
        if number % _STREAMS_PER_TURN == 0:
            yield
    return causes


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
        elif remote.is_connected and remote.unserved:
            url = address(remote.url)
            error = f"remote {url} does not bring all that is wanted here: {remote.unserved}"
            causes.append(Cause(503, "LEAFNODE", {"url": url}, error))
    for awaited in views.awaited():
        error = f"{awaited.who} without account {awaited.account}: {awaited.problem}"
        causes.append(Cause(503, "ACCOUNT", {"account": awaited.account}, error))
    for uplink in views.uplinks():
        if uplink.problem:
            error = f"uplink of stream {uplink.stream} {uplink.problem}"
            causes.append(Cause(503, "UPLINK", {"stream": uplink.stream}, error))
        if uplink.backlog:
            error = f"uplink of stream {uplink.stream}: {uplink.backlog}"
            causes.append(Cause(503, "UPLINK", {"stream": uplink.stream}, error))
    for left in views.left_durables():
        if left.holds:
            error = (
                f"consumer {left.consumer} of stream {left.stream} is of no uplink any more, "
                f"and {left.waiting} messages stay for it"
            )
            names = {"account": left.account, "stream": left.stream, "consumer": left.consumer}
            causes.append(Cause(503, "UPLINK", names, error))
    for port in views.ports():
        if port.lent_ns:
            seconds = -(-port.lent_ns // NS_PER_S)
            whose = f"to {port.lent_to}, " if port.lent_to else ""
            error = f"serial port {port.name} is lent {whose}for {seconds} s more"
            causes.append(Cause(503, "SERIAL", {"port": port.name}, error))
        elif not port.open:
            error = f"serial port {port.name} is not open: {port.last_error}"
            causes.append(Cause(503, "SERIAL", {"port": port.name}, error))
        elif port.function and not port.function["running"] and port.last_error:
            error = f"serial port {port.name}: {port.last_error}"
            causes.append(Cause(503, "SERIAL", {"port": port.name}, error))
        else:
            causes += _slaves(port)
    return causes


def _slaves(port: PortStatus) -> list[Cause]:
    """Tell of those that are not read; one cause each, as a bus has 247 at most."""
    return [
        Cause(
            503,
            "SERIAL",
            {"port": port.name},
            f"slave {slave['name']} of serial port {port.name}: {slave['problem']}",
        )
        for slave in port.slaves
        if slave["problem"]
    ]

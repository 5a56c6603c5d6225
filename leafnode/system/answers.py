"""What each subject of the system account answers: one table.

Knows subjects and which function has the answer; not how requests come in. Truth: nats-server
2.15.1 server/events.go initEventTracking; answers measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leafnode.monitor.monitor import ENDPOINTS
from leafnode.monitor.options import AccountzOptions, AccstatzOptions, JszOptions
from leafnode.routing.answers import where_it_was_asked
from leafnode.routing.peer import Kind
from leafnode.system import options
from leafnode.system.requests import NoAnswer, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.monitor.monitor import Monitor
    from leafnode.monitor.steps import Steps
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.system.envelope import Envelope
    from leafnode.system.events import Events
    from leafnode.system.options import Fields
    from leafnode.system.requests import Request, Requests
    from leafnode.system.statistics import AccountStatistics, Heartbeat

_ACCOUNT_AT: Final = 3  # in $SYS.REQ.ACCOUNT.<account>.CONNZ
_PING: Final = "PING"

# Endpoints of monitoring, and what may be asked of each.
_ENDPOINTS: Final[dict[str, Fields]] = {
    "VARZ": options.VARZ,
    "CONNZ": options.CONNZ,
    "SUBSZ": options.SUBSZ,
    "ROUTEZ": options.ROUTEZ,
    "GATEWAYZ": options.GATEWAYZ,
    "LEAFZ": options.LEAFZ,
    "ACCOUNTZ": options.ACCOUNTZ,
    "JSZ": options.JSZ,
    "HEALTHZ": options.HEALTHZ,
    "EXPVARZ": options.EXPVARZ,
    "IPQUEUESZ": options.IPQUEUESZ,
}


@dataclass(frozen=True, slots=True)
class Acts:
    """What a request can make the server do. Each raises Refused when it cannot."""

    kick: Callable[[int], None]  # a connection, by its cid
    lame_duck: Callable[[int], None]  # tell one client, by its cid, to go elsewhere
    reload: Callable[[Callable[[str], None]], None]  # calls back with the problem, or ""
    user_info: Callable[[Peer], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from."""

    monitor: Monitor
    statistics: AccountStatistics
    heartbeat: Heartbeat
    events: Events
    acts: Acts


class Answers:
    """The endpoints of one server."""

    def __init__(self, envelope: Envelope, sources: Sources) -> None:
        self._envelope = envelope
        self._monitor = sources.monitor
        self._statistics = sources.statistics
        self._heartbeat = sources.heartbeat
        self._events = sources.events
        self._acts = sources.acts

    def serve(self, requests: Requests) -> None:
        """Subscribe to everything that the system account answers."""
        system, about = self._envelope.account, self._envelope.about
        for name, service in self._for_servers().items():
            for target in (about.id, _PING):
                requests.serve(system, f"$SYS.REQ.SERVER.{target}.{name}", service)
        statsz = Service(self._statsz, options.STATSZ, raw=True)
        requests.serve(system, "$SYS.REQ.SERVER.PING", statsz)
        for name, service in self._for_accounts().items():
            requests.serve(system, f"$SYS.REQ.ACCOUNT.*.{name}", service)
        every = Service(self._every_account_statz, options.ACCOUNT_STATZ)
        requests.serve(system, "$SYS.REQ.ACCOUNT.PING.STATZ", every)
        for name, act in (("KICK", self._acts.kick), ("LDM", self._acts.lame_duck)):
            answer = partial(_by_cid, act)
            command = Service(answer, options.FILTER_ONLY, options.CID, is_command=True)
            requests.serve(system, f"$SYS.REQ.SERVER.{about.id}.{name}", command)
        reload = f"$SYS.REQ.SERVER.{about.id}.RELOAD"
        requests.serve_command(system, reload, self._acts.reload)
        user_info = Service(self._user_info, None, is_imported=True)
        requests.serve(system, "$SYS.REQ.USER.INFO", user_info, _own("USER", system, "INFO"))
        requests.serve(system, "$SYS.DEBUG.SUBSCRIBERS", Service(_subscribers, None, raw=True))

    def serve_account(self, account: Account, requests: Requests) -> None:
        """Subscribe to what every other account may ask, and is answered about itself alone."""
        connz = Service(self._own_connz, options.CONNZ)
        connz_there = _own("ACCOUNT", account, "CONNZ")
        requests.serve(account, "$SYS.REQ.ACCOUNT.PING.CONNZ", connz, connz_there)
        requests.serve(account, "$SYS.REQ.SERVER.PING.CONNZ", connz, connz_there)
        statz = Service(self._own_statz, options.ACCOUNT_STATZ)
        statz_there = _own("ACCOUNT", account, "STATZ")
        requests.serve(account, "$SYS.REQ.ACCOUNT.PING.STATZ", statz, statz_there)
        user_info, user_there = Service(self._user_info, None), _own("USER", account, "INFO")
        requests.serve(account, "$SYS.REQ.USER.INFO", user_info, user_there)

    def _for_servers(self) -> dict[str, Service]:
        services = {
            name: Service(partial(self._endpoint, name), fields)
            for name, fields in _ENDPOINTS.items()
        }
        return services | {
            "IDZ": Service(self._idz, None, raw=True),
            "STATSZ": Service(self._statsz, options.STATSZ, raw=True),
            "PROFILEZ": Service(_profilez, options.PROFILEZ),
            "RAFTZ": Service(lambda _, __: {}, options.RAFTZ),  # there is no raft
        }

    def _for_accounts(self) -> dict[str, Service]:
        return {
            "SUBSZ": Service(self._account_subsz, options.SUBSZ),
            "CONNZ": Service(self._account_connz, options.CONNZ),
            "LEAFZ": Service(self._account_leafz, options.LEAFZ),
            "JSZ": Service(self._account_jsz, options.JSZ),
            "INFO": Service(self._account_info, options.ACCOUNT_INFO),
            "CONNS": Service(self._account_conns, None, raw=True),
            "STATZ": Service(self._account_statz, options.ACCOUNT_STATZ),
        }

    # --- the server

    def _endpoint(self, name: str, _: Request, given: dict[str, Any]) -> object:
        return self._monitor.ask(name, msgspec.convert(given, ENDPOINTS[name].options))

    def _idz(self, _: Request, __: dict[str, Any]) -> object:
        about = self._envelope.about
        return {"name": about.name, "host": about.host, "id": about.id}

    def _statsz(self, request: Request, _: dict[str, Any]) -> object:
        if request.reply:
            return self._heartbeat.message()
        self._heartbeat.broadcast(at_once=True)
        raise NoAnswer

    # --- accounts

    def _account_subsz(self, request: Request, given: dict[str, Any]) -> object:
        own = {"account": request.token(_ACCOUNT_AT), "subscriptions": True}
        return self._endpoint("SUBSZ", request, given | own)

    def _account_connz(self, request: Request, given: dict[str, Any]) -> object:
        return self._endpoint("CONNZ", request, given | {"acc": request.token(_ACCOUNT_AT)})

    def _own_connz(self, request: Request, given: dict[str, Any]) -> object:
        return self._endpoint("CONNZ", request, given | {"acc": request.account.name})

    def _account_leafz(self, request: Request, given: dict[str, Any]) -> object:
        return self._endpoint("LEAFZ", request, given | {"account": request.token(_ACCOUNT_AT)})

    def _account_jsz(self, request: Request, given: dict[str, Any]) -> object:
        from leafnode.monitor.jsz import jsz_account

        wanted = msgspec.convert(given | {"account": request.token(_ACCOUNT_AT)}, JszOptions)
        return jsz_account(self._monitor.views, wanted)

    def _account_info(self, request: Request, _: dict[str, Any]) -> Steps[object]:
        wanted = AccountzOptions(account=request.token(_ACCOUNT_AT))
        answer = yield from self._monitor.ask("ACCOUNTZ", wanted)
        return answer["account_detail"]

    def _account_conns(self, request: Request, _: dict[str, Any]) -> object:
        account = request.token(_ACCOUNT_AT)
        try:
            given = options.read(request.body, options.CONNS)
        except options.BadRequest as err:
            raise NoAnswer from err
        if given.get("acc", account) != account or not self._statistics.in_use(account):
            raise NoAnswer
        return self._events.connections(account)

    def _account_statz(self, request: Request, given: dict[str, Any]) -> object:
        account = request.token(_ACCOUNT_AT)
        if account == _PING:
            raise NoAnswer  # the subject without a wildcard answers it
        return self._statz((account,), given)

    def _own_statz(self, request: Request, given: dict[str, Any]) -> object:
        return self._statz((request.account.name,), given)

    def _every_account_statz(self, _: Request, given: dict[str, Any]) -> object:
        return self._statz(tuple(given.get("accounts") or ()) or None, given)

    def _statz(self, names: tuple[str, ...] | None, given: dict[str, Any]) -> Steps[object]:
        from leafnode.monitor.accountz import accstatz

        unused = given.get("include_unused", False)
        wanted = AccstatzOptions(accounts=names, include_unused=unused)
        answer = yield from accstatz(self._monitor.views, self._monitor.clock, wanted)
        if not answer["account_statz"] and not unused:
            raise NoAnswer
        return answer

    # --- users

    def _user_info(self, request: Request, _: dict[str, Any]) -> object:
        if request.asker.kind is not Kind.CLIENT:
            raise NoAnswer  # a leaf's own server answers its users
        return self._acts.user_info(request.asker)


def _own(kind: str, account: Account, name: str) -> str:
    """Return what nats-server imports into the account when it may ask about itself."""
    return f"$SYS.REQ.{kind}.{account.name}.{name}"


def _by_cid(act: Callable[[int], None], _: Request, given: dict[str, Any]) -> object:
    act(given.get("cid", 0))
    return None


def _profilez(_: Request, given: dict[str, Any]) -> object:
    """Refuse as nats-server refuses a profile that it does not have: there is no Go runtime."""
    name = given.get("name", "")
    error = f'Profile "{name}" not found' if name else "Profile name not specified"
    return {"profile": None, "error": error}


def _subscribers(request: Request, _: dict[str, Any]) -> object:
    from leafnode.system.debug import subscribers

    return subscribers(where_it_was_asked(request.account, request.reply), request.body)

"""Plays one consumer script against a server and keeps what a client sees, step by step."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import NEVER_S, Connection

if TYPE_CHECKING:
    from tests.conformance.jetstream.client import Received
    from tests.interop.consumer_scripts import Operation

ACCOUNTS: Final = [f"A{number}" for number in range(6)]
_ACCOUNTS = "\n".join(
    f"  {name} {{ jetstream: enabled, users: [{{ user: {name}, password: x }}] }}"
    for name in ACCOUNTS
)
CONFIG: Final = f"""server_name: js
accounts {{
{_ACCOUNTS}
}}
jetstream {{ store_dir: "{{dir}}/store" }}
"""
_ACK_PATIENCE_S: Final = 5.0  # an ack of what is not delivered any more is not answered
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 20.0  # for what the other server saw; what differs is played again


class Player:
    """A client with a stream and a consumer of its own, which go with it."""

    def __init__(self, port: int, account: str) -> None:
        self._connection = Connection(port, account, at_once=True)
        self._inboxes = 0
        self._got: list[Received] = []  # deliveries, for later acknowledgements
        self._pin = ""
        self._config: dict[str, Any] = {}
        self._listening: int | None = None
        self._pushed = 0

    def close(self) -> None:
        self._api("STREAM.DELETE.S")
        self._connection.close()

    def play(
        self,
        stream: dict[str, Any],
        config: dict[str, Any],
        operations: list[Operation],
        expected: list[Any] | None = None,
    ) -> list[Any]:
        """Return what was seen, step by step with the consumer's info after it, and the advisories.

        What another server saw is waited for: nats-server counts and delivers behind its answers.
        """
        self._config = config
        self._api("STREAM.CREATE.S", stream)
        sids = [
            self._connection.subscribe(f"$JS.EVENT.{kind}.CONSUMER.>")
            for kind in ("ADVISORY", "METRIC")
        ]
        seen: list[Any] = []
        for name, argument in operations:
            wanted = expected[len(seen) : len(seen) + 2] if expected is not None else None
            seen.append(self._do(name, argument, wanted[0] if wanted else None))
            seen.append(self._settled(wanted[1] if wanted else None))
        seen.append(self._advisories(sids, len(expected[-1]) if expected is not None else 0))
        return seen

    def _settled(self, wanted: Any) -> Any:
        """Return the consumer's info, once it is as wanted or does not become so."""
        deadline = time.monotonic() + _PATIENCE_S
        before = None
        while True:
            info = self._seen(self._api("CONSUMER.INFO.S.C"))
            settled = info == (before if wanted is None else wanted)
            if settled or time.monotonic() > deadline:
                return info
            before = info
            time.sleep(_POLL_S)

    def _advisories(self, sids: list[int], count: int) -> list[str]:
        """Return what was told, once as much came, and what came with it."""
        deadline = time.monotonic() + _PATIENCE_S
        self._api("INFO")
        self._connection.flush()
        while sum(map(self._connection.waiting, sids)) < count and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            self._connection.flush()
        told = [
            self._connection.next(sid) for sid in sids for _ in range(self._connection.waiting(sid))
        ]
        return sorted(json.dumps(observed.normal(one), sort_keys=True) for one in told)

    def _do(self, name: str, argument: Any, wanted: Any) -> Any:
        match name:
            case "publish":
                return [self._publish(*one) for one in argument]
            case "create":
                return self._change(argument)
            case "update":
                self._config = self._config | argument
                if "filter_subject" in argument:
                    self._config.pop("filter_subjects", None)
                return self._change(self._config)
            case "fetch":
                return self._fetch(argument)
            case "listen":
                self._listening = self._connection.subscribe("to.me", argument)
                return self._received(wanted)
            case "received":
                return self._received(wanted)
            case "ack":
                return self._ack(*argument)
        return self._steer(name, argument)

    def _steer(self, name: str, argument: Any) -> Any:
        match name:
            case "info":
                return self._seen(self._api("CONSUMER.INFO.S.C"))
            case "reset":
                info = observed.value(self._api("CONSUMER.INFO.S.C")) or {}
                if "error" in info:
                    return info
                self._pushed = 0
                return self._seen(self._api("CONSUMER.RESET.S.C", argument))
            case "delete":
                return self._seen(self._api("STREAM.MSG.DELETE.S", {"seq": argument}))
            case "purge":
                return self._seen(self._api("STREAM.PURGE.S", argument))
            case "unpin":
                return self._seen(self._api("CONSUMER.UNPIN.S.C", argument))
            case "pause":
                return self._seen(self._api("CONSUMER.PAUSE.S.C", {"pause_until": argument}))
        raise AssertionError(name)

    def _change(self, config: dict[str, Any]) -> Any:
        body = {"stream_name": "S", "config": config}
        return self._seen(self._api("CONSUMER.CREATE.S.C", body))

    def _seen(self, got: Received) -> Any:
        seen = observed.normal(got, "_C.")
        if isinstance(seen["data"], dict):
            # How fast a request that ended is forgotten is no matter, nor how far a consumer
            # looked that found nothing.
            seen["data"].pop("num_waiting", None)
            for place in {"delivered", "ack_floor"} & seen["data"].keys():
                if seen["data"][place]["consumer_seq"] == 0 or self._filtered():
                    seen["data"][place].pop("stream_seq")
        return seen

    def _filtered(self) -> bool:
        return "filter_subject" in self._config or "filter_subjects" in self._config

    # --- a client

    def _inbox(self) -> str:
        self._inboxes += 1
        return f"_C.{self._inboxes}"

    def _api(self, endpoint: str, body: Any = None) -> Received:
        payload = b"" if body is None else json.dumps(body).encode()
        return self._connection.ask(f"$JS.API.{endpoint}", payload)

    def _publish(self, subject: str, header: str, payload: str) -> Any:
        block = f"NATS/1.0\r\nK: {header}\r\n\r\n".encode() if header else b""
        return observed.normal(self._connection.ask(subject, payload.encode(), block), "_C.")

    def _fetch(self, request: Any) -> list[Any]:
        """Return the messages of a request until it ends."""
        if isinstance(request, dict) and request.get("id") == "pin":
            request = request | {"id": self._pin}
        payload = request if isinstance(request, str) else json.dumps(request)
        batch = request["batch"] if isinstance(request, dict) else 1
        if isinstance(request, str) and request.isdigit():
            batch = int(request)
        if payload[:1] != "{" and not self._is_there(batch):
            return ["not asked"]
        inbox = self._inbox()
        sid = self._connection.subscribe(inbox)
        self._connection.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"", payload.encode(), inbox)
        return self._until_ended(sid, batch)

    def _until_ended(self, sid: int, batch: int, patience_s: float = NEVER_S) -> list[Any]:
        seen: list[Any] = []
        count = 0
        while count < batch:
            got = self._connection.next(sid, patience_s)
            if got is None:
                seen.append("nothing more")
                break
            status = observed.status(got)
            if status.startswith("100"):
                continue
            seen.append(self._delivery(got))
            if status:
                break
            count += 1
            self._got.append(got)
        self._connection.unsubscribe(sid)
        return seen

    def _delivery(self, got: Received) -> Any:
        for line in got.header.decode().split("\r\n"):
            if line.startswith("Nats-Pin-Id: "):
                self._pin = line.partition(" ")[2]
        return observed.normal(got, "_C.")

    def _received(self, wanted: Any) -> Any:
        """Return what was pushed: as many as wanted, or all that the server says it has pushed."""
        if self._listening is None:
            return None
        if wanted is None:
            self._connection.flush()
            info = observed.value(self._api("CONSUMER.INFO.S.C")) or {}
            if "error" in info:
                return []
            count = info["delivered"]["consumer_seq"] - self._pushed
        else:
            count = len(wanted)
        seen = []
        while len(seen) < count:
            got = self._connection.next(self._listening, _PATIENCE_S)
            if got is None:
                seen.append("nothing more")
                break
            if observed.status(got):
                continue
            self._pushed += 1
            self._got.append(got)
            seen.append(observed.normal(got, "_C."))
        return seen

    def _ack(self, index: int, payload: str) -> Any:
        """Acknowledge one of the last deliveries, and wait for the answer to that."""
        if not self._got:
            return None
        got = self._got[-1 - index % len(self._got)]
        if not got.reply.startswith("$JS.ACK."):
            return None
        if payload.startswith("+NXT"):
            return self._next(got, payload)
        inbox = self._inbox()
        sid = self._connection.subscribe(inbox)
        self._connection.publish(got.reply, b"", payload.encode(), inbox)
        answer = self._connection.next(sid, _ACK_PATIENCE_S)
        self._connection.unsubscribe(sid)
        return observed.normal(answer, "_C.")

    def _next(self, got: Received, payload: str) -> Any:
        """Acknowledge, and read what comes for that."""
        if not self._is_there(3):
            return ["not asked"]
        inbox = self._inbox()
        sid = self._connection.subscribe(inbox)
        self._connection.publish(got.reply, b"", payload.encode(), inbox)
        return self._until_ended(sid, 2 if "2" in payload else 1)

    def _is_there(self, count: int) -> bool:
        """Say whether so many messages come at once to who asks without an end."""
        info = observed.value(self._api("CONSUMER.INFO.S.C")) or {}
        bounded = self._config.get("max_ack_pending") or self._config.get("priority_policy")
        held = bounded or self._config.get("deliver_subject") or info.get("paused")
        there: int = info.get("num_pending", 0)
        return not held and there >= count

"""Plays a chapter against one server, and keeps what the server said, row by row."""

from __future__ import annotations

import difflib
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import NEVER_S, Connection, Received
from tests.conformance.jetstream.script import Chapter, Step, message

_SUBSTITUTE = re.compile(r"<<([^<>]+)>>")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_POLL_S = 0.02
HOPELESS_S = 0.5


class Served(Protocol):
    """A running server."""

    client_port: int
    http_port: int

    def stop(self) -> None: ...

    def start(self) -> None: ...


@dataclass
class Played:
    """What one row was answered, and what of its `=>` did not hold."""

    said: list[Any] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)


class Player:
    """One chapter on one server. `hopeless` are rows whose answers are not waited for long."""

    def __init__(self, server: Served, user: str, hopeless: set[str]) -> None:
        self._server = server
        self._user = user
        self._hopeless = hopeless
        self._patience_s = NEVER_S
        self._connection = Connection(server.client_port, user)
        self._inboxes = 0
        self._subs: dict[str, tuple[int, str]] = {}
        self._last: list[Received] = []
        self._known: dict[str, str] = {}
        self.rows: dict[str, Played] = {}

    def play(self, chapter: Chapter) -> dict[str, Played]:
        """Return what was said, by row."""
        for step in chapter.steps:
            row = self.rows.setdefault(step.row, Played())
            self._patience_s = HOPELESS_S if step.row in self._hopeless else NEVER_S
            try:
                got = self._do(step)
            except (ConnectionError, TimeoutError) as error:
                row.unmet.append(f"line {step.line}: {error!r}")
                if isinstance(error, ConnectionError):
                    break
                continue
            if got is None:
                continue
            self._learn(got)
            row.received += got
            row.said.append(f"line {step.line}")
            if not step.only_expected:
                row.said += [observed.normal(one, "_C.") for one in got] or ["<nothing>"]
            for expected in step.expects:
                wrong = observed.unmet(self._substituted(expected), got)
                if wrong:
                    row.unmet.append(f"line {step.line}: {wrong}")
        self._clean()
        return self.rows

    def _clean(self) -> None:
        try:
            for _ in range(8):
                listed = observed.value(self._answer("@STREAM.NAMES", 1)[0]) or {}
                if not listed.get("streams"):
                    break
                for name in listed["streams"]:
                    self._connection.publish(f"$JS.API.STREAM.DELETE.{name}", b"", b"")
        except (ConnectionError, TimeoutError, IndexError):
            pass
        self._connection.close()

    def _do(self, step: Step) -> list[Received] | None:
        """Return the messages that came, or None where nothing is said."""
        args = self._substituted(step.args)
        match step.verb:
            case "ask":
                return self._answer(args, 1)
            case "many":
                count, _, args = args.partition(" ")
                return self._answer(args, int(count))
            case "silent":
                return self._silent(args)
            case "until":
                self._until(args)
            case "sleep":
                amount, unit = re.fullmatch(r"(\d+)(\w+)", args).groups()  # type: ignore[union-attr]
                time.sleep(int(amount) * _UNITS[unit])
            case "restart":
                self._restart()
            case "pub":
                self._publish(args)
            case "http":
                return [self._http(args)]
            case _:
                return self._on_subscription(step.verb, args)
        return None

    def _on_subscription(self, verb: str, args: str) -> list[Received] | None:
        name, _, rest = args.partition(" ")
        if verb == "sub":
            subject, _, group = rest.partition(" ")
            self._subs[name] = (self._connection.subscribe(subject, group), subject)
            self._connection.flush()
            return None
        sid, _ = self._subs[name]
        if verb == "unsub":
            self._connection.unsubscribe(sid)
            self._connection.flush()
            return None
        if verb == "quiet":
            self._answer("@INFO", 1)
            self._connection.flush()
            waiting = self._connection.waiting(sid)
            return [one for _ in range(waiting) if (one := self._connection.next(sid))]
        return self._gather(sid, int(rest or 1), until_status=False)

    def _publish(self, args: str) -> None:
        count, reply = 1, ""
        if found := re.match(r"(\d+) ", args):
            count, args = int(found[1]), args[found.end() :]
        if found := re.match(r"to (\S+) ", args):
            reply, args = found[1], args[found.end() :]
            reply = self._subs[reply][1] if reply in self._subs else reply
        for index in range(count):
            sent = message(_counted(args, index))
            to = _counted(reply, index)
            self._connection.publish(sent.subject, sent.header, sent.payload, to)
        self._connection.flush()

    def _ask(self, args: str) -> int:
        self._inboxes += 1
        inbox = f"_C.{self._inboxes}"
        sid = self._connection.subscribe(inbox)
        sent = message(args)
        self._connection.publish(sent.subject, sent.header, sent.payload, inbox)
        return sid

    def _answer(self, args: str, count: int) -> list[Received]:
        sid = self._ask(args)
        got = self._gather(sid, count, until_status=True)
        self._connection.unsubscribe(sid)
        return got

    def _gather(self, sid: int, count: int, *, until_status: bool) -> list[Received]:
        got: list[Received] = []
        while len(got) < count:
            one = self._connection.next(sid, self._patience_s)
            if one is None:
                break
            got.append(one)
            code = observed.status(one)
            if until_status and code and not code.startswith("100"):
                break
        return got

    def _http(self, path: str) -> Received:
        url = f"http://127.0.0.1:{self._server.http_port}/{path}"
        try:
            with urlopen(url, timeout=NEVER_S) as response:
                code, body = response.status, response.read()
        except HTTPError as error:
            code, body = error.code, error.read()
        return Received(path, "", b"NATS/1.0 %d\r\n\r\n" % code, body)

    def _silent(self, args: str) -> list[Received]:
        sid = self._ask(args)
        self._answer("@INFO", 1)  # what was asked before is answered before
        self._connection.flush()
        got = [self._connection.next(sid) for _ in range(self._connection.waiting(sid))]
        self._connection.unsubscribe(sid)
        return [one for one in got if one is not None]

    def _until(self, args: str) -> None:
        wanted, _, args = args.partition(" ")
        deadline = time.monotonic() + self._patience_s
        last: list[Received] = []
        while time.monotonic() < deadline:
            path = args.removeprefix("http ")
            last = [self._http(path)] if path != args else self._answer(args, 1)
            if last and not observed.unmet(wanted, last):
                return
            time.sleep(_POLL_S)
        shown = last[-1].payload[:400] if last else b""
        raise TimeoutError(f"never {wanted}: {shown!r}")

    def _restart(self) -> None:
        self._connection.close()
        self._server.stop()
        self._server.start()
        self._connection = Connection(self._server.client_port, self._user)
        self._subs.clear()

    def _learn(self, got: list[Received]) -> None:
        for place, one in enumerate((one for one in got if one.reply), 1):
            self._known[f"r{place}"] = one.reply
        for one in got:
            for line in one.header.decode("latin-1").split("\r\n"):
                name, found, text = line.partition(": ")
                if found:
                    self._known[f"h:{name}"] = text
                if name == "Nats-Pin-Id":
                    self._known["pin"] = text
            fields = observed.value(one) or {}
            for name in ("deliver_subject", "name"):
                if isinstance(fields.get(name), str):
                    self._known[name] = fields[name]

    def _substituted(self, text: str) -> str:
        def put(found: re.Match[str]) -> str:
            what = found[1]
            if "*" in what:
                piece, _, count = what.rpartition("*")
                return piece * int(count)
            if moved := re.fullmatch(r"now([+-]\d+)(ms|s|m)", what):
                offset = timedelta(seconds=int(moved[1]) * _UNITS[moved[2]])
                when = datetime.now(UTC) + offset
                return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            return self._known.get(what, found[0])

        return _SUBSTITUTE.sub(put, text)


def _counted(text: str, index: int) -> str:
    return text.replace("<<i>>", str(index)).replace("<<n>>", str(index + 1))


def shown(played: Played) -> str:
    """Return it for a failure."""
    return "\n".join(json.dumps(one) if not isinstance(one, str) else one for one in played.said)


def compared(ours: Played, theirs: Played) -> str:
    """Return where two differ, for a failure."""
    one, other = (shown(played).splitlines() for played in (ours, theirs))
    return "\n".join(difflib.unified_diff(other, one, "nats-server", "leafnode", lineterm="", n=1))

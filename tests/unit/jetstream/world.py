"""One account with JetStream on a fake store and clock, and a client that speaks to it."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from leafnode.jetstream.context import Context, ServerFacts
from leafnode.jetstream.jetstream import AccountJetStream
from leafnode.jetstream.trusted_time import TrustedTime
from leafnode.protocol import header
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind, Outbox, Peer
from tests.sim.clock import FakeClock
from tests.unit.jetstream.fake_store import FakeStore

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery


class Msg:
    """A message as a client sees it."""

    def __init__(self, subject: bytes, reply: bytes, block: bytes, payload: bytes) -> None:
        self.subject = subject
        self.reply = reply
        self.block = block
        self.payload = payload

    @property
    def status(self) -> bytes:
        return self.block.split(b"\r\n")[0] if self.block else b""

    def __repr__(self) -> str:
        return f"Msg({self.subject!r}, {self.reply!r}, {self.block!r}, {self.payload!r})"


class World:
    """A server with one account. `restart` keeps the store."""

    def __init__(self, *, domain: str = "", store: FakeStore | None = None) -> None:
        self.clock = FakeClock()
        self.store = store or FakeStore()
        self.memory = FakeStore()
        self.domain = domain
        self.start()

    def start(self) -> None:
        outbox = Outbox(lambda: None)
        self.account = Account("$G", outbox)
        self.client = Peer(7, Kind.CLIENT, outbox)
        self.client.no_responders = True
        self.client.account = self.account
        self.heard: list[Msg] = []
        self.time = TrustedTime(self.clock)
        self.js = self.enable(self.account)
        self.ready = False
        self.js.recover(self._on_ready)
        self.clock.advance(0)

    def settle(self) -> None:
        """Let what is due now be done."""
        self.clock.advance(0)

    def enable(self, account: Account, **facts: int) -> AccountJetStream:
        """Give an account JetStream on this world's stores."""
        context = Context(
            account=account,
            file_store=self.store,
            memory_store=self.memory,
            clock=self.clock,
            random=Random(1),
            facts=ServerFacts("edge", "ID", self.domain, **facts),
            time=self.time,
        )
        return AccountJetStream(context)

    def _on_ready(self) -> None:
        self.ready = True

    def restart(self, *, behind_ns: int = 0) -> None:
        """The process dies and starts again on the same disk; its wall clock may be behind then."""
        self.clock = _continued(self.clock)
        self.clock.jump_wall(-behind_ns)
        self.start()

    # --- a client

    def listen(self, subject: str) -> list[Msg]:
        """Subscribe, and return the list that messages will be put into."""
        heard: list[Msg] = []

        def on_run(run: Delivery) -> None:
            for reply, size, body in run.messages:
                heard.append(Msg(run.subject, reply, body[:size], body[size:]))

        self.account.subscribe(subject.encode(), on_run)
        return heard

    def publish(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        reply: str = "",
    ) -> int:
        block = b""
        if headers:
            block = header.build((k.encode(), v.encode()) for k, v in headers.items())
        return self.account.publish(
            subject.encode(),
            block + payload,
            header_size=len(block),
            reply=reply.encode(),
            origin=self.client,
        )

    def request(
        self, subject: str, payload: bytes = b"", *, headers: dict[str, str] | None = None
    ) -> list[Msg]:
        """Publish with a fresh inbox; the answers go on arriving in the returned list."""
        inbox = f"_INBOX.{len(self.heard)}.{self.clock.monotonic_ns()}"
        heard = self.listen(inbox)
        self.heard.append(Msg(b"", b"", b"", b""))
        self.publish(subject, payload, headers=headers, reply=inbox)
        return heard

    def api(self, endpoint: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Ask the JetStream API and return its JSON answer."""
        payload = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        answers = self.request("$JS.API." + endpoint, payload, **options)
        assert len(answers) == 1, answers
        answer: dict[str, Any] = json.loads(answers[0].payload)
        return answer

    def error(self, endpoint: str, body: Any = None, **options: Any) -> tuple[int, int, str]:
        """Ask the JetStream API and return the error of its answer."""
        error = self.api(endpoint, body, **options)["error"]
        return error["code"], error["err_code"], error["description"]

    def create_stream(self, name: str = "S", **config: Any) -> dict[str, Any]:
        config.setdefault("subjects", [f"{name.lower()}.>"])
        answer = self.api(f"STREAM.CREATE.{name}", {"name": name, **config})
        assert "error" not in answer, answer
        return answer

    def create_consumer(self, stream: str = "S", name: str = "C", **config: Any) -> dict[str, Any]:
        config.setdefault("durable_name", name)
        config.setdefault("ack_policy", "explicit")
        body = {"stream_name": stream, "config": config}
        answer = self.api(f"CONSUMER.CREATE.{stream}.{name}", body)
        assert "error" not in answer, answer
        return answer

    def fetch(self, body: Any = None, stream: str = "S", name: str = "C") -> list[Msg]:
        """Pull; a dict is a JSON request, a number a batch."""
        payload = b"" if body is None else _json(body)
        return self.request(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", payload)

    def info(self, stream: str = "S", name: str = "C") -> dict[str, Any]:
        return self.api(f"CONSUMER.INFO.{stream}.{name}")

    def state(self, stream: str = "S") -> dict[str, Any]:
        state: dict[str, Any] = self.api(f"STREAM.INFO.{stream}")["state"]
        return state


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _continued(clock: FakeClock) -> FakeClock:
    """A new process has new timers, and time went on."""
    fresh = FakeClock()
    fresh.advance(clock.wall_ns() - fresh.wall_ns())
    return fresh

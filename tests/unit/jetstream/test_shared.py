"""What the accounts of one server share: its stores' bounds; nats-server server/jetstream.go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from leafnode.jetstream.jetstream import UNBOUNDED, AccountJetStream
from leafnode.jetstream.shared import Shared
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from typing import Any

    from leafnode.errors import StoreError


class Two:
    """Two accounts on one server that may store 1,000 bytes."""

    def __init__(self) -> None:
        world = World()
        stores = {"file": world.store, "memory": world.memory}
        self.shared = Shared(stores, world.clock, max_file_bytes=1000)
        self.worlds = []
        for name in ("A", "B"):
            world.account = Account(name, Outbox(lambda: None))
            context = world.enable(world.account).context
            js = AccountJetStream(context, UNBOUNDED, self.shared)
            js.recover(lambda: None)
            world.clock.advance(0)
            self.worlds.append((world.account, js))
        self.world = world

    def ask(self, number: int, subject: str, body: bytes) -> dict[str, Any]:
        """Let one of the accounts ask for something."""
        account, _ = self.worlds[number]
        answers: list[bytes] = []
        account.subscribe(b"reply", lambda run: answers.extend(m[2] for m in run.messages))
        account.publish(subject.encode(), body, reply=b"reply")
        self.world.clock.advance(0)
        result: dict[str, Any] = json.loads(answers[-1])
        return result

    def create(self, number: int, max_bytes: int = -1) -> int:
        config = {"name": "S", "subjects": ["s"], "max_bytes": max_bytes}
        answer = self.ask(number, "$JS.API.STREAM.CREATE.S", json.dumps(config).encode())
        return int(answer.get("error", {}).get("err_code", 0))


def test_what_one_account_was_promised_another_cannot_have() -> None:
    two = Two()

    assert two.create(0, 600) == 0
    assert two.create(1, 401) == 10047
    assert two.create(1, 400) == 0


def test_what_one_account_stored_counts_for_all() -> None:
    two = Two()
    two.create(0)
    two.create(1)
    for _ in range(2):
        two.ask(0, "s", b"x" * 600)

    assert two.ask(1, "s", b"x")["error"]["err_code"] == 10023


def test_a_larger_bound_holds_at_once() -> None:
    two = Two()
    two.create(0, 600)

    two.shared.limit(max_memory_bytes=-1, max_file_bytes=2000)

    assert two.create(1, 1400) == 0


def test_an_account_that_is_gone_is_counted_no_more() -> None:
    two = Two()
    two.create(0, 600)

    two.worlds[0][1].shut_down()

    assert two.shared.promised_bytes("file") == 0


def test_accounts_may_have_streams_of_one_name() -> None:
    two = Two()

    assert (two.create(0), two.create(1)) == (0, 0)
    assert two.ask(0, "s", b"x")["seq"] == 1
    assert two.ask(1, "s", b"x")["seq"] == 1


def test_all_that_an_account_stores_is_deleted_and_nothing_of_another() -> None:
    two = Two()
    two.create(0)
    two.create(1)
    two.ask(0, "s", b"x")
    two.ask(0, "$JS.API.STREAM.CREATE.M", b'{"name":"M","subjects":["m"],"storage":"memory"}')
    two.world.store.create_stream("A", "S.cutoff", b"{}", 5, 1)
    done: list[StoreError | None] = []
    two.world.store.hold()

    two.shared.purge("A", done.append)
    assert done == []
    two.world.store.commit()
    two.world.store.holding = False

    assert done == [None]
    assert [one.account for one in two.world.store.streams()] == ["B"]
    assert two.world.memory.streams() == []
    assert two.ask(0, "$JS.API.STREAM.NAMES", b"")["streams"] is None
    assert two.create(0) == 0


def test_what_is_kept_of_an_account_that_is_not_served_is_deleted_too() -> None:
    two = Two()
    two.create(0)
    two.worlds[0][1].shut_down()
    done: list[StoreError | None] = []

    two.shared.purge("A", done.append)
    two.shared.purge("NOSUCH", done.append)

    assert done == [None, None]
    assert two.world.store.streams() == []


def test_what_restores_left_at_a_crash_is_deleted() -> None:
    two = Two()
    two.create(0)
    two.world.store.create_stream("B", "S.cutoff", b"{}", 5, 1)

    two.shared.drop_unfinished()

    assert [(one.account, one.name) for one in two.world.store.streams()] == [("A", "S")]

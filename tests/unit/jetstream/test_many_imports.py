"""Streams in an account that imports from very many subjects: no turn is long, and from the answer
on, and from a start on, each message is stored once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreFull
from leafnode.limits import INTAKE_WAITING_MAX, TURN_WORK
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from tests.sim.imports import Slices, stream_import
from tests.unit.jetstream.archives import begin, send, take
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream
    from tests.unit.jetstream.world import Msg

MANY = 300
SUBJECTS = [f"in.*.{number}" for number in range(10)]


class Importing(World):
    """A world whose account imports from many subjects of another one, in turns that a test has."""

    def enable(self, account: Account, **facts: int) -> AccountJetStream:
        outbox = account.system.outbox
        self.exporter = Account("E", outbox)
        many = [
            stream_import(self.exporter, b"a.%d.*" % one, b"in.%d.*" % one) for one in range(MANY)
        ]
        StreamImports(account, many).start()
        self.slices = Slices(outbox)
        return super().enable(account, **facts)

    def turn(self) -> bool:
        """Have one turn; say whether there is another one, and check that this was not long."""
        there_is = self.slices.next()
        self.settle()
        assert self.account.system.outbox.work_left > -2 * TURN_WORK
        return there_is

    def say(self, subject: bytes = b"a.299.9") -> None:
        self.exporter.publish(subject, b"x")

    def messages(self) -> int:
        count: int = self.state()["messages"]
        return count

    def ask(self, endpoint: str, **config: object) -> list[Msg]:
        """Ask for a stream's creation or change; the answer may come later."""
        self.account.system.outbox.renew_work()
        return self.request(f"$JS.API.{endpoint}.S", json.dumps({"name": "S", **config}).encode())


def created() -> Importing:
    world = Importing()
    world.ask("STREAM.CREATE", subjects=SUBJECTS)
    world.slices.all()
    return world


def test_a_stream_that_is_created_takes_in_from_its_answer_on_what_its_account_imports() -> None:
    world = Importing()

    answers = world.ask("STREAM.CREATE", subjects=SUBJECTS)
    assert world.account.system.outbox.work_left > -2 * TURN_WORK
    assert answers == []
    while world.turn():
        assert answers == []

    assert b'"did_create":true' in answers[0].payload
    world.say()
    assert world.messages() == 1


def test_the_same_create_again_is_answered_once_that_is_so() -> None:
    world = Importing()
    world.ask("STREAM.CREATE", subjects=SUBJECTS)

    again = world.ask("STREAM.CREATE", subjects=SUBJECTS)
    while world.turn():
        assert again == []

    assert b'"did_create":true' in again[0].payload


def test_no_message_is_lost_or_doubled_while_subjects_change() -> None:
    world = created()
    said = 0

    for subjects in (["in.>"], SUBJECTS, [*SUBJECTS[5:], "other"], ["in.299.*"]):
        answers = world.ask("STREAM.UPDATE", subjects=subjects)
        world.say()
        said += 1
        while world.turn():
            world.say()
            said += 1
        world.say()
        said += 1
        assert "error" not in json.loads(answers[0].payload)
        assert world.messages() == said
    assert said > 20


def test_what_a_stream_gives_up_is_nobody_s_before_the_stream_has_let_go_of_it() -> None:
    world = created()

    world.ask("STREAM.UPDATE", subjects=["in.>"])
    while world.turn():
        pass
    update = world.ask("STREAM.UPDATE", subjects=["other.>", *SUBJECTS])
    config = {"name": "T", "subjects": ["in.299.none-of-those"]}
    early = world.request("$JS.API.STREAM.CREATE.T", json.dumps(config).encode())
    assert json.loads(early[0].payload)["error"]["err_code"] == 10065

    while world.turn():
        pass
    assert "error" not in json.loads(update[0].payload)
    later = world.request("$JS.API.STREAM.CREATE.T", json.dumps(config).encode())
    while world.turn():
        pass
    assert "error" not in json.loads(later[0].payload)


def test_an_update_is_answered_once_what_it_asks_for_holds() -> None:
    world = created()

    answers = world.ask("STREAM.UPDATE", subjects=["in.>"])
    assert answers == []
    while not answers:
        world.turn()
    world.say(b"a.299.none-of-the-old")

    assert json.loads(answers[0].payload)["config"]["subjects"] == ["in.>"]
    assert world.messages() == 1


def test_a_start_is_over_once_all_streams_take_in_what_is_imported() -> None:
    world = created()

    world.restart()
    assert not world.ready
    turns = 0
    while not world.ready:
        world.turn()
        turns += 1
    world.say()

    assert turns > 5
    assert world.messages() == 1


def test_a_restore_is_answered_once_the_stream_takes_in_what_is_imported() -> None:
    world = created()
    world.say()
    data = take(world)
    world.request("$JS.API.STREAM.DELETE.S")
    world.slices.all()

    subject = begin(world, subjects=SUBJECTS)
    for first in range(0, len(data), 500):
        send(world, subject, data[first : first + 500])
    answers = send(world, subject, b"")
    while world.turn():
        assert answers == []

    assert json.loads(answers[0].payload)["state"]["messages"] == 1
    world.say()
    assert world.messages() == 2


@pytest.mark.parametrize("turns", [0, 3, 40])
def test_a_stream_that_is_deleted_meanwhile_leaves_nothing(turns: int) -> None:
    world = Importing()
    before = world.account.sublist.count
    created = world.ask("STREAM.CREATE", subjects=SUBJECTS)
    for _ in range(turns):
        world.turn()

    deleted = world.request("$JS.API.STREAM.DELETE.S")
    world.say()
    while world.turn():
        pass

    assert b'"did_create":true' in created[0].payload
    assert b'"success":true' in deleted[0].payload
    assert (world.exporter.sublist.count, world.account.sublist.count) == (0, before + 2)


def test_a_create_that_cannot_be_stored_is_refused_and_undone() -> None:
    world = Importing()
    world.store.hold()
    answers = world.ask("STREAM.CREATE", subjects=SUBJECTS)
    world.turn()

    world.store.fail(StoreFull("no room"))
    world.slices.all()

    assert json.loads(answers[0].payload)["error"]["err_code"]
    assert len(answers) == 1
    assert world.exporter.sublist.count == 0


def test_more_changes_than_may_wait_are_refused() -> None:
    world = created()

    answers = [
        world.ask("STREAM.UPDATE", subjects=SUBJECTS[:5] if number % 2 else ["in.>"])
        for number in range(INTAKE_WAITING_MAX + 1)
    ]
    while world.turn():
        pass

    assert all("error" not in json.loads(one[0].payload) for one in answers[:-1])
    assert json.loads(answers[-1][0].payload)["error"]["err_code"] == 10167

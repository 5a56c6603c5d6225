"""Messages to very many, through imports and from servers: all arrive, and each one's in order."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.routing import parked, sublist
from leafnode.routing.account import Account
from leafnode.routing.deliver import deliver
from leafnode.routing.peer import Outbox
from leafnode.routing.subscription import Subscription
from tests.sim.peers import FakePeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Message

Got = defaultdict[tuple[str, bytes, bytes], list[int]]  # by account, sid and who published

WIDE, FEW = b"wide", b"few"
WORK = st.sampled_from([1, 60, 500, 30_000])
SUBJECT = st.sampled_from([WIDE, FEW])
IMPORTS = st.lists(st.sampled_from([WIDE, FEW, b"*"]), max_size=3)
PUBLISHES = st.tuples(st.integers(0, 2), st.lists(SUBJECT, min_size=1, max_size=4), WORK)
GOES_ON = st.tuples(st.integers(0, 2), st.none(), WORK)
SERVER_SENDS = st.tuples(st.integers(3, 4), SUBJECT, WORK)
OTHERS_TURN = st.tuples(st.just(5), st.none(), WORK)
STEPS = st.lists(st.one_of(PUBLISHES, GOES_ON, SERVER_SENDS, OTHERS_TURN), max_size=40)


class Import:
    """A service import, as far as the order goes: everything is sent on in another account."""

    def __init__(self, to: Account) -> None:
        self.to = to

    def forward(self, origin: Peer, message: Message) -> int:
        return deliver(self.to, origin, message)


class World:
    """Three accounts, of which each imports from the next, with a reader in each."""

    def __init__(self, imports: tuple[list[bytes], list[bytes]]) -> None:
        self.later: list[Callable[[], None]] = []
        self.outbox = Outbox(lambda: None, end_later=self.later.append)
        self.accounts = [Account(name, self.outbox) for name in "ABC"]
        self.readers = [FakePeer(one, 10 + at) for at, one in enumerate(self.accounts)]
        for at, reader in enumerate(self.readers):
            for number in range(20 if at else 3):
                reader.subscribe(WIDE, b"%d" % number)
            reader.subscribe(FEW, b"few")
            reader.subscribe(b">", b"all")
        for at, subjects in enumerate(imports):
            for subject in subjects:
                sub = Subscription(self.accounts[at].system, subject)
                sub.relay = Import(self.accounts[at + 1])
                self.accounts[at].insert(sub)
        first, second, _ = self.accounts
        self.peers = [FakePeer(first, 1), FakePeer(first, 2), FakePeer(second, 3)]
        self.wanted: Got = defaultdict(list)
        self.got: Got = defaultdict(list)
        self.number = 0

    def note(self, account: Account, subject: bytes, who: bytes) -> None:
        """Expect a message with the next number wherever its subject leads."""
        for sub in account.sublist:
            if sub.subject in {subject, b">", b"*"}:
                if isinstance(sub.relay, Import):
                    self.note(sub.relay.to, subject, who)
                else:
                    self.wanted[account.name, sub.sid, who].append(self.number)

    def body(self, account: Account, subject: bytes, who: bytes) -> bytes:
        self.number += 1
        self.note(account, subject, who)
        return b"%b.%d" % (who, self.number)

    def publish(self, peer: FakePeer, subjects: list[bytes]) -> None:
        if peer.lane.starved:
            return  # it is not read meanwhile
        for subject in subjects:
            body = self.body(peer.account, subject, b"%d" % peer.cid)
            peer.lane.feed(b"PUB %b %d\r\n%b\r\n" % (subject, len(body), body))

    def send(self, account: Account, subject: bytes) -> None:
        account.publish(subject, self.body(account, subject, account.name.encode()), in_order=True)

    def others_turn(self) -> None:
        if self.later:
            self.later.pop(0)()

    def collect(self) -> None:
        for account, reader in zip(self.accounts, self.readers, strict=True):
            for sid, body in re.findall(rb"MSG \S+ (\S+) \d+\r\n(\S+)\r\n", reader.got()):
                who, number = body.split(b".")
                self.got[account.name, sid, who].append(int(number))

    def finish(self) -> None:
        """Give everybody the turns that are left, then let one go after the other."""
        for peer in self.peers:
            self.outbox.work_left = 200
            peer.lane.next_line()
        for peer in self.peers:
            while peer.lane.starved:
                self.outbox.work_left = 200
                peer.lane.next_line()
                self.others_turn()
        while self.later:
            self.others_turn()
        self.collect()


@given(st.tuples(IMPORTS, IMPORTS), STEPS)
def test_all_arrive_and_those_of_one_publisher_in_order(
    imports: tuple[list[bytes], list[bytes]],
    steps: list[tuple[int, list[bytes] | bytes | None, int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sublist, "RECEIVERS_MAX", 2)
        patch.setattr(parked, "BACKLOG_MAX", 4)
        patch.setattr(parked, "TURN_WORK", 100)
        world = World(imports)
        for actor, what, work in steps:
            world.outbox.work_left = work
            if isinstance(what, list):
                world.publish(world.peers[actor], what)
                world.peers[actor].lane.next_line()
            elif isinstance(what, bytes):
                world.send(world.accounts[actor - 3], what)
            elif actor < len(world.peers):
                world.peers[actor].lane.next_line()
            else:
                world.others_turn()
            world.collect()
        world.finish()

    assert world.got == world.wanted
    assert not any(one.backlog for one in world.accounts)

"""What the header of a request becomes behind service imports."""

from __future__ import annotations

import pytest

from leafnode.protocol import header
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.peer import Kind
from leafnode.routing.request_header import REQUEST_INFO, RequestHeader
from leafnode.routing.tracing import DEST, DISABLED
from tests.sim.peers import FakePeer
from tests.sim.services import World


def test_it_says_who_asks_and_what_the_requester_said_of_itself_is_gone() -> None:
    block = header.build([(b"a", b"1"), (REQUEST_INFO.lower(), b"forged")])

    made = RequestHeader(ClientInfo(acc="A"), is_traced=False).of(block)

    assert header.parse(made) == [(b"a", b"1"), (REQUEST_INFO, b'{"acc":"A"}')]


def test_it_asks_for_no_trace_any_more() -> None:
    block = header.build([(DEST, b"t"), (b"a", b"1")])

    assert header.get(RequestHeader(None, is_traced=True).of(block), DEST) == DISABLED
    assert RequestHeader(None, is_traced=False).of(block) == block


@pytest.mark.parametrize(("is_traced", "last"), [(True, DEST), (False, REQUEST_INFO)])
def test_what_was_traced_up_to_an_import_before_says_so_in_front(
    is_traced: bool, last: bytes
) -> None:
    block = header.build([(DEST, b"t"), (b"a", b"1")])

    made = RequestHeader(ClientInfo(acc="A"), is_traced=is_traced, was_traced=True).of(block)

    assert header.get(made, DEST) == DISABLED
    assert [name for name, _ in header.parse(made)].count(DEST) == 1
    assert header.parse(made)[-1][0] == last


@pytest.mark.parametrize(
    ("name_at_hub", "reply", "told"),
    [
        ("HC", b"inbox.1", b'{"acc":"HC"}'),
        ("", b"inbox.1", b'{"acc":"I"}'),  # the account has no link of its own
        ("HC", b"", b'{"acc":"I"}'),  # as nats-server: nobody is asked
    ],
)
def test_a_hub_is_told_of_an_account_by_the_name_that_it_has_there(
    name_at_hub: str, reply: bytes, told: bytes
) -> None:
    world = World()
    world.import_("I", world.export("E", b"q"))
    hub = FakePeer(world.account("E"), 2, Kind.LEAF)
    near = FakePeer(world.account("E"), 3)
    hub.subscribe(b"q", b"1")
    near.subscribe(b"q", b"1")
    world.account("I").name_at_hub = name_at_hub

    FakePeer(world.account("I"), 1).says(b"PUB q %b 1\r\nq\r\n" % reply)

    block = b"NATS/1.0\r\nNats-Request-Info: %b\r\n\r\n" % told
    sent = hub.got()
    assert sent.startswith(b"HMSG q ")
    assert sent.endswith(b" %d %d\r\n%bq\r\n" % (len(block), len(block) + 1, block))
    assert b'{"acc":"I"}' in near.got()

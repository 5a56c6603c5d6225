"""What the header of a request becomes behind service imports."""

from __future__ import annotations

import pytest

from leafnode.protocol import header
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.request_header import REQUEST_INFO, RequestHeader
from leafnode.routing.tracing import DEST, DISABLED


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

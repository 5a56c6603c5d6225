"""leafnode.system.envelope: the `server` object of every message."""

from __future__ import annotations

import random

from leafnode.system.envelope import About, Envelope
from tests.sim.clock import FakeClock
from tests.sim.peers import account
from tests.sim.system import ABOUT


def envelope(about: About) -> Envelope:
    return Envelope(about, account("$SYS"), FakeClock(), random.Random(1))


def test_the_server_is_named_with_nats_servers_keys_in_their_order() -> None:
    shown = envelope(ABOUT).server()

    assert list(shown) == [
        *("name", "host", "id", "domain", "ver", "tags", "jetstream", "flags", "seq", "time"),
    ]
    assert shown["tags"] == ["line:3"]


def test_what_is_not_set_is_left_out() -> None:
    shown = envelope(About(id="N", name="n", host="h")).server()

    assert not {"domain", "cluster", "tags", "metadata"} & set(shown)
    assert (shown["jetstream"], shown["flags"]) == (False, 0)


def test_jetstream_is_a_field_and_a_flag() -> None:
    shown = envelope(About(id="N", name="n", host="h", jetstream=True)).server()

    assert (shown["jetstream"], shown["flags"]) == (True, 1)


def test_every_message_has_the_next_number_and_every_event_an_id_of_its_own() -> None:
    messages = envelope(ABOUT)

    assert [messages.server()["seq"], messages.server()["seq"]] == [1, 2]
    assert messages.typed("t")["id"] != messages.typed("t")["id"]


def test_cluster_and_metadata_are_shown_where_they_are_set() -> None:
    about = About(id="N", name="n", host="h", cluster="c", metadata={"site": "store 12"})

    shown = envelope(about).server()

    assert (shown["cluster"], shown["metadata"]) == ("c", {"site": "store 12"})

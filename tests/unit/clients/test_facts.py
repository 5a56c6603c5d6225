"""leafnode.clients.facts: what /connz is told."""

from __future__ import annotations

from leafnode.clients.facts import closed_state
from leafnode.clock import NS_PER_S
from leafnode.protocol import errors
from tests.sim.clients import ClientWorld


def test_connz_facts_tell_what_the_connection_is_and_did() -> None:
    world = ClientWorld()
    client = world.client(
        b'{"verbose":false,"pedantic":false,"name":"joe","lang":"go","version":"1.2"}'
    )
    world.clock.advance(3 * NS_PER_S)
    client.says(b"PONG\r\n")
    client.says(b"SUB a 1\r\nPUB a 3\r\nabc\r\n")
    world.clock.advance(2 * NS_PER_S)

    facts = client.handler.facts()

    assert (facts.cid, facts.ip, facts.name, facts.lang, facts.version) == (
        1,
        "127.0.0.1",
        "joe",
        "go",
        "1.2",
    )
    assert facts.account == "$G"
    assert facts.port > 0
    assert (facts.uptime_ns, facts.idle_ns) == (5 * NS_PER_S, 2 * NS_PER_S)
    assert facts.last_activity_ns - facts.start_ns == 3 * NS_PER_S
    assert facts.rtt_ns > 0
    assert (facts.in_msgs, facts.in_bytes, facts.out_msgs) == (1, 3, 1)
    assert facts.subscriptions == 1
    assert facts.pending_bytes == 0


def test_the_end_of_a_connection_has_nats_servers_name() -> None:
    assert closed_state(errors.StaleConnection()) == "Stale Connection"
    assert closed_state(errors.InvalidSubject()) == "Protocol Violation"

"""leafnode.system.statistics: the heartbeat, and what it says."""

from __future__ import annotations

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.monitor.views import ServerCounters
from leafnode.slices import finish
from tests.sim.monitor import jetstream, views
from tests.sim.system import SystemWorld

STATSZ = "$SYS.SERVER.NSERVER.STATSZ"


def test_nothing_is_sent_where_nobody_listens() -> None:
    world = SystemWorld()
    world.heartbeat.start()

    world.clock.advance(60 * NS_PER_S)

    assert world.envelope.server()["seq"] == 1, "no message was built before"


def test_the_first_comes_soon_and_the_later_ones_ever_more_rarely_up_to_10_s() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.SERVER.*.STATSZ")
    world.heartbeat.start()

    world.clock.advance(250 * NS_PER_MS)
    first = len(world.told)
    world.clock.advance(40 * NS_PER_S)
    later = len(world.told)
    world.clock.advance(100 * NS_PER_S)

    assert first == 1
    assert len(world.told) - later == 10


def test_they_come_at_the_times_of_nats_server() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.SERVER.*.STATSZ")
    world.heartbeat.start()
    at_ms: list[int] = []

    for now_ms in range(50, 36_000, 50):
        world.clock.advance(50 * NS_PER_MS)
        at_ms += [now_ms] * (len(world.told) - len(at_ms))

    assert at_ms == [250, 1250, 3250, 7250, 15_250, 25_250, 35_250]  # measured


def test_a_heartbeat_that_stopped_says_nothing_more() -> None:
    world = SystemWorld()
    world.listen()
    world.heartbeat.start()

    world.heartbeat.stop()
    world.clock.advance(60 * NS_PER_S)

    assert world.told == []


def test_everybody_is_told_at_most_once_a_second_unless_somebody_asks() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.SERVER.*.STATSZ")
    world.clock.advance(1)

    world.heartbeat.broadcast()
    world.heartbeat.broadcast()
    world.heartbeat.broadcast(at_once=True)

    assert [subject for subject, _ in world.told] == [STATSZ, STATSZ]


def test_the_keys_are_nats_servers() -> None:
    statsz = finish(SystemWorld().heartbeat.message())["statsz"]

    assert isinstance(statsz, dict)
    assert list(statsz) == [
        *("start", "mem", "cores", "cpu", "connections", "total_connections", "active_accounts"),
        *("subscriptions", "sent", "sent_to_clients", "received", "received_from_clients"),
        *("slow_consumers", "slow_consumer_stats"),
        "active_servers",
    ]


def test_jetstream_is_there_where_it_is_on_without_its_directory() -> None:
    world = SystemWorld()
    shown = views(jetstream=jetstream)
    heartbeat = type(world.heartbeat)(world.envelope, shown, world.statistics)

    statsz = finish(heartbeat.message())["statsz"]

    assert isinstance(statsz, dict)
    assert set(statsz["jetstream"]) == {"config", "stats", "limits"}
    assert "store_dir" not in statsz["jetstream"]["config"]


def test_an_account_counts_its_clients_links_messages_and_subscriptions() -> None:
    world = SystemWorld()
    client = world.client()
    client.says(b"SUB a 1\r\nPUB a 2\r\nhi\r\n")
    world.tally.link("$G", 1)

    stat = world.statistics.stat("$G")

    assert (stat["conns"], stat["leafnodes"], stat["total_conns"]) == (1, 1, 2)
    assert stat["num_subscriptions"] == 1 + 4  # its own, and the services
    assert world.statistics.active() == ["$G"]


def test_an_account_that_is_gone_has_nothing_but_its_name() -> None:
    stat = SystemWorld().statistics.stat("GONE")

    assert (stat["acc"], stat["conns"], stat["num_subscriptions"]) == ("GONE", 0, 0)


def test_counters_without_trouble_leave_the_troubles_out() -> None:
    world = SystemWorld()
    calm = views(counters=ServerCounters)
    heartbeat = type(world.heartbeat)(world.envelope, calm, world.statistics)

    statsz = finish(heartbeat.message())["statsz"]

    assert isinstance(statsz, dict)
    assert not {"slow_consumer_stats", "stale_connections", "stale_connection_stats"} & set(statsz)

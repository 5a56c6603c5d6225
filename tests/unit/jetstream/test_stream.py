"""What a stream keeps: limits, ages, deletions. Measured on nats-server 2.15.1."""

from __future__ import annotations

from tests.unit.jetstream.world import World

S = 1_000_000_000
DAY = 86_400 * S


def fill(world: World, count: int, subject: str = "s.a") -> None:
    for _ in range(count):
        world.publish(subject, b"x")


def test_the_oldest_messages_go_at_max_msgs() -> None:
    world = World()
    world.create_stream(max_msgs=3)

    fill(world, 5)

    assert (world.state()["messages"], world.state()["first_seq"]) == (3, 3)


def test_the_oldest_messages_go_at_max_bytes() -> None:
    world = World()
    world.create_stream(max_bytes=100)

    fill(world, 5)

    assert (world.state()["messages"], world.state()["bytes"]) == (2, 68)


def test_the_oldest_of_a_subject_goes_at_max_msgs_per_subject() -> None:
    world = World()
    world.create_stream(max_msgs_per_subject=2)
    fill(world, 1, "s.b")

    fill(world, 4)

    assert (world.state()["messages"], world.state()["num_deleted"]) == (3, 2)


def test_lower_limits_hold_at_once_after_an_update() -> None:
    world = World()
    world.create_stream()
    fill(world, 10)

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 5})

    assert (world.state()["messages"], world.state()["first_seq"]) == (5, 6)


def test_messages_expire_at_max_age_and_leave_the_last_time() -> None:
    world = World()
    world.create_stream(max_age=S)
    fill(world, 2)
    last_ts = world.state()["last_ts"]

    world.clock.advance(S + S // 2)

    state = world.state()
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (0, 3, 2)
    assert (state["first_ts"], state["last_ts"]) == ("0001-01-01T00:00:00Z", last_ts)


def test_a_message_stays_until_it_is_old_enough() -> None:
    world = World()
    world.create_stream(max_age=2 * S)
    fill(world, 1)
    world.clock.advance(S)
    fill(world, 1)

    world.clock.advance(S + S // 2)

    assert (world.state()["messages"], world.state()["first_seq"]) == (1, 2)


def test_a_clock_that_jumps_by_more_than_a_day_expires_nothing_for_an_hour() -> None:
    world = World()
    world.create_stream(max_age=60 * S)
    fill(world, 1)
    world.clock.advance(S)

    world.clock.jump_wall(30 * DAY)
    world.clock.advance(3500 * S)
    assert world.state()["messages"] == 1
    world.clock.advance(200 * S)

    assert world.state()["messages"] == 0


def test_an_old_message_is_gone_after_a_restart() -> None:
    world = World()
    world.create_stream(max_age=S)
    fill(world, 1)
    world.clock._timers.clear()  # the process dies before its timer
    world.clock.advance(5 * S)

    world.restart()

    assert world.state()["messages"] == 0


def test_a_stream_takes_only_its_subjects_after_an_update() -> None:
    world = World()
    world.create_stream(subjects=["s.a"])

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.b"]})

    assert world.publish("s.a", b"x") == 0
    assert world.publish("s.b", b"x") == 1


def test_deleting_messages_says_what_the_servers_stores_say() -> None:
    world = World()
    world.create_stream()
    fill(world, 3)
    delete = "STREAM.MSG.DELETE.S"

    assert world.api(delete, {"seq": 2})["success"] is True
    assert world.error(delete, {"seq": 2}) == (400, 10043, "sequence 2 not found")
    assert world.error(delete, {"seq": 99}) == (500, 10057, "stream store EOF")
    assert world.error(delete, {"seq": 0}) == (500, 10057, "no message found")


def test_a_memory_stream_words_a_missing_message_otherwise() -> None:
    world = World()
    world.create_stream(storage="memory")

    assert world.error("STREAM.MSG.DELETE.S", {"seq": 99})[1:] == (10043, "sequence 99 not found")


def test_denied_deletes_and_purges_are_refused() -> None:
    world = World()
    world.create_stream(deny_delete=True, deny_purge=True)
    fill(world, 1)

    assert world.error("STREAM.MSG.DELETE.S", {"seq": 1})[1] == 10057
    assert world.error("STREAM.PURGE.S") == (500, 10110, "stream purge not permitted")


def test_a_work_queue_lets_a_message_go_with_its_ack() -> None:
    world = World()
    world.create_stream(retention="workqueue")
    world.create_consumer()
    fill(world, 2)
    first = world.fetch(1)[0]

    world.publish(first.reply.decode(), b"+ACK")

    assert (world.state()["messages"], world.state()["first_seq"]) == (1, 2)


def test_a_terminated_message_leaves_a_work_queue_and_an_exhausted_one_stays() -> None:
    world = World()
    world.create_stream(retention="workqueue")
    world.create_consumer(max_deliver=1, ack_wait=S)
    fill(world, 2)
    first, _ = world.fetch({"batch": 2, "expires": S})

    world.publish(first.reply.decode(), b"+TERM")
    world.clock.advance(2 * S)
    world.fetch({"batch": 1, "no_wait": True})

    assert world.state()["messages"] == 1
    assert world.info()["num_ack_pending"] == 0

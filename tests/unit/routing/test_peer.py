"""leafnode.routing.peer: bytes gather, and the outbox knows who has some."""

from leafnode.limits import CODED_TURN_BYTES, TURN_WORK
from leafnode.routing.peer import Kind, Outbox, Peer


def test_send_gathers_bytes_and_counts_them() -> None:
    peer = Peer(1, Kind.CLIENT, Outbox(lambda: None))

    peer.send(b"PONG\r\n")
    peer.send(b"+OK\r\n")

    assert peer.pending_bytes == 11
    assert peer.take() == [b"PONG\r\n", b"+OK\r\n"]
    assert peer.pending_bytes == 0


def test_the_first_dirty_peer_wakes_the_outbox_once() -> None:
    woken: list[int] = []
    box = Outbox(lambda: woken.append(1))

    Peer(1, Kind.CLIENT, box).send(b"a")
    Peer(2, Kind.CLIENT, box).send(b"b")

    assert woken == [1]
    assert len(box.dirty) == 2


def test_a_read_begins_with_a_turns_work_writes_what_others_left_and_wakes_nobody() -> None:
    woken: list[int] = []
    box = Outbox(lambda: woken.append(1))
    other = Peer(1, Kind.CLIENT, box)
    written: list[bytes] = []
    other.flush = lambda: written.extend(other.take())
    other.send(b"before")
    box.work_left, box.coding_left, box.stalled = 0, 0, True

    box.begin_read()
    Peer(2, Kind.CLIENT, box).send(b"a")

    assert (written, woken) == ([b"before"], [1])
    assert not box.take_stalled()
    assert (box.work_left, box.coding_left) == (TURN_WORK, CODED_TURN_BYTES)


def test_a_flush_that_left_somebody_behind_is_told_of_once() -> None:
    box = Outbox(lambda: None)
    box.stalled = True

    assert [box.take_stalled(), box.take_stalled()] == [True, False]


def test_flush_lets_each_dirty_peer_write_also_those_made_dirty_by_it() -> None:
    box = Outbox(lambda: None)
    first, second = Peer(1, Kind.CLIENT, box), Peer(2, Kind.CLIENT, box)
    written: list[tuple[int, list[bytes]]] = []

    def flush_first() -> None:
        written.append((1, first.take()))
        if len(written) == 1:
            second.send(b"b")

    first.flush = flush_first
    second.flush = lambda: written.append((2, second.take()))
    first.send(b"a")

    box.flush()

    assert written == [(1, [b"a"]), (2, [b"b"])]
    assert not box.scheduled


def test_a_peer_that_got_messages_was_active_in_this_turn_and_others_were_not() -> None:
    box = Outbox(lambda: None)
    told, pinged = Peer(1, Kind.CLIENT, box), Peer(2, Kind.CLIENT, box)
    box.now = (5, 1_005)
    for peer in (told, pinged):
        peer.send(b"x")
    told.traffic.out_msgs += 1

    box.flush()
    box.now = (6, 1_006)
    told.send(b"PONG\r\n")
    box.flush()

    assert (told.active, pinged.active) == ((5, 1_005), (0, 0))


def test_a_peer_without_a_connection_keeps_nothing() -> None:
    box = Outbox(lambda: None)
    peer = Peer(1, Kind.SYSTEM, box)
    peer.send(b"a")

    box.flush()

    assert peer.pending_bytes == 0


def test_a_peer_whose_flush_fails_does_not_keep_the_others_bytes_back() -> None:
    told: list[Peer] = []
    box = Outbox(lambda: None, lambda peer, _: told.append(peer))
    bad, good = Peer(1, Kind.CLIENT, box), Peer(2, Kind.CLIENT, box)
    written: list[bytes] = []

    def fail() -> None:
        raise ValueError("no")

    bad.flush = fail
    good.flush = lambda: written.extend(good.take())
    bad.send(b"a")
    good.send(b"b")

    box.flush()

    assert written == [b"b"]
    assert told == [bad]
    assert bad.closing
    assert not box.scheduled

"""The node program on a board made of paper: time moves when told, the line is two byte strings.

Runs on CPython and MicroPython.
"""

from node.node import Node

from leafnode.link import const
from leafnode.link.gateway import GatewaySession
from tests.unit.link.wire import frames_in, raises, seqs


class PaperHal:
    """Implements the HAL. `line_bytes_max` is what the line takes per write."""

    def __init__(self):
        self.now_ms = 1000
        self.boots = 0
        self.incoming = b""
        self.outgoing = b""
        self.line_bytes_max = 10000
        self.waited_ms = 0
        self.closed = False

    def ticks_ms(self):
        return self.now_ms

    def boot_id(self):
        self.boots += 1
        return self.boots

    def read(self):
        data = self.incoming
        self.incoming = b""
        return data

    def write(self, data):
        taken = bytes(data[: self.line_bytes_max])
        self.outgoing += taken
        return len(taken)

    def wait(self, timeout_ms):
        self.now_ms += max(1, timeout_ms)


def new_node(hal, interval_ms=100, count=0, **options):
    return Node(hal, [("t", lambda: 21.5)], "dev-1", interval_ms, count, **options)


def serve(hal, gateway, events):
    """Let the gateway answer what the node has written, committing at once."""
    data = hal.outgoing
    hal.outgoing = b""
    for event in gateway.receive(data, hal.now_ms):
        events.append(event)
        if hasattr(event, "payload"):
            gateway.committed(event.seq, event.boot_id)
    while True:
        data = gateway.data_to_send(hal.now_ms)
        if not data:
            return
        hal.incoming += data


def run(node, hal, gateway, until_ms):
    events = []
    while hal.now_ms < until_ms and not node.done:
        hal.wait(node.poll())
        serve(hal, gateway, events)
    return events


def payloads(events):
    return [event.payload for event in events if hasattr(event, "payload")]


def test_readings_are_json_with_the_nodes_own_counter():
    hal = PaperHal()
    node = new_node(hal, count=3)

    events = run(node, hal, GatewaySession(), 20000)

    assert payloads(events) == [
        b'{"n":1,"v":21.5}',
        b'{"n":2,"v":21.5}',
        b'{"n":3,"v":21.5}',
    ]
    assert seqs(events) == [1, 2, 3]
    assert node.done


def test_a_value_that_json_does_not_have_becomes_null():
    hal = PaperHal()
    values = [float("nan"), float("inf"), -float("inf"), 7]
    node = Node(hal, [("t", lambda: values.pop(0))], "dev-1", 100, 4)

    events = run(node, hal, GatewaySession(), 20000)

    assert [payload.split(b":")[2] for payload in payloads(events)] == [
        b"null}",
        b"null}",
        b"null}",
        b"7}",
    ]


def test_all_sensors_are_read_each_interval_under_their_own_subjects():
    hal = PaperHal()
    sensors = [("a", lambda: 1), ("b.c", lambda: 2)]
    node = Node(hal, sensors, "dev-1", 100, 4)

    events = run(node, hal, GatewaySession(), 20000)

    subjects = [event.subject for event in events if hasattr(event, "payload")]
    assert subjects == ["a", "b.c", "a", "b.c"]


def test_measuring_goes_on_at_its_rate_while_the_line_takes_nothing():
    hal = PaperHal()
    hal.line_bytes_max = 0
    node = new_node(hal, ring_messages=1000, ring_bytes=30000)

    while hal.now_ms < 1000 + 50 * 100:
        hal.wait(node.poll())

    assert node.n == 50
    assert node.late == 0
    assert node.session.unacked == 50


def test_a_long_outage_keeps_the_newest_readings_and_counts_the_rest():
    hal = PaperHal()
    node = new_node(hal, count=30, ring_messages=10)
    while node.n < 30:
        hal.wait(node.poll())
    hal.outgoing = b""
    assert node.session.counters.dropped == 20

    events = run(node, hal, GatewaySession(), hal.now_ms + 20000)

    numbers = [int(payload[5:7]) for payload in payloads(events)]
    assert numbers == list(range(21, 31))


def test_the_ring_bound_holds_at_max_and_one_past_it():
    hal = PaperHal()
    node = new_node(hal, ring_messages=10)
    while node.n < 10:
        hal.wait(node.poll())
    assert node.session.counters.dropped == 0

    while node.n < 11:
        hal.wait(node.poll())

    assert node.session.counters.dropped == 1
    assert node.session.unacked == 10


def test_a_line_that_takes_one_byte_at_a_time_gets_every_frame_whole():
    hal = PaperHal()
    hal.line_bytes_max = 1
    node = new_node(hal, count=2)

    events = run(node, hal, GatewaySession(), 60000)

    assert len(payloads(events)) == 2
    assert node.session.counters.bad_frames == 0


def test_a_sensor_that_fails_is_logged_and_the_others_go_on():
    def broken():
        raise OSError(5)

    hal = PaperHal()
    node = Node(hal, [("bad", broken), ("good", lambda: 1)], "dev-1", 100, 2)

    events = run(node, hal, GatewaySession(), 20000)

    assert [event.subject for event in events if hasattr(event, "payload")] == ["good", "good"]
    assert node.sensor_errors >= 2
    levels = [event.level for event in events if hasattr(event, "level")]
    assert 3 in levels


def test_a_node_that_was_held_up_measures_once_and_says_so():
    hal = PaperHal()
    node = new_node(hal)
    node.poll()
    assert node.n == 1

    hal.now_ms += 1000
    node.poll()

    assert (node.n, node.late) == (2, 1)


def test_poll_says_when_it_wants_to_be_called_again():
    hal = PaperHal()
    node = new_node(hal, interval_ms=20)

    assert node.poll() == 20
    hal.now_ms += 15
    assert node.poll() == 5


def test_the_time_of_a_full_line_is_not_spun_away():
    hal = PaperHal()
    hal.line_bytes_max = 0
    node = new_node(hal, interval_ms=1000)

    assert node.poll() == 5


def test_run_ends_when_the_line_is_closed():
    hal = PaperHal()
    node = new_node(hal)
    hal.closed = True

    node.run()

    assert node.n == 0


def test_run_ends_with_the_last_ack_and_waits_for_nothing_more():
    hal = PaperHal()
    node = new_node(hal, count=1)
    gateway = GatewaySession()
    events = []

    def wait(timeout_ms):
        hal.now_ms += max(1, timeout_ms)
        serve(hal, gateway, events)

    hal.wait = wait
    node.run()

    assert node.done
    assert len(payloads(events)) == 1
    assert hal.now_ms < 1000 + 500


def test_the_boot_is_told_in_the_gateways_log():
    hal = PaperHal()
    node = new_node(hal, count=1)

    events = run(node, hal, GatewaySession(), 20000)

    assert "boot 1" in [event.text for event in events if hasattr(event, "text")]


def test_sequences_that_run_out_go_on_under_a_new_boot_id():
    hal = PaperHal()
    node = new_node(hal)
    session = node.session
    session._floor = session._sent_seq = session._last_seq = const.SEQ_RENEW
    session._next_seq = const.SEQ_RENEW + 1
    hal.now_ms -= 1  # nothing to measure yet

    node.poll()

    assert (session.boot_id, hal.boots) == (2, 2)
    assert frames_in(hal.outgoing)[0][:2] == (const.HELLO, 2)


def test_a_name_that_is_no_token_is_refused_at_start():
    from link.errors import InvalidName

    raises(InvalidName, Node, PaperHal(), [], "a.b")

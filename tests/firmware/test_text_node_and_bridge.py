"""The node that speaks text against the bridge's framing of it, over a wire that loses and damages.

The bridge's side is the real one; the stream is a dictionary that holds each id once.
"""

import pytest
from node.text import TextNode

from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.reading import DeviceHello, DeviceLog, Reading, Receipt
from tests.firmware.test_node import PaperHal
from tests.unit.link.lossy import Dice, worn

UNTIL_MS = 400_000


class Store:
    def __init__(self, framing):
        self.readings = {}
        self.logs = []
        self.framing = framing

    def take(self):
        while (event := self.framing.next_event()) is not None:
            if isinstance(event, Reading):
                self.readings.setdefault(event.msg_id, (event.name, event.payload))
                if event.receipt is not None:
                    self.framing.committed(event.receipt)
            elif isinstance(event, DeviceLog):
                self.logs.append(event.text)


def new_framing(max_frame_bytes=1024, gathers=False):
    return TextLinkFraming(
        name="port",
        msg_id_prefix=b"port.1",
        max_frame_bytes=max_frame_bytes,
        gathers=gathers,
    )


def run(node, hal, store, carry=lambda data: data, restart_at=()):
    restarts = list(restart_at)
    while not node.done and hal.now_ms < UNTIL_MS:
        if restarts and len(store.readings) >= restarts[0]:
            restarts.pop(0)
            store.framing = new_framing()  # what a crash of the gateway leaves is the store
        hal.wait(node.poll())
        data, hal.outgoing = hal.outgoing, b""
        store.framing.receive(carry(data), hal.now_ms)
        store.take()
        while answer := store.framing.data_to_send(hal.now_ms):
            hal.incoming += carry(answer)


def test_readings_have_the_ids_subjects_and_payloads_of_the_dialect():
    hal = PaperHal()
    store = Store(new_framing())
    node = TextNode(hal, [("temp", lambda: 21.5)], "uno", 100, 3)

    run(node, hal, store)

    assert store.readings == {
        b"uno.1.%d" % number: (b"temp", b'{"v":21.5}') for number in (1, 2, 3)
    }


@pytest.mark.parametrize("seed", range(10))
def test_a_lossy_wire_and_restarts_of_the_gateway_lose_and_double_nothing(seed):
    dice = Dice(seed + 1)
    hal = PaperHal()
    store = Store(new_framing())
    node = TextNode(hal, [("temp", lambda: 21.5)], "uno", 100, 40, keep=64)

    run(node, hal, store, lambda data: worn(dice, data), restart_at=(10, 25))

    assert node.done
    assert list(store.readings) == [b"uno.1.%d" % number for number in range(1, 41)]


def test_an_error_of_a_sensor_is_a_line_for_the_log():
    def broken():
        raise OSError("no answer")

    hal = PaperHal()
    store = Store(new_framing())
    node = TextNode(hal, [("bad", broken), ("t", lambda: 1)], "uno", 100, 2)

    run(node, hal, store)

    assert "bad: no answer" in store.logs


def test_a_line_that_the_port_takes_for_too_long_stops_no_reading_behind_it():
    hal = PaperHal()
    store = Store(new_framing(32))
    node = TextNode(hal, [("s" * 30, lambda: 1), ("t", lambda: 2)], "uno", 100, 4)
    receive = store.framing.receive

    def in_pieces(data, now_ms):
        for at in range(0, len(data), 8):
            receive(data[at : at + 8], now_ms)
            store.take()

    store.framing.receive = in_pieces

    run(node, hal, store)

    assert node.done
    assert [payload for _, payload in store.readings.values()] == [b"", b'{"v":2}'] * 2


class Gathering(Store):
    """Stores what came within five seconds at their end; a restart loses what was not stored."""

    EVERY_MS = 5000

    def __init__(self, hal):
        super().__init__(new_framing(gathers=True))
        self.hal = hal
        self.window = {}
        self.ends_ms = self.EVERY_MS
        self.receipt = None
        self.doubled = 0

    def restart(self):
        self.framing = new_framing(gathers=True)
        self.window, self.receipt = {}, None

    def take(self):
        while (event := self.framing.next_event()) is not None:
            if isinstance(event, DeviceHello) and self.readings:
                device, boot, seq = list(self.readings)[-1].split(b".")
                receipt = Receipt((device, int(boot)), int(seq))
                self.framing.committed(receipt)  # as bridge/resume does
            if isinstance(event, Reading):
                self.doubled += event.msg_id in self.window or event.msg_id in self.readings
                self.window[event.msg_id] = event.payload
                self.receipt = event.receipt
        if self.hal.now_ms >= self.ends_ms:
            self.ends_ms += self.EVERY_MS
            self.readings.update(self.window)
            self.window = {}
            if self.receipt is not None:
                self.framing.committed(self.receipt)


def play(node, hal, store, carry, restart_at_ms=()):
    restarts = list(restart_at_ms)
    while not node.done and hal.now_ms < UNTIL_MS:
        if restarts and hal.now_ms >= restarts[0]:
            restarts.pop(0)
            store.restart()
        hal.wait(node.poll())
        data, hal.outgoing = hal.outgoing, b""
        store.framing.receive(carry(data), hal.now_ms)
        store.take()
        while answer := store.framing.data_to_send(hal.now_ms):
            hal.incoming += carry(answer)


def test_where_readings_are_gathered_a_small_memory_holds_up_nothing():
    hal = PaperHal()
    store = Gathering(hal)
    node = TextNode(hal, [("temp", lambda: 21.5)], "uno", 100, 100, keep=4)

    play(node, hal, store, lambda data: data)

    assert node.done
    assert (node.dropped, store.doubled) == (0, 0)
    assert list(store.readings) == [b"uno.1.%d" % number for number in range(1, 101)]
    assert hal.now_ms < 20_000  # ten seconds of measuring, and the end of the last window


@pytest.mark.parametrize("seed", range(10))
def test_what_is_gathered_when_the_gateway_restarts_is_said_again(seed):
    dice = Dice(seed + 1)
    hal = PaperHal()
    store = Gathering(hal)
    node = TextNode(hal, [("temp", lambda: 21.5)], "uno", 200, 60, keep=64)

    play(node, hal, store, lambda data: worn(dice, data), restart_at_ms=(3_000, 9_000, 21_000))

    assert node.done
    assert (node.dropped, store.doubled) == (0, 0)
    assert list(store.readings) == [b"uno.1.%d" % number for number in range(1, 61)]


def test_a_gateway_that_goes_when_all_is_said_and_not_stored_is_noticed():
    hal = PaperHal()
    store = Gathering(hal)
    node = TextNode(hal, [("temp", lambda: 21.5)], "uno", 100, 10, keep=16)

    play(node, hal, store, lambda data: data, restart_at_ms=(2_000,))

    assert node.done
    assert list(store.readings) == [b"uno.1.%d" % number for number in range(1, 11)]

"""The node that speaks text, against a gateway of paper that does what docs/device-link.md says.

Runs on CPython and MicroPython.
"""

from node.text import TextNode, sealed, unsealed

from tests.firmware.test_node import PaperHal
from tests.unit.link.lossy import Dice, worn
from tests.unit.link.wire import raises


class TextGateway:
    """Stores points once by their number; `forget` is what a restart leaves of it."""

    def __init__(self):
        self.stored = []  # (number, subject, value as text)
        self.logs = []
        self.hellos = []
        self.acks = True
        self._known = False
        self._last = 0
        self._line = b""

    def forget(self):
        self._known = False

    def receive(self, data):
        """Return the answers to what a board said."""
        answers = b""
        self._line += data
        while b"\n" in self._line:
            at = self._line.find(b"\n")
            line, self._line = self._line[:at], self._line[at + 1 :]
            answers += self._on_line(unsealed(bytearray(line)))
        return answers

    def _on_line(self, text):
        if text[:6] == "hello ":
            self.hellos.append(text)
            self._known = True
            return sealed("ok hello")
        if text[:10] == "log error ":
            self.logs.append(text[10:])
            return b""
        if text[:1] != "#":
            return b""
        if not self._known:
            return sealed("hello?")
        number, verb, subject, value = text[1:].split(" ")
        assert verb == "pt"
        if int(number) > self._last:
            self._last = int(number)
            self.stored.append((int(number), subject, value))
        return sealed("ok " + number) if self.acks else b""


def new_node(hal, count=0, **options):
    return TextNode(hal, [("t", lambda: 21.5)], "uno", 100, count, **options)


def run(node, hal, gateway, until_ms, carry=lambda data: data):
    while hal.now_ms < until_ms and not node.done:
        hal.wait(node.poll())
        data, hal.outgoing = hal.outgoing, b""
        hal.incoming += carry(gateway.receive(carry(data)))


def numbers(gateway):
    return [number for number, _, _ in gateway.stored]


def test_lines_are_those_of_the_specifications_example():
    # docs/device-link.md, "The text dialect"
    assert sealed("hello uno 77") == b"hello uno 77*16\n"
    assert sealed("#12 pt temp 21.5") == b"#12 pt temp 21.5*10\n"
    assert unsealed(bytearray(b"ok hello*46")) == "ok hello"
    assert unsealed(bytearray(b"ok 12*27")) == "ok 12"


def test_a_line_with_a_wrong_checksum_or_a_control_character_says_nothing():
    for line in (
        b"",
        b"*46",
        b"ok 12",
        b"ok 12*28",
        b"ok 12*2",
        b"ok\x0712*00",
        b"x" * 70 + b"*00",
    ):
        assert unsealed(bytearray(line)) == ""


def test_readings_are_points_with_numbers_and_end_when_all_are_acked():
    hal = PaperHal()
    gateway = TextGateway()
    node = new_node(hal, 5)

    run(node, hal, gateway, 20000)

    assert gateway.stored == [(n, "t", "21.5") for n in range(1, 6)]
    assert gateway.hellos == ["hello uno 1"]
    assert (node.done, node.acked, node.dropped) == (True, 5, 0)


def test_nothing_is_said_but_hello_before_the_gateway_answers():
    hal = PaperHal()
    node = new_node(hal)
    while hal.now_ms < 8000:
        hal.wait(node.poll())

    lines = hal.outgoing.split(b"\n")[:-1]
    assert set(lines) == {b"hello uno 1*" + sealed("hello uno 1")[-3:-1]}
    assert 3 <= len(lines) <= 5


def test_what_is_not_acked_is_said_again_and_stored_once():
    hal = PaperHal()
    gateway = TextGateway()
    gateway.acks = False
    node = new_node(hal, 3)
    run(node, hal, gateway, 5000)
    assert numbers(gateway) == [1]
    assert not node.done

    gateway.acks = True
    run(node, hal, gateway, 10000)

    assert node.done
    assert numbers(gateway) == [1, 2, 3]


def test_a_gateway_that_forgot_asks_and_is_told():
    hal = PaperHal()
    gateway = TextGateway()
    node = new_node(hal)
    run(node, hal, gateway, 3000)
    gateway.forget()

    run(node, hal, gateway, 6000)

    assert len(gateway.hellos) == 2
    assert numbers(gateway) == list(range(1, len(gateway.stored) + 1))


def test_a_node_that_measures_seldom_says_one_line_for_each_reading():
    hal = PaperHal()
    gateway = TextGateway()
    said = []
    node = TextNode(hal, [("t", lambda: 21.5)], "uno", 10000, 4)

    run(node, hal, gateway, 100000, lambda data: said.append(data) or data)

    assert numbers(gateway) == [1, 2, 3, 4]
    lines = [line for line in b"".join(said).split(b"\n") if b" pt " in line]
    assert [line.split(b" ")[0] for line in lines] == [b"#1", b"#2", b"#3", b"#4"]
    assert gateway.hellos == ["hello uno 1"]


def test_a_gateway_that_answers_nothing_is_told_who_it_is_though_the_oldest_give_way():
    hal = PaperHal()
    gateway = TextGateway()
    node = new_node(hal, keep=1)
    run(node, hal, gateway, 3000)
    gateway.acks = False

    run(node, hal, gateway, 9500)

    assert len(gateway.hellos) == 2


def test_one_line_is_on_its_way():
    # An ack speaks for all lines before it: a second line's would hide that the first got lost.
    hal = PaperHal()
    node = new_node(hal)
    hal.incoming = sealed("ok hello")
    while hal.now_ms < 1950:
        hal.wait(node.poll())

    said = [line for line in hal.outgoing.split(b"\n") if line[:1] == b"#"]
    assert [line.split(b" ")[0] for line in said] == [b"#1"]


def test_the_oldest_gives_way_and_is_counted():
    hal = PaperHal()
    node = new_node(hal, keep=3)
    while node.n < 10:
        hal.wait(node.poll())

    assert node.dropped == 7
    gateway = TextGateway()
    run(node, hal, gateway, hal.now_ms + 2500)
    # Numbers rise by one or more: what was given up has none at the gateway.
    assert numbers(gateway)[0] > 7
    raises(ValueError, new_node, hal, keep=0)
    raises(ValueError, new_node, hal, keep=65)


def test_an_ack_of_what_was_not_said_takes_nothing_away():
    hal = PaperHal()
    node = new_node(hal, keep=16)
    hal.incoming = sealed("ok hello")
    while node.n < 10:
        hal.wait(node.poll())

    for line in ("ok 9999", "ok x", "ok ", "ok -1", "ok 99999999999"):
        hal.incoming += sealed(line)
    hal.wait(node.poll())

    assert node.acked == 0
    assert len(node._kept) == node.n


def test_a_lossy_wire_loses_and_doubles_nothing():
    for seed in range(20):
        hal = PaperHal()
        gateway = TextGateway()
        node = new_node(hal, 40, keep=64)
        dice = Dice(seed + 1)

        run(node, hal, gateway, 200000, lambda data, dice=dice: worn(dice, data))

        assert node.done, seed
        assert numbers(gateway) == list(range(1, 41)), seed


def test_an_error_of_a_sensor_is_logged_without_control_characters():
    def broken():
        raise OSError("no\nway")

    hal = PaperHal()
    gateway = TextGateway()
    node = TextNode(hal, [("bad", broken), ("t", lambda: 1)], "uno", 100, 3)

    run(node, hal, gateway, 20000)

    assert "bad: no?way" in gateway.logs
    assert node.sensor_errors >= 3


def test_what_is_no_number_is_not_said():
    hal = PaperHal()
    gateway = TextGateway()
    values = [float("nan"), float("inf"), 1.5]
    node = TextNode(hal, [("t", lambda: values.pop(0))], "uno", 100, 3)

    run(node, hal, gateway, 20000)

    assert gateway.stored == [(1, "t", "1.5")]


def test_a_line_that_takes_one_byte_at_a_time_gets_every_line_whole():
    hal = PaperHal()
    hal.line_bytes_max = 1
    gateway = TextGateway()
    node = new_node(hal, 3)

    run(node, hal, gateway, 60000)

    assert numbers(gateway) == [1, 2, 3]


def test_noise_of_any_length_between_lines_costs_no_memory_and_no_reading():
    hal = PaperHal()
    gateway = TextGateway()
    node = new_node(hal, 3)
    hal.incoming = b"x" * 500 + b"\n"
    node.poll()
    assert len(node._line) == 0
    hal.incoming = b"y" * 500
    node.poll()
    assert len(node._line) <= 65

    hal.incoming = b"\n"
    run(node, hal, gateway, 20000)

    assert numbers(gateway) == [1, 2, 3]

"""firmware/ under the real MicroPython, as a process on a terminal or a pipe, against a
GatewaySession.

Real time, so every wait is for an event and has a bound.
"""

import os
import pty
import re
import select
import subprocess
import tty
from pathlib import Path

import pytest

from tests.firmware.gateway_on_a_pty import Gateway
from tests.firmware.interpreter import DEVICE_PATHS, ROOT, environment, micropython

DEMO = ROOT / "firmware/examples/demo_node.py"
WAIT_S = 60


class NodeProcess:
    """A node on `fd`, or on two pipes."""

    def __init__(self, script, *arguments, stdin, stdout):
        self.process = subprocess.Popen(
            [micropython(), str(script), *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(*DEVICE_PATHS),
        )

    def has_ended(self):
        return self.process.poll() is not None

    def report(self):
        """Return the numbers that the node wrote at its end."""
        text = self.process.stderr.read()
        assert self.process.returncode == 0, text
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}


@pytest.fixture
def start():
    """Start nodes; whatever happens, none is left behind."""
    nodes = []

    def start_node(script, *arguments, stdin, stdout):
        node = NodeProcess(script, *arguments, stdin=stdin, stdout=stdout)
        nodes.append(node)
        return node

    yield start_node
    for node in nodes:
        node.process.kill()
        node.process.wait()
        node.process.stderr.close()


@pytest.fixture
def terminal():
    """Return (master, slave) of a raw pty; both are closed at the end."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, slave
    os.close(master)
    os.close(slave)


def readings(count):
    return [b'{"n":%d,"v":%.1f}' % (n, (200 + n % 100) / 10) for n in range(1, count + 1)]


def test_readings_of_a_node_arrive_and_it_ends_when_all_are_acked(start, terminal):
    master, slave = terminal
    node = start(DEMO, "n1", "10", "40", stdin=slave, stdout=slave)
    gateway = Gateway(master, master)

    assert gateway.serve(WAIT_S, node.has_ended)

    assert gateway.payloads() == readings(40)
    assert gateway.session.peer.device == "n1"
    report = node.report()
    assert (report["measured"], report["acked"], report["unacked"]) == (40, 40, 0)
    assert report["dropped"] == 0


def test_a_lossy_wire_and_gateway_restarts_lose_and_double_nothing(start, terminal):
    master, slave = terminal
    node = start(DEMO, "n1", "10", "150", stdin=slave, stdout=slave)
    gateway = Gateway(master, master, seed=7, faults_percent=3)
    for count in (20, 60, 100):
        assert gateway.serve(WAIT_S, lambda count=count: len(gateway.stored) >= count)
        gateway.restart()

    assert gateway.serve(WAIT_S, node.has_ended)

    assert gateway.payloads() == readings(150)
    assert [seq for _, seq in gateway.stored] == list(range(1, 151))
    assert node.report()["resent"] > 0


def test_a_node_measures_while_nobody_answers(start, terminal):
    master, slave = terminal
    node = start(DEMO, "n1", "10", "60", stdin=slave, stdout=slave)
    # Wait for its first word, then listen to nothing for longer than it measures.
    assert select.select([master], [], [], WAIT_S)[0]
    gateway = Gateway(master, master)
    select.select([], [], [], 0.8)
    start_count = len(gateway.stored)

    assert gateway.serve(WAIT_S, node.has_ended)

    assert start_count == 0
    assert gateway.payloads() == readings(60)
    # It had measured them all before: no more time than the wire needs has passed since.
    assert node.report()["dropped"] == 0


def test_a_terminal_that_hangs_up_and_comes_back_loses_nothing(start):
    master, slave = pty.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    node = start(DEMO, "n1", "10", "120", stdin=master, stdout=master)
    os.close(master)
    gateway = Gateway(slave, slave)
    try:
        assert gateway.serve(WAIT_S, lambda: len(gateway.stored) >= 20)
        os.close(slave)
        select.select([], [], [], 0.5)
        slave = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(slave)
        gateway.move_to(slave)
        gateway.restart()

        assert gateway.serve(WAIT_S, node.has_ended)
    finally:
        os.close(slave)

    assert gateway.payloads() == readings(120)


def test_what_a_program_prints_is_noise_between_frames(start, terminal, tmp_path: Path):
    script = tmp_path / "noisy.py"
    script.write_text(
        "from hal.posix import PosixHal\n"
        "from node.node import Node\n"
        "hal = PosixHal()\n"
        "node = Node(hal, [('t', lambda: 1)], 'noisy', 10, 30)\n"
        "while not node.done:\n"
        "    print('debug', node.n)\n"
        "    hal.wait(min(10, node.poll()))\n"
    )
    master, slave = terminal
    node = start(script, stdin=slave, stdout=slave)
    gateway = Gateway(master, master)

    assert gateway.serve(WAIT_S, node.has_ended)

    assert gateway.payloads() == [b'{"n":%d,"v":1}' % n for n in range(1, 31)]
    assert gateway.session.counters.noise_bytes > 100


def test_a_node_on_pipes_ends_when_the_other_end_is_closed(start):
    down_read, down_write = os.pipe()
    up_read, up_write = os.pipe()
    node = start(DEMO, "n1", "10", "0", stdin=down_read, stdout=up_write)
    os.close(down_read)
    os.close(up_write)
    gateway = Gateway(up_read, down_write)
    assert gateway.serve(WAIT_S, lambda: len(gateway.stored) >= 10)

    os.close(down_write)

    assert node.process.wait(WAIT_S) == 0
    os.close(up_read)
    assert gateway.payloads() == readings(len(gateway.stored))

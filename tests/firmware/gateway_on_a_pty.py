"""A gateway for tests that talk to a real node process: a GatewaySession on a file descriptor.

Knows select and real time. What it stores, it stores once per (boot_id, seq), and commits at once.
"""

import os
import select
import time

from leafnode.link.events import Hello, Log, Reading
from leafnode.link.gateway import GatewaySession
from tests.unit.link.lossy import Dice


class Gateway:
    """Serves one line. `faults_percent` of the chunks that come and go are lost or damaged.

    A frame comes in about ten chunks, because the node writes byte by byte.
    """

    def __init__(self, read_fd, write_fd, seed=1, faults_percent=0):
        self.session = GatewaySession()
        self.stored = {}  # (boot_id, seq) -> payload, in order of commit
        self.stamps = []  # of what is stored, in the same order; None: not stamped
        self.logs = []
        self.others = []  # what a board wants besides
        self.hellos = 0
        self.hung_up = False
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._dice = Dice(seed)
        self._faults_percent = faults_percent

    def restart(self):
        """What a SIGKILL leaves: the store."""
        self.session = GatewaySession()

    def move_to(self, fd):
        self._read_fd = self._write_fd = fd
        self.hung_up = False

    def serve(self, seconds, until=lambda: False):
        """Carry bytes until `until` or for `seconds`; return whether `until` came."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                return False
            self._turn()
        return True

    def payloads(self):
        return list(self.stored.values())

    def _turn(self):
        readable, _, _ = select.select([] if self.hung_up else [self._read_fd], [], [], 0.01)
        now_ms = time.monotonic_ns() // 1_000_000
        if readable:
            self._on_data(now_ms)
        while data := self.session.data_to_send(now_ms):
            if not self.hung_up:
                os.write(self._write_fd, self._on_the_wire(data))

    def _on_data(self, now_ms):
        try:
            data = os.read(self._read_fd, 4096)
        except OSError:
            data = b""
        if not data:
            self.hung_up = True
            return
        for event in self.session.receive(self._on_the_wire(data), now_ms):
            if isinstance(event, Reading):
                if (event.boot_id, event.seq) not in self.stored:
                    self.stamps.append(event.stamp_ms)
                self.stored.setdefault((event.boot_id, event.seq), event.payload)
                self.session.committed(event.seq, event.boot_id)
            elif isinstance(event, Hello):
                self.hellos += 1
            elif isinstance(event, Log):
                self.logs.append(event.text)
            else:
                self.others.append(event)

    def _on_the_wire(self, data):
        if not self._dice.hits(self._faults_percent, 100):
            return data
        if self._dice.hits(1, 3):
            return b""
        damaged = bytearray(data)
        damaged[self._dice.below(len(damaged))] ^= 1 << self._dice.below(8)
        return bytes(damaged)

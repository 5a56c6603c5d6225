"""A radio link between two network namespaces: packets are late, slow, lost, doubled or damaged.

Each namespace has a TUN device; one process copies packets from one to the other, each direction
with its own rate, queue, delay and losses. Linux, root, /dev/net/tun, iproute2.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Final

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001
_CLONE_NEWNET: Final = 0x40000000
_PACKET_MAX: Final = 65536
_READS_MAX: Final = 64  # of one device before the other has its turn
_IP_HEADER_BYTES: Final = 20  # only what is behind it is damaged: a checksum must find it
HUB_IP: Final = "10.231.78.1"
EDGE_IP: Final = "10.231.78.2"


@dataclass(frozen=True, slots=True)
class Lane:
    """One direction. Rates in bits a second (0: no limit), times in seconds, losses as parts of 1.

    `burst` is how likely a burst of losses begins, and `burst_end` how likely it ends, with each
    packet; within one, `burst_loss` of the packets are lost.
    """

    rate: int = 0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    burst: float = 0.0
    burst_end: float = 1.0
    burst_loss: float = 1.0
    doubled: float = 0.0
    damaged: float = 0.0
    queue_bytes: int = 65536
    down: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Both directions: `down` is from the hub to the edge."""

    down: Lane
    up: Lane


DOWN: Final = Lane(down=True)
PROFILES: Final = {
    "lan": Profile(*[Lane(rate=100_000_000, delay_s=0.0005, queue_bytes=524_288)] * 2),
    "lte-rural": Profile(
        Lane(2_000_000, 0.035, 0.020, 0.005, queue_bytes=131_072),
        Lane(512_000, 0.045, 0.030, 0.005, queue_bytes=98_304),
    ),
    "gsm": Profile(
        Lane(120_000, 0.3, 0.1, 0.015, queue_bytes=49_152),
        Lane(60_000, 0.3, 0.1, 0.015, queue_bytes=49_152),
    ),
    "satellite": Profile(
        Lane(1_000_000, 0.29, 0.01, 0.002, 0.0005, 0.2, queue_bytes=131_072),
        Lane(256_000, 0.3, 0.015, 0.003, 0.0005, 0.2, queue_bytes=98_304),
    ),
    "bad-wifi": Profile(
        *[Lane(5_000_000, 0.005, 0.02, 0.01, 0.01, 0.15, 0.7, 0.002, 0.002, 98_304)] * 2
    ),
    "thin": Profile(*[Lane(40_000, 0.15, 0.02, queue_bytes=49_152)] * 2),
    "thin-lossy": Profile(*[Lane(40_000, 0.15, 0.02, 0.01, queue_bytes=49_152)] * 2),
    "partition": Profile(DOWN, DOWN),
    "deaf-edge": Profile(DOWN, Lane()),
    "mute-edge": Profile(Lane(), DOWN),
}


@dataclass(slots=True)
class _Direction:
    """What one direction is at the moment."""

    out: int
    rng: random.Random
    lane: Lane = field(default_factory=Lane)
    free_s: float = 0.0  # when the line has sent what is queued
    last_s: float = 0.0  # when the last one arrives; none overtakes it
    in_burst: bool = False

    def take(self, packet: bytes, now_s: float) -> list[tuple[float, bytes]]:
        """Return when the packet arrives, and how: not at all, once or twice."""
        lane, chance = self.lane, self.rng.random
        if lane.down:
            return []
        self.in_burst = chance() >= lane.burst_end if self.in_burst else chance() < lane.burst
        if chance() < lane.loss or (self.in_burst and chance() < lane.burst_loss):
            return []
        sent_s = now_s
        if lane.rate:
            waiting = max(0.0, self.free_s - now_s) * lane.rate / 8
            if waiting + len(packet) > lane.queue_bytes:
                return []
            sent_s = self.free_s = max(now_s, self.free_s) + len(packet) * 8 / lane.rate
        jitter_s = self.rng.uniform(-lane.jitter_s, lane.jitter_s)
        self.last_s = max(self.last_s, sent_s + max(0.0, lane.delay_s + jitter_s))
        if chance() < lane.damaged and len(packet) > _IP_HEADER_BYTES:
            at = self.rng.randrange(_IP_HEADER_BYTES, len(packet))
            packet = (
                packet[:at] + bytes([packet[at] ^ 1 << self.rng.randrange(8)]) + packet[at + 1 :]
            )
        return [(self.last_s, packet)] * (2 if chance() < lane.doubled else 1)


def tun(namespace: str, device: str) -> int:
    """Open the TUN device of a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(namespace)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN_NO_PI))
    libc.setns(home, _CLONE_NEWNET)
    os.close(home)
    return fd


def enter(namespace: str) -> None:
    """Let the calling thread live in a namespace. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(there)


def carry(hub: str, edge: str, seed: int, orders: int) -> None:
    """Carry packets until `orders`, which names profiles line by line, ends."""
    at_hub, at_edge = tun(hub, "wan"), tun(edge, "wan")
    down = _Direction(at_edge, random.Random(seed))
    up = _Direction(at_hub, random.Random(seed + 1))
    poll = select.epoll()
    for fd in (at_hub, at_edge, orders):
        poll.register(fd, select.EPOLLIN)
    print("carrying", flush=True)
    late: list[tuple[float, int, _Direction, bytes]] = []
    count = 0
    while True:
        now_s = time.monotonic()
        while late and late[0][0] <= now_s:
            _, _, way, packet = heapq.heappop(late)
            if not way.lane.down:  # a cut loses what is in flight, too
                os.write(way.out, packet)
        for fd, _ in poll.poll(min(1.0, max(0.0, late[0][0] - now_s)) if late else 1.0):
            if fd == orders:
                words = os.read(orders, 4096).split()
                if not words:
                    return
                profile = PROFILES[words[-1].decode()]
                down.lane, up.lane = profile.down, profile.up
                continue
            way = down if fd == at_hub else up
            for _ in range(_READS_MAX):
                try:
                    packet = os.read(fd, _PACKET_MAX)
                except BlockingIOError:
                    break
                for when_s, copy in way.take(packet, time.monotonic()):
                    count += 1
                    heapq.heappush(late, (when_s, count, way, copy))


class Radio:
    """Two namespaces `<name>-hub` and `<name>-edge`, and the link between them."""

    def __init__(self, name: str, seed: int = 1) -> None:
        self.hub, self.edge = f"{name}-hub", f"{name}-edge"
        self._seed = seed
        self._carrier: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Radio:
        for namespace, here in ((self.hub, HUB_IP), (self.edge, EDGE_IP)):
            _ip("netns", "add", namespace)
            inside = ("-n", namespace)
            _ip(*inside, "link", "set", "lo", "up")
            _ip(*inside, "tuntap", "add", "dev", "wan", "mode", "tun")
            _ip(*inside, "link", "set", "wan", "mtu", "1400", "up")
            _ip(*inside, "addr", "add", f"{here}/30", "dev", "wan")
        self._carrier = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.radio", self.hub, self.edge, str(self._seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._carrier.stdout is not None
        assert self._carrier.stdout.readline() == b"carrying\n"
        return self

    def becomes(self, profile: str) -> None:
        """Change the running link."""
        assert self._carrier is not None
        assert self._carrier.stdin is not None
        self._carrier.stdin.write(profile.encode() + b"\n")
        self._carrier.stdin.flush()

    def __exit__(self, *_: object) -> None:
        if self._carrier is not None:
            assert self._carrier.stdin is not None
            self._carrier.stdin.close()
            self._carrier.wait(timeout=10)
        for namespace in (self.hub, self.edge):
            _ip("netns", "del", namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    carry(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdin.fileno())

"""leafnode against nats-server on the same machine, in interleaved rounds.

    make bench            (or: python -m tests.bench.bench_server --rounds 3 --seconds 1)

Prints a Markdown table: messages per second and the server's CPU per message, each as the median of
the rounds, and the ratios. Nothing here asserts a time: machines are noisy. nats-server runs twice,
with its default (which acknowledges before the disk has the message) and with `sync_interval:
always`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.hub.process import free_ports, nats_server_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]
CHUNK: Final = 64 * 1024
CONNECT: Final = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
START_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test."""

    name: str
    port: int
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds used so far by all its threads."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS")) / 1024


@dataclass(frozen=True, slots=True)
class Result:
    """One run: messages, seconds, the server's CPU seconds."""

    messages: int
    seconds: float
    cpu_s: float


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[list[Server]]:
    """All three servers, stopped at the end."""
    nats = nats_server_path()
    if nats is None:
        raise SystemExit("nats-server is not installed: make setup")
    python = [sys.executable, "-m", "leafnode"]
    kinds = [
        ("leafnode", python, 'jetstream { store_dir: "%s" }'),
        ("nats-server", [nats], 'jetstream { store_dir: "%s" }'),
        ("nats-server always", [nats], 'jetstream { store_dir: "%s", sync_interval: always }'),
    ]
    processes = []
    try:
        servers = []
        for (name, command, config), port in zip(kinds, free_ports(len(kinds)), strict=True):
            file = directory / f"{name}.conf"
            file.write_text(f"listen: 127.0.0.1:{port}\n{config % (directory / name)}\n")
            process = subprocess.Popen(
                [*command, "-c", str(file)], cwd=ROOT, stderr=subprocess.DEVNULL
            )
            processes.append(process)
            servers.append(Server(name, port, process.pid))
        for server in servers:
            connect(server.port, START_S).close()
        yield servers
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def connect(port: int, wait_s: float = 0.0) -> socket.socket:
    """Connect and say CONNECT; the answer to a PING proves that both are done."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    flush(sock, CONNECT)
    return sock


def flush(sock: socket.socket, data: bytes = b"") -> None:
    """Send, then wait until everything sent so far was handled."""
    sock.sendall(data + b"PING\r\n")
    tail = b""
    while not tail.endswith(b"PONG\r\n"):
        got = sock.recv(CHUNK)
        if not got:
            raise ConnectionError(tail[-200:])
        tail = (tail + got)[-64:]


# --- core


def publish(port: int, frames: bytes, count: int, started: multiprocessing.Barrier) -> None:
    """Send `frames` `count` times."""
    sock = connect(port)
    repeat = max(1, CHUNK // len(frames))
    chunk = frames * repeat
    started.wait()
    for _ in range(count // repeat):
        sock.sendall(chunk)
    flush(sock, frames * (count % repeat))


def subscribe(port: int, subs: bytes, size: int, started: multiprocessing.Barrier) -> None:
    """Read until `size` bytes of messages came."""
    sock = connect(port)
    flush(sock, subs)
    started.wait()
    while size > 0:
        got = sock.recv_into(memoryview(bytearray(4 * CHUNK)))
        if not got:
            raise ConnectionError("closed")
        size -= got


def core(server: Server, frames: bytes, messages: int, readers: list[tuple[bytes, int]]) -> Result:
    """One publisher; each reader is its SUB lines and the bytes it must get for one round."""
    per_round = frames.count(b"PUB ")
    rounds = max(1, messages // per_round)
    started = multiprocessing.Barrier(len(readers) + 2)
    jobs = [(publish, (server.port, frames, rounds, started))]
    jobs += [(subscribe, (server.port, subs, size * rounds, started)) for subs, size in readers]
    kids = [multiprocessing.Process(target=target, args=arguments) for target, arguments in jobs]
    for kid in kids:
        kid.start()
    started.wait()  # everybody is connected and has subscribed
    cpu, began = server.cpu_s(), time.monotonic()
    for kid in kids:
        kid.join()
        if kid.exitcode:
            raise SystemExit(f"a load process failed on {server.name}")
    return Result(rounds * per_round, time.monotonic() - began, server.cpu_s() - cpu)


def one_to(readers: int, size: int) -> Callable[[Server, float], Result]:
    def run(server: Server, seconds: float) -> Result:
        frame = b"PUB bench.a %d\r\n%b\r\n" % (size, b"x" * size)
        got = len(frame) - 4 + len(b"MSG 1 ")
        messages = int(seconds * 1_000_000 / (1 + readers / 2 + size / 300))
        return core(server, frame, messages, [(b"SUB bench.a 1\r\n", got)] * readers)

    return run


def mixed(server: Server, seconds: float) -> Result:
    frames, got = b"", 0
    for index in range(1000):
        size = 64 + index * 37 % 129
        frame = b"PUB mix.dev%d.temp %d\r\n%b\r\n" % (index * 5 % 8, size, b"x" * size)
        frames += frame
        got += len(frame) - 4 + len(b"MSG 1 ")
    return core(server, frames, int(seconds * 400_000), [(b"SUB mix.*.temp 1\r\n", got)])


def queue_group(server: Server, seconds: float) -> Result:
    """Four members on one connection."""
    size = 128
    frame = b"PUB bench.q %d\r\n%b\r\n" % (size, b"x" * size)
    subs = b"".join(b"SUB bench.q workers %d\r\n" % sid for sid in range(1, 5))
    return core(server, frame, int(seconds * 500_000), [(subs, len(frame) - 4 + len(b"MSG 1 "))])


def new_subjects(subscriptions: int) -> Callable[[Server, float], Result]:
    """100,000 subjects in random order, more than any cache holds; a fifth of the subscriptions has
    wildcards.
    """

    def run(server: Server, seconds: float) -> Result:
        literal = subscriptions * 4 // 5
        subs = [b"SUB new.%06d.temp %06d\r\n" % (index, index) for index in range(literal)]
        for index in range(literal, subscriptions):
            number = index - literal
            pattern = (b"new.%06d.*", b"old.*.%06d", b"low.%06d.>", b"new.*.w%06d")[index % 4]
            subs.append(b"SUB %b %06d\r\n" % (pattern % number, index))
        order = list(range(100_000))
        random.Random(1).shuffle(order)
        frames = b"".join(b"PUB new.%06d.temp 16\r\n%b\r\n" % (i, b"x" * 16) for i in order)
        wildcards = sum(line.startswith(b"SUB new.") and b".* " in line for line in subs)
        got = (literal + wildcards) * len(b"MSG new.000000.temp 000000 16\r\n%b\r\n" % (b"x" * 16))
        return core(server, frames, int(seconds * 200_000), [(b"".join(subs), got)])

    return run


# --- JetStream


def api(sock: socket.socket, subject: str, request: object) -> dict[str, object]:
    """Ask the JetStream API and return its answer."""
    body = json.dumps(request).encode()
    inbox = b"_INBOX.bench.api"
    sock.sendall(
        b"SUB %b 9\r\nPUB $JS.API.%b %b %d\r\n%b\r\nUNSUB 9 1\r\n"
        % (
            inbox,
            subject.encode(),
            inbox,
            len(body),
            body,
        )
    )
    data = b""
    while b"MSG " not in data or b"}\r\n" not in data:  # a PING may come behind it
        data += sock.recv(CHUNK)
    answer: dict[str, object] = json.loads(data[data.index(b"{") : data.rindex(b"}\r\n") + 1])
    return answer


def stream_publish(publishers: int, outstanding: int) -> Callable[[Server, float], Result]:
    """`publishers` connections, each with so many publishes waiting for their PubAck."""

    def run(server: Server, seconds: float) -> Result:
        admin = connect(server.port)
        api(admin, "STREAM.DELETE.BENCH", {})
        answer = api(admin, "STREAM.CREATE.BENCH", {"name": "BENCH", "subjects": ["js.>"]})
        if "error" in answer:
            raise SystemExit(str(answer["error"]))
        frame = b"PUB js.a _INBOX.%d.1 128\r\n" + b"x" * 128 + b"\r\n"
        acked = 0
        cpu, began = server.cpu_s(), time.monotonic()
        with selectors.DefaultSelector() as selector:
            for index in range(publishers):
                sock = connect(server.port)
                flush(sock, b"SUB _INBOX.%d.* 1\r\n" % index)
                selector.register(sock, selectors.EVENT_READ, index)
                sock.sendall((frame % index) * outstanding)
            while (now := time.monotonic()) < began + seconds:
                for key, _ in selector.select(0.1):
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    acks = sock.recv(4 * CHUNK).count(b'"seq":')
                    acked += acks
                    sock.sendall((frame % key.data) * acks)
            result = Result(acked, now - began, server.cpu_s() - cpu)
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
        admin.close()
        return result

    return run


SCENARIOS: Final[dict[str, Callable[[Server, float], Result]]] = {
    "core 1x0, 16 B": one_to(0, 16),
    "core 1x1, 16 B": one_to(1, 16),
    "core 1x10, 16 B": one_to(10, 16),
    "core 1x1, 128 B": one_to(1, 128),
    "core 1x1, 1 KiB": one_to(1, 1024),
    "core 1x1, 16 KiB": one_to(1, 16384),
    "core 1x1, mixed sizes and subjects": mixed,
    "core queue group of 4, 128 B": queue_group,
    "core 10,000 subscriptions, new subjects": new_subjects(10_000),
    "core 100,000 subscriptions, new subjects": new_subjects(100_000),
    "stream publish, 1 outstanding": stream_publish(1, 1),
    "stream publish, 10 publishers": stream_publish(10, 1),
    "stream publish, 1,024 outstanding": stream_publish(1, 1024),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="aimed length of one run")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="leafnode-bench-") as directory,
        serving(Path(directory)) as servers,
    ):
        print("idle RSS: " + ", ".join(f"{s.name} {s.rss_mib():.1f} MiB" for s in servers))
        print(f"cores: {os.cpu_count()}, rounds: {arguments.rounds}, medians\n")
        print(
            "| scenario | leafnode msg/s | nats-server | always | ÷ nats | ÷ always | CPU ÷ nats |"
        )
        print("|---|---|---|---|---|---|---|")
        for name, scenario in SCENARIOS.items():
            print(row(name, scenario, servers, arguments.rounds, arguments.seconds), flush=True)


def row(
    name: str,
    scenario: Callable[[Server, float], Result],
    servers: list[Server],
    rounds: int,
    seconds: float,
) -> str:
    """Run one scenario on all servers in turn, `rounds` times, and return its table row."""
    results: dict[str, list[Result]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            results[server.name].append(scenario(server, seconds))
    rates = [[r.messages / r.seconds for r in results[server.name]] for server in servers]
    costs = [[r.cpu_s / r.messages for r in results[server.name]] for server in servers]
    ours, default, always = rates
    by_default = statistics.median(a / b for a, b in zip(ours, default, strict=True))
    by_always = statistics.median(a / b for a, b in zip(ours, always, strict=True))
    cpu = statistics.median(a / b for a, b in zip(costs[0], costs[1], strict=True))
    shown = [f"{statistics.median(values):,.0f}" for values in rates]
    return f"| {name} | {' | '.join(shown)} | {by_default:.2f} | {by_always:.2f} | {cpu:.2f} |"


if __name__ == "__main__":
    main()

"""How long a bystander waits while one connection asks for a lot: its slowest PING, by case.

    python tests/bench/bench_fairness.py [--only WORD,WORD] -- COMMAND …

COMMAND is started with `-c FILE`; leafnode and nats-server take it. Each case is sent in one piece
and read to its end; the bystander, a process of its own, pings every 2 ms meanwhile. Truth:
nats-server 2.15.1 beside it on the same machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

with socket.create_server(("127.0.0.1", 0)) as free:
    ADDRESS = free.getsockname()
CONFIG = """
listen: 127.0.0.1:%d
max_payload: 1MB
accounts {
  A { users: [{user: a, password: a}], jetstream: enabled
      exports: [{service: svc}, {stream: "fan.>"}] }
  B { users: [{user: b, password: b}], imports: [{service: {account: A, subject: svc}},
      {stream: {account: A, subject: "fan.>"}}] }
}
jetstream { store_dir: "%s" }
"""
BYSTANDER_PAUSE_S = 0.002


class Client:
    """A connection that has logged in."""

    def __init__(self, user: str = "a") -> None:
        self.sock = socket.create_connection(ADDRESS, 10)
        self.tail = b""
        login = b'"user":"%b","pass":"%b"' % (user.encode(), user.encode())
        rest = b'"verbose":false,"pedantic":false,"headers":true,"no_responders":true'
        self.sock.sendall(b"CONNECT {%b,%b}\r\nPING\r\n" % (login, rest))
        self.read_to(b"PONG\r\n")

    def read_to(self, end: bytes) -> int:
        """Read until the stream shows `end`; return how many bytes that took."""
        size = 0
        while end not in self.tail:
            data = self.sock.recv(1 << 20)
            if not data:
                raise ConnectionError(self.tail[-200:])
            size += len(data)
            self.tail = self.tail[-64:] + data
        self.tail = self.tail[self.tail.index(end) + len(end) :]
        return size

    def does(self, data: bytes) -> None:
        """Send and wait until it is handled."""
        self.sock.sendall(data + b"PING\r\n")
        self.read_to(b"PONG\r\n")


def flood(client: Client, data: bytes) -> None:
    """Send all, reading what comes meanwhile, until the PONG behind it."""
    left = memoryview(data + b"PING\r\n")
    client.sock.setblocking(False)
    while b"PONG\r\n" not in client.tail:
        readable, writable, _ = select.select([client.sock], [client.sock] if left else [], [], 30)
        if readable:
            client.tail = client.tail[-16:] + client.sock.recv(1 << 20)
        if writable:
            left = left[client.sock.send(left[: 1 << 20]) :]


class Readers:
    """Connections that a child process reads, so that nothing waits for them."""

    def __init__(self, count: int, lines: bytes, user: str = "a") -> None:
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            poll = select.epoll()
            clients = {}
            for _ in range(count):
                client = Client(user)
                client.does(lines)
                clients[client.sock.fileno()] = client
                poll.register(client.sock.fileno(), select.EPOLLIN)
            os.write(told, b"x")
            while True:
                for fileno, _ in poll.poll():
                    if not clients[fileno].sock.recv(1 << 20):
                        os._exit(0)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)

    def end(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def subs(subject: bytes, count: int) -> bytes:
    return b"".join(b"SUB %b %d\r\n" % (subject, n) for n in range(count))


def fan_one() -> tuple[Readers | None, str, bytes]:
    return Readers(1, subs(b"fan.x", 2000)), "a", b"PUB fan.x 1\r\nx\r\n" * 1000


def fan_many() -> tuple[Readers | None, str, bytes]:
    return Readers(1000, subs(b"fan.x", 1)), "a", b"PUB fan.x 1\r\nx\r\n" * 1000


def fan_cold() -> tuple[Readers | None, str, bytes]:
    messages = b"".join(b"PUB fan.%d 1\r\nx\r\n" % n for n in range(1000))
    return Readers(1, subs(b"fan.*", 500)), "a", messages


def fan_large() -> tuple[Readers | None, str, bytes]:
    return Readers(500, subs(b"fan.x", 1)), "a", b"PUB fan.x 60000\r\n%b\r\n" % bytes(60000) * 5


def imports() -> tuple[Readers | None, str, bytes]:
    return Readers(1, subs(b"fan.x", 2000), "b"), "a", b"PUB fan.x 1\r\nx\r\n" * 1000


def services() -> tuple[Readers | None, str, bytes]:
    requests = b"".join(b"PUB svc _INBOX.%d 1\r\nx\r\n" % n for n in range(10_000))
    return Readers(1, subs(b"svc", 1)), "b", requests


def api() -> tuple[Readers | None, str, bytes]:
    return Readers(1, b"SUB r 1\r\n"), "a", b"PUB $JS.API.INFO r 0\r\n\r\n" * 2000


def pulls() -> tuple[Readers | None, str, bytes]:
    maker = Client()
    stream = b'{"name":"S","subjects":["s.>"],"storage":"memory"}'
    maker.does(b"PUB $JS.API.STREAM.CREATE.S %d\r\n%b\r\n" % (len(stream), stream))
    consumer = b'{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}'
    subject = b"$JS.API.CONSUMER.DURABLE.CREATE.S.C"
    maker.does(b"PUB %b %d\r\n%b\r\n" % (subject, len(consumer), consumer))
    time.sleep(0.5)
    asked = b'{"batch":10,"expires":5000000000}'
    pull = b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C r %d\r\n%b\r\n" % (len(asked), asked)
    return Readers(1, b"SUB r 1\r\n"), "a", pull * 2000


def subscriptions() -> tuple[Readers | None, str, bytes]:
    return None, "a", b"".join(b"SUB f.%d.*.> %d\r\n" % (n, n) for n in range(100_000))


def comings_and_goings() -> tuple[Readers | None, str, bytes]:
    pairs = b"".join(b"SUB f.%d %d\r\nUNSUB %d\r\n" % (n, n, n) for n in range(50_000))
    return None, "a", pairs


def deep() -> tuple[Readers | None, str, bytes]:
    wild = subs(b".".join([b"*"] * 64), 1000)
    return None, "a", wild + b"PUB %b 1\r\nx\r\n" % b".".join([b"x"] * 64) * 20


CASES: dict[str, Callable[[], tuple[Readers | None, str, bytes]]] = {
    "1,000 messages to 2,000 subscriptions of one connection": fan_one,
    "1,000 messages to 1,000 connections": fan_many,
    "1,000 subjects to 500 subscriptions": fan_cold,
    "5 messages of 60 kB to 500 connections": fan_large,
    "1,000 messages to 2,000 imported subscriptions": imports,
    "10,000 requests to another account's service": services,
    "2,000 requests to $JS.API.INFO": api,
    "2,000 pulls": pulls,
    "100,000 subscriptions": subscriptions,
    "50,000 SUB and UNSUB": comings_and_goings,
    "1,000 subscriptions of 64 wildcards, 20 messages": deep,
}


def measure(case: Callable[[], tuple[Readers | None, str, bytes]]) -> tuple[float, float]:
    """Return the bystander's slowest round trip and how long the case took, in seconds."""
    readers, user, data = case()
    client = Client(user)
    stop_read, stop = os.pipe()
    result, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        bystander = Client()
        worst = 0.0
        os.write(told, b"r")
        while not select.select([stop_read], [], [], BYSTANDER_PAUSE_S)[0]:
            began = time.monotonic()
            bystander.does(b"")
            worst = max(worst, time.monotonic() - began)
        os.write(told, b"%f" % worst)
        os._exit(0)
    os.read(result, 1)
    began = time.monotonic()
    flood(client, data)
    took = time.monotonic() - began
    client.sock.close()
    time.sleep(0.5)  # what the end of the connection costs others counts, too
    os.write(stop, b"x")
    worst = float(os.read(result, 100))
    os.waitpid(pid, 0)
    for end in (stop_read, stop, result, told):
        os.close(end)
    if readers is not None:
        readers.end()
    return worst, took


def await_server() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            Client().sock.close()
            return
        time.sleep(0.1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_args()
    command = [word for word in given.command if word != "--"]
    wanted = [word for word in given.only.split(",") if word]
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "server.conf"
        config.write_text(CONFIG % (ADDRESS[1], directory))
        server = subprocess.Popen(
            [*command, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await_server()
            for name, case in CASES.items():
                if not wanted or any(word in name for word in wanted):
                    worst, took = measure(case)
                    print(f"| {name} | {worst * 1e3:.1f} ms | {took:.2f} s |", flush=True)
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()

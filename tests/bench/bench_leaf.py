"""A leaf link of ours beside one of nats-server's, below the same kind of hub, in turn.

    python -m tests.bench.bench_leaf [--rounds 3] [--seconds 1] [--only drain]

Two hubs, both nats-server: below one the edge is leafnode, below the other nats-server. What a row
counts is what arrives at the other end of the link; CPU is the edge's, all its threads, a message.
`drain`: a stream of the edge fills while the link is away, then the hub sources it, and for
leafnode once more the edge's uplink publishes it; counted from the link being up to the last
message in the hub's stream. Links are packed as each server does by itself on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.bench.bench_server import (
    CHUNK,
    ROOT,
    START_S,
    Result,
    Server,
    api,
    connect,
    flush,
    publish,
    subscribe,
)
from tests.hub.process import free_ports, nats_server_path

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

PATIENCE_S: Final = 120.0
BACKLOG: Final = 50_000
WINDOW: Final = 64
KINDS: Final = ("leafnode", "nats-server")
UPLINK: Final = "uplink { streams [ { stream: EV, hub_stream: UP, domain: hub } ] }"
INBOX: Final = b"_INBOX.bench.r"


class Pair(NamedTuple):
    """An edge and its hub."""

    edge: Server
    hub: Server
    monitor: int  # the hub's HTTP port
    hub_process: subprocess.Popen[bytes]


@contextlib.contextmanager
def pair(directory: Path, kind: str, *, uplink: str = "") -> Iterator[Pair]:
    """A hub and an edge of this kind, linked."""
    nats = nats_server_path()
    if nats is None:
        raise SystemExit("nats-server is not installed: make setup")
    directory.mkdir()
    hub_port, edge_port, leaf_port, monitor = free_ports(4)
    store = f'jetstream {{ store_dir: "{directory}/%s", domain: %s }}'
    configs = {
        "hub": f"http: 127.0.0.1:{monitor}\nleafnodes {{ listen: 127.0.0.1:{leaf_port} }}",
        "edge": "leafnodes { reconnect: 200ms\n"
        f'remotes [ {{ url: "nats-leaf://127.0.0.1:{leaf_port}" }} ] }}\n{uplink}',
    }
    commands = {"hub": [nats], "edge": [nats]}
    if kind == "leafnode":
        commands["edge"] = [sys.executable, "-m", "leafnode"]
    processes = []
    try:
        for name, port in (("hub", hub_port), ("edge", edge_port)):
            file = directory / f"{name}.conf"
            lines = (f"server_name: {name}", f"listen: 127.0.0.1:{port}", store % (name, name))
            file.write_text("\n".join((*lines, configs[name], "")))
            command = [*commands[name], "-c", str(file)]
            processes.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))
            connect(port, START_S).close()
        hub, edge = (process.pid for process in processes)
        made = Pair(
            Server(kind, edge_port, edge), Server("hub", hub_port, hub), monitor, processes[0]
        )
        linked(made)
        yield made
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def linked(between: Pair, wanted: str = "") -> None:
    """Wait until the link is up, and the hub knows of this interest of the edge."""
    deadline = time.monotonic() + PATIENCE_S
    url = f"http://127.0.0.1:{between.monitor}/leafz?subs=1"
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            leafs = json.load(answer)["leafs"] or []
            if any(not wanted or wanted in leaf["subscriptions_list"] for leaf in leafs):
                return
        time.sleep(0.02)
    raise SystemExit(f"no link: {between.edge.name}")


# --- messages


def one_way(size: int, *, is_up: bool, readers: int = 1) -> Callable[[Pair, float], Result]:
    """From a client of one server to readers at the other."""

    def run(between: Pair, seconds: float) -> Result:
        source, target = between.edge, between.hub
        if not is_up:
            source, target = target, source
        frame = b"PUB bench.a %d\r\n%b\r\n" % (size, b"x" * size)
        messages = int(seconds * 400_000 / (1 + readers / 2 + size / 300))
        got = (len(frame) - len(b"PUB ") + len(b"MSG 1 ")) * messages
        started = multiprocessing.Barrier(readers + 1)
        reading = (target.port, b"SUB bench.a 1\r\n", got, started)
        kids = [multiprocessing.Process(target=subscribe, args=reading) for _ in range(readers)]
        for kid in kids:
            kid.start()
        started.wait()
        crossed(source, target)
        cpu, began = between.edge.cpu_s(), time.monotonic()
        alone = multiprocessing.Barrier(1)
        publisher = multiprocessing.Process(
            target=publish, args=(source.port, frame, messages, alone)
        )
        publisher.start()
        for kid in (*kids, publisher):
            kid.join()
            if kid.exitcode:
                raise SystemExit(f"a load process failed on {between.edge.name}")
        return Result(messages, time.monotonic() - began, between.edge.cpu_s() - cpu)

    return run


def crossed(source: Server, target: Server) -> None:
    """Wait until what was subscribed before at one server is known at the other."""
    far, near = connect(target.port), connect(source.port)
    flush(far, b"SUB bench.there 1\r\n")
    far.settimeout(0.1)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        flush(near, b"PUB bench.there 0\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            if far.recv(CHUNK):
                far.close()
                near.close()
                return
    raise SystemExit("interest did not cross the link")


def respond(port: int, requests: int, started: multiprocessing.Barrier) -> None:
    """Answer so many requests."""
    sock = connect(port)
    flush(sock, b"SUB bench.ask 1\r\n")
    started.wait()
    rest = b""
    while requests > 0:
        *lines, rest = (rest + sock.recv(CHUNK)).split(b"\r\n")
        replies = [line.split()[3] for line in lines if line.startswith(b"MSG ")]
        requests -= len(replies)
        sock.sendall(b"".join(b"PUB %b 2\r\nok\r\n" % reply for reply in replies))


def ask(between: Pair, seconds: float) -> Result:
    """Requests of a client at the edge to a service at the hub, `WINDOW` at a time."""
    requests = int(seconds * 20_000)
    started = multiprocessing.Barrier(2)
    service = multiprocessing.Process(target=respond, args=(between.hub.port, requests, started))
    service.start()
    started.wait()
    crossed(between.edge, between.hub)
    sock = connect(between.edge.port)
    flush(sock, b"SUB %b.* 1\r\n" % INBOX)
    frame = b"PUB bench.ask %b.1 16\r\n%b\r\n" % (INBOX, b"x" * 16)
    cpu, began = between.edge.cpu_s(), time.monotonic()
    asked, answered = min(WINDOW, requests), 0
    sock.sendall(frame * asked)
    while answered < requests:
        got = sock.recv(CHUNK).count(b"MSG ")
        answered += got
        more = min(got, requests - asked)
        asked += more
        sock.sendall(frame * more)
    result = Result(requests, time.monotonic() - began, between.edge.cpu_s() - cpu)
    service.join()
    sock.close()
    return result


# --- a backlog


def stored(sock: socket.socket, stream: str) -> int:
    state = api(sock, f"STREAM.INFO.{stream}", {}).get("state")
    assert isinstance(state, dict), "the stream is there"
    return int(state["messages"])


def fill(port: int, messages: int) -> None:
    """Publish to the edge's stream, 1,024 at a time."""
    sock = connect(port)
    flush(sock, b"SUB _INBOX.fill 1\r\n")
    frame = b"PUB ev.a _INBOX.fill 128\r\n" + b"x" * 128 + b"\r\n"
    sent = acked = 0
    while acked < messages:
        more = min(1024 - (sent - acked), messages - sent)
        sock.sendall(frame * more)
        sent += more
        acked += sock.recv(4 * CHUNK).count(b'"seq":')
    sock.close()


def drain(directory: Path, kind: str, messages: int, *, uplink: bool) -> Result:
    """Fill the edge while the hub stands still, let it go on, wait for the last message."""
    with pair(directory, kind, uplink=UPLINK if uplink else "") as between:
        edge, hub = connect(between.edge.port), connect(between.hub.port)
        api(edge, "STREAM.CREATE.EV", {"name": "EV", "subjects": ["ev.>"]})
        if uplink:
            name = "UP"
            api(hub, "STREAM.CREATE.UP", {"name": "UP", "subjects": ["edge.>"]})
        else:
            name = "AGG"
        between.hub_process.send_signal(signal.SIGSTOP)
        fill(between.edge.port, messages)
        before = between.edge.cpu_s()
        between.hub_process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        if not uplink:
            source = {"name": "EV", "external": {"api": "$JS.edge.API", "deliver": ""}}
            api(hub, "STREAM.CREATE.AGG", {"name": "AGG", "sources": [source]})
        while stored(hub, name) < messages:
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"{kind} did not drain")
            time.sleep(0.02)
        took_s, cpu = time.monotonic() - began, between.edge.cpu_s() - before
        edge.close()
        hub.close()
        return Result(messages, took_s, cpu)


SCENARIOS: Final[dict[str, Callable[[Pair, float], Result]]] = {
    "edge to hub, 16 B": one_way(16, is_up=True),
    "edge to hub, 128 B": one_way(128, is_up=True),
    "edge to hub, 1 KiB": one_way(1024, is_up=True),
    "edge to hub, 16 KiB": one_way(16_384, is_up=True),
    "hub to edge, 16 B": one_way(16, is_up=False),
    "hub to edge, 128 B": one_way(128, is_up=False),
    "hub to edge, 1 KiB": one_way(1024, is_up=False),
    "hub to 10 clients of the edge, 128 B": one_way(128, is_up=False, readers=10),
    "requests of the edge, 64 at a time": ask,
}


def shown(name: str, results: dict[str, list[Result]]) -> str:
    """Return a row of the table: medians, and the median of the rounds' ratios."""
    rates = {kind: [r.messages / r.seconds for r in found] for kind, found in results.items()}
    costs = {kind: [r.cpu_s * 1e6 / r.messages for r in found] for kind, found in results.items()}
    columns = [f"{statistics.median(rates[kind]):,.0f}" for kind in KINDS]
    columns += [f"{statistics.median(costs[kind]):.2f}" for kind in KINDS]
    for values in (rates, costs):
        ratios = [a / b for a, b in zip(values[KINDS[0]], values[KINDS[1]], strict=True)]
        columns.append(f"{statistics.median(ratios):.2f}")
    return f"| {name} | {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="aimed length of one run")
    parser.add_argument("--backlog", type=int, default=BACKLOG)
    parser.add_argument("--only", default="", help="rows that hold this word")
    arguments = parser.parse_args()
    print(f"cores: {os.cpu_count()}, load {os.getloadavg()[0]:.0f}, {arguments.rounds} rounds\n")
    print("| row | leafnode msg/s | nats-server | leafnode CPU µs | nats-server | rate ÷ | CPU ÷ |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="leafnode-bench-") as made:
        directory = Path(made)
        messages(directory, arguments)
        backlogs(directory, arguments)


def messages(directory: Path, arguments: argparse.Namespace) -> None:
    scenarios = {name: run for name, run in SCENARIOS.items() if arguments.only in name}
    if not scenarios:
        return
    with pair(directory / "ours", KINDS[0]) as ours, pair(directory / "theirs", KINDS[1]) as theirs:
        for name, run in scenarios.items():
            results: dict[str, list[Result]] = {kind: [] for kind in KINDS}
            for _ in range(arguments.rounds):
                for between in (ours, theirs):
                    results[between.edge.name].append(run(between, arguments.seconds))
            print(shown(name, results), flush=True)


def backlogs(directory: Path, arguments: argparse.Namespace) -> None:
    """The uplink is beside the hub that sources: nats-server has nothing like it."""
    for name, uplink in (("drain, sourced by the hub", False), ("drain, by the uplink", True)):
        if arguments.only not in name:
            continue
        results: dict[str, list[Result]] = {kind: [] for kind in KINDS}
        for number in range(arguments.rounds):
            for kind in KINDS:
                place = directory / f"{kind}-{uplink}-{number}"
                ours = uplink and kind == KINDS[0]
                results[kind].append(drain(place, kind, arguments.backlog, uplink=ours))
        print(shown(name, results), flush=True)


if __name__ == "__main__":
    main()

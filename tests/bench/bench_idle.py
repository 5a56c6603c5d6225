"""Memory of idle client connections: RSS of a server before and with N of them, per connection.

    python tests/bench/bench_idle.py [-n 1000] [--subs 0] [--tls CA_FILE] -- COMMAND …

COMMAND must listen for clients on 127.0.0.1:14222. Each connection sends the CONNECT of nats-py and
a PING, then stays silent. Truth: `RssAnon` of /proc/PID/status, 1 s after the last one.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

ADDRESS = ("127.0.0.1", 14222)
CONNECT = {
    "verbose": False,
    "pedantic": False,
    "lang": "python3",
    "version": "2.16.0",
    "protocol": 1,
    "headers": True,
    "no_responders": True,
    "echo": True,
}


def anonymous_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise ValueError("no RssAnon")


def connect(index: int, subs: int, context: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(ADDRESS, 10)
    if context is not None:
        while not sock.recv(4096).endswith(b"\r\n"):
            pass
        sock = context.wrap_socket(sock, server_hostname="localhost")
    hello = {**CONNECT, "name": f"idle-{index}"}
    lines = b"".join(b"SUB idle.%d.%d %d\r\n" % (index, n, n) for n in range(subs))
    sock.sendall(b"CONNECT " + json.dumps(hello).encode() + b"\r\n" + lines + b"PING\r\n")
    got = b""
    while b"PONG\r\n" not in got:
        got += sock.recv(4096)
    return sock


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-n", type=int, default=1000)
    options.add_argument("--subs", type=int, default=0)
    options.add_argument("--tls", metavar="CA_FILE", default="")
    options.add_argument("command", nargs=argparse.REMAINDER)
    given = options.parse_args()
    command = [word for word in given.command if word != "--"]
    context = ssl.create_default_context(cafile=given.tls) if given.tls else None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        warm = [connect(-1 - n, given.subs, context) for n in range(20)]
        before = anonymous_bytes(server.pid)
        socks = [connect(n, given.subs, context) for n in range(given.n)]
        time.sleep(1)
        after = anonymous_bytes(server.pid)
        each = (after - before) / given.n
        print(f"{given.n} connections, {given.subs} subscriptions each: {each:.0f} bytes each")
        for sock in socks + warm:
            sock.close()
    finally:
        server.terminate()
        sys.exit(server.wait(10) and 0)


if __name__ == "__main__":
    main()

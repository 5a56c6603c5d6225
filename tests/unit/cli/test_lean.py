"""leafnode.cli.lean: what a server without TLS does not load, and that the others still can."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def test_asyncio_is_imported_without_openssl() -> None:
    code = """
import sys
from leafnode.cli.lean import import_asyncio
import_asyncio()
print("asyncio" in sys.modules, sorted({"ssl", "_ssl", "_hashlib"} & set(sys.modules)))
"""
    assert run(code) == "True []"


def test_our_own_tls_works_afterwards() -> None:
    code = """
from leafnode.cli.lean import import_asyncio
import_asyncio()
import ssl
from leafnode.net.tls import TlsStream
stream = TlsStream(ssl.create_default_context(), lambda err: None, server_hostname="a.b")
print(stream.handshake(b""), len(stream.outgoing()) > 100)
"""
    assert run(code) == "False True"


def test_what_was_imported_before_stays_as_it_is() -> None:
    code = """
import asyncio.base_events, ssl
from leafnode.cli.lean import import_asyncio
import_asyncio()
import sys
print(asyncio.base_events.ssl is ssl is sys.modules["ssl"])
"""
    assert run(code) == "True"


def test_a_server_for_clients_loads_no_openssl() -> None:
    code = """
import sys
import leafnode.cli.main
from leafnode.cli.lean import import_asyncio
import_asyncio()
import leafnode.server.server
print(sorted({"ssl", "_ssl", "_hashlib", "hashlib"} & set(sys.modules)))
"""
    assert run(code) == "[]"


def test_a_server_without_serial_ports_loads_nothing_of_them() -> None:
    code = """
import sys
import leafnode.cli.main
import leafnode.server.server
from leafnode.config.bind import bind
from leafnode.config.parser import parse
bind(parse("port: 4222", "x.conf"))
print(sorted(name for name in sys.modules if "serial" in name or "bridge." in name))
"""
    assert run(code) == "[]"


def test_a_server_without_a_bus_loads_no_pymodbus() -> None:
    code = """
import sys
import leafnode.bridge.bridge
from leafnode.config.bind import bind
from leafnode.config.parser import parse
bind(parse("serial { ports [ { device: /d, name: n, subject: s } ] }", "x.conf"))
print("pymodbus" in sys.modules)
"""
    assert run(code) == "False"

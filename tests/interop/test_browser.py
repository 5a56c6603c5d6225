"""A real browser over WebSocket: headless Chromium opens a page and tells what happened to it."""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.hub.process import end_process, free_ports
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(BROWSER is None, reason="apt-get install chromium"),
]

PAGE = """<!doctype html><meta charset="utf-8"><script>
const seen = {};
const socket = new WebSocket("ws://127.0.0.1:%d");
socket.binaryType = "arraybuffer";
let text = "";
const payload = new TextEncoder().encode("é".repeat(50000));
function head() {
  seen.extensions = socket.extensions;
  socket.send('CONNECT {"verbose":false,"pedantic":false}\\r\\nSUB a 1\\r\\n');
  const line = new TextEncoder().encode("PUB a " + payload.length + "\\r\\n");
  const end = new TextEncoder().encode("\\r\\nPING\\r\\n");
  const all = new Uint8Array(line.length + payload.length + end.length);
  all.set(line); all.set(payload, line.length); all.set(end, line.length + payload.length);
  socket.send(all);
}
socket.onmessage = event => {
  const before = text;
  text += new TextDecoder("latin1").decode(event.data);
  if (!before.includes("\\r\\n") && text.includes("\\r\\n")) head();
  if (text.includes("PONG\\r\\n")) {
    seen.message = text.includes("MSG a 1 100000\\r\\n");
    text = ""; socket.send("FOO\\r\\n");
  }
};
socket.onclose = event => {
  seen.code = event.code; seen.reason = event.reason;
  // Chromium calls no end clean that comes before it has noted that all of its own was sent.
  seen.clean = event.wasClean || socket.bufferedAmount > 0;
  fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
};
</script>"""


class Site:
    """Serves the page, and waits for what it says."""

    def __init__(self, ws_port: int) -> None:
        self.seen: dict[str, Any] = {}
        self.told = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = (PAGE % ws_port).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                site.seen = json.loads(self.rfile.read(size))
                self.send_response(204)
                self.end_headers()
                site.told.set()

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def visit(site: Site, directory: Path) -> dict[str, Any]:
    """What the page saw in a browser of its own."""
    browser = subprocess.Popen(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            f"--user-data-dir={directory}",
            f"http://127.0.0.1:{site.port}/",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert site.told.wait(30), "the page said nothing"
    finally:
        end_process(browser, signal.SIGTERM)
    return site.seen


@pytest.fixture
def ports() -> tuple[int, Site]:
    (ws_port,) = free_ports(1)
    return ws_port, Site(ws_port)


@pytest.fixture
def gateway(tmp_path: Path, ports: tuple[int, Site]) -> Iterator[Gateway]:
    ws_port, site = ports
    gateway = Gateway(
        tmp_path / "gateway",
        f'websocket {{ listen: "127.0.0.1:{ws_port}", no_tls: true, compression: true, '
        f'allowed_origins: ["http://127.0.0.1:{site.port}"] }}\n',
    )
    yield gateway
    gateway.stop()
    site.close()


def test_a_page_publishes_subscribes_and_learns_why_it_is_closed(
    gateway: Gateway, ports: tuple[int, Site], tmp_path: Path
) -> None:
    gateway.start()

    seen = visit(ports[1], tmp_path / "profile")

    assert seen.pop("extensions").startswith("permessage-deflate")
    assert seen == {"message": True, "code": 1002, "reason": "Protocol Violation", "clean": True}


def test_a_page_of_another_origin_does_not_get_in(
    gateway: Gateway, ports: tuple[int, Site], tmp_path: Path
) -> None:
    gateway.config = gateway.config.replace("http://127.0.0.1", "https://127.0.0.1")
    gateway.start()

    seen = visit(ports[1], tmp_path / "profile")

    assert seen == {"code": 1006, "reason": "", "clean": False}
    assert "origin not allowed: not in the allowed list" in gateway.log

"""leafnode.cli.device.asked: a monitoring page as JSON, or why not."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from leafnode.cli.device.asked import NoAnswer, ask

PAGES = {
    "/serialz": (200, b'{"ports": []}'),
    "/nats/serialz": (200, b'{"ports": [1]}'),
    "/list": (200, b"[]"),
    "/text": (200, b"hello"),
    "/gone": (404, b"{}"),
}


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = PAGES[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_is_read_also_below_a_base_path(url: str) -> None:
    assert ask(url, "/serialz") == {"ports": []}
    assert ask(f"{url}/nats/", "/serialz") == {"ports": [1]}


@pytest.mark.parametrize(
    ("page", "why"), [("/gone", "404"), ("/text", "Expecting value"), ("/list", "no JSON object")]
)
def test_another_answer_is_told(url: str, page: str, why: str) -> None:
    with pytest.raises(NoAnswer, match=why):
        ask(url, page)


def test_nobody_there_and_a_wrong_url_are_told() -> None:
    with pytest.raises(NoAnswer, match="Connection refused"):
        ask("http://127.0.0.1:1", "/serialz")
    for wrong in ("127.0.0.1:8222", "ftp://x", "http://"):
        with pytest.raises(NoAnswer, match="expected http"):
            ask(wrong, "/serialz")

"""leafnode.net.tunnel: what a proxy is asked, and what is said of its answers."""

from __future__ import annotations

import pytest

from leafnode.config.options import HttpProxy
from leafnode.net.tunnel import Tunnel

PROXY = HttpProxy("proxy", 3128, "joe", "CANARY")


def asked(proxy: HttpProxy = PROXY, host: str = "hub") -> Tunnel:
    tunnel = Tunnel(proxy, host, 7422)
    tunnel.data()
    return tunnel


def test_a_proxy_is_asked_for_the_hub_with_its_login() -> None:
    assert Tunnel(PROXY, "hub", 7422).data() == (
        b"CONNECT hub:7422 HTTP/1.1\r\nHost: hub:7422\r\n"
        b"Proxy-Authorization: Basic am9lOkNBTkFSWQ==\r\n\r\n"
    )


def test_an_address_of_ipv6_has_its_brackets_and_nobody_logs_in_without_a_user() -> None:
    data = Tunnel(HttpProxy("::1", 1), "fe80::1", 7422).data()

    assert data == b"CONNECT [fe80::1]:7422 HTTP/1.1\r\nHost: [fe80::1]:7422\r\n\r\n"


def test_behind_a_tunnel_stands_what_the_hub_said() -> None:
    tunnel = asked()

    assert tunnel.receive(b"HTTP/1.1 200 Connection ") is None
    assert tunnel.receive(b"established\r\n\r\nINFO {}\r\n") == b"INFO {}\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "the proxy proxy:3128 refused hub:7422: HTTP 407 Proxy Authentication Required: check "
            "this remote's proxy.username and proxy.password",
        ),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "the proxy proxy:3128 refused hub:7422: HTTP 502 Bad"),
        (b"INFO {}\r\n", "the proxy proxy:3128 answered no HTTP"),
        (b"", "the proxy proxy:3128 ended the connection without an answer"),
    ],
)
def test_a_refusal_says_who_and_why_and_shows_no_password(answer: bytes, words: str) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        asked().receive(answer)

    assert str(caught.value) == words
    assert "CANARY" not in repr(PROXY)

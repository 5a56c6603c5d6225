"""leafnode.config.websocket: the block, and what is refused at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.listener_options import (
    CertificatePair,
    ListenerTls,
    Websocket,
    WebsocketAuthorization,
)
from leafnode.config.parser import parse
from leafnode.config.websocket import origin_of
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.options import Options

USERS = "authorization { users: [ {user: joe, password: s3cret} ] }\n"


def options(text: str) -> Options:
    return bind(parse(text, "w.conf", env={}, read=lambda path: path))


def websocket(text: str) -> Websocket:
    found = options(f"websocket {{ {text} }}").websocket
    assert found is not None
    return found


def test_a_port_and_no_tls_are_enough() -> None:
    assert websocket("port: 8080, no_tls: true") == Websocket(port=8080, no_tls=True)


def test_without_a_port_nothing_else_matters() -> None:
    assert options("websocket { same_origin: true }").websocket is None
    assert options("").websocket is None


def test_every_key_fills_its_field() -> None:
    found = websocket(
        'listen: "127.0.0.1:443", advertise: "edge.example:443", same_origin: true, '
        'allowed_origins: ["https://a.example", "http://b.example:81"], compression: true, '
        "handshake_timeout: 3s, ping_interval: 30s, user_cookie: u, pass_cookie: p, "
        'token_cookie: t, authorization { token: s3cret, timeout: 4 }, headers { "X-A": "b" }, '
        "tls { cert_file: c, key_file: k }"
    )

    assert found == Websocket(
        host="127.0.0.1",
        port=443,
        advertise="edge.example:443",
        tls=ListenerTls((CertificatePair("c", "k"),)),
        same_origin=True,
        allowed_origins=("https://a.example", "http://b.example:81"),
        compression=True,
        handshake_timeout_ns=3 * NS_PER_S,
        ping_interval_ns=30 * NS_PER_S,
        user_cookie="u",
        pass_cookie="p",
        token_cookie="t",
        authorization=WebsocketAuthorization(token="s3cret", timeout_ns=4 * NS_PER_S),
        headers=(("X-A", "b"),),
    )
    assert "s3cret" not in repr(found)


def test_an_origin_is_kept_as_written_and_compared_by_scheme_host_and_port() -> None:
    text = "https://A.example/x?y"

    assert websocket(f"port: 80, no_tls: true, origin: '{text}'").allowed_origins == (text,)
    assert origin_of(text) == ("https", "a.example", 443)
    assert origin_of("http://b.example:80") == origin_of("http://b.example")


@pytest.mark.parametrize("text", ["listen: 80, port: 81", "listen: 81"])
def test_the_last_mention_of_the_port_stands(text: str) -> None:
    assert websocket(f"{text}, no_tls: true").port == 81


def test_a_user_for_those_who_say_nothing_is_one_of_the_users() -> None:
    found = options(USERS + "websocket { port: 80, no_tls: true, no_auth_user: joe }")

    assert found.websocket is not None
    assert found.websocket.no_auth_user == "joe"


def test_a_cookie_with_a_jwt_needs_operator_mode() -> None:
    trusted = "trusted_keys: OCAT33MTVU2VUOIMGNGUNXJ66AH2RLSDAF3MUBCYAY5QMIL65NQM6XQG\n"

    found = options(
        trusted + "resolver: MEMORY\nwebsocket { port: 80, no_tls: true, jwt_cookie: j }"
    ).websocket

    assert found is not None
    assert found.jwt_cookie == "j"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("port: 80", "websocket requires TLS configuration"),
        ("port: 80, no_tls: true, allowed_origins: ['ftp://x']", "http or https scheme"),
        ("port: 80, no_tls: true, allowed_origins: ['https://']", "host is required"),
        ("port: 80, no_tls: true, allowed_origin: 'http://a:b'", "unable to parse allowed origin"),
        ("port: 80, no_tls: true, headers { Host: a }", 'invalid header "Host" not allowed'),
        (
            "port: 80, no_tls: true, headers { Sec-WebSocket-X: a }",
            '"Sec-WebSocket-" prefix not allowed',
        ),
        ("port: 80, no_tls: true, headers { 'a b': c }", "is no name of a header"),
        ('port: 80, no_tls: true, headers { A: "b\\r\\nX: c" }', "one line"),
        ("port: 80, no_tls: true, user_cookie: 'a b'", "the name of a cookie"),
        ("port: 80, no_tls: true, jwt_cookie: j", "trusted operators"),
        ("port: 80, no_tls: true, no_auth_user: ann", "not present as user"),
        (
            "port: 80, no_tls: true, authorization { user: a, password: b }",
            "websocket authentication username not compatible with presence of users/nkeys",
        ),
        ("port: 80, no_tls: true, authorization { user: a }", "a password for the user"),
        ("port: 80, no_tls: true, prot: 1", "unknown field"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"^w\.conf:2:\d+: websocket") as caught:
        options(USERS + f"websocket {{ {text} }}")

    assert problem in str(caught.value)

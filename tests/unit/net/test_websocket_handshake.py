"""leafnode.net.websocket_handshake: what is upgraded, what is refused and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import HTTP_HEADERS_MAX, WEBSOCKET_HEAD_BYTES_MAX
from leafnode.net.websocket_handshake import Handshake, HandshakeRules, Refusal, Upgrade
from tests.sim.websocket import ACCEPT, DEFLATE, request


def judge(data: bytes, rules: HandshakeRules | None = None) -> Upgrade | Refusal | None:
    return Handshake(rules or HandshakeRules()).receive(data)


def upgrade(data: bytes, rules: HandshakeRules | None = None) -> Upgrade:
    answer = judge(data, rules)
    assert isinstance(answer, Upgrade), answer
    return answer


def refusal(data: bytes, rules: HandshakeRules | None = None) -> tuple[int, str]:
    answer = judge(data, rules)
    assert isinstance(answer, Refusal), answer
    return answer.status, answer.reason


def test_a_request_is_answered_with_the_key_of_the_rfc() -> None:
    assert upgrade(request()) == Upgrade(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
    )


def test_frames_may_go_unmasked_where_the_peer_asks_for_it() -> None:
    agreed = upgrade(request({"Nats-No-Masking": "true"}))

    assert agreed.masks is False
    assert b"\r\nNats-No-Masking: true\r\n" in agreed.answer
    assert upgrade(request({"Nats-No-Masking": "yes"})).masks is True
    assert upgrade(request()).masks is True


def test_a_request_may_come_in_pieces() -> None:
    handshake = Handshake(HandshakeRules())
    data = request()

    answers = [handshake.receive(data[at : at + 1]) for at in range(len(data))]

    assert answers[:-1] == [None] * (len(data) - 1)
    assert isinstance(answers[-1], Upgrade)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": ""}, "'Host' missing in request"),
        ({"Upgrade": None}, "invalid value for header 'Upgrade'"),
        ({"Upgrade": "h2c"}, "invalid value for header 'Upgrade'"),
        ({"Connection": "close"}, "invalid value for header 'Connection'"),
        ({"Sec-WebSocket-Key": None}, "key missing"),
        ({"Sec-WebSocket-Key": "abc"}, "invalid websocket key"),
        ({"Sec-WebSocket-Key": "AAAA"}, "invalid websocket key"),
        ({"Sec-WebSocket-Version": "12"}, "invalid version"),
    ],
)
def test_a_request_that_is_none_is_400(headers: dict[str, str | None], reason: str) -> None:
    assert refusal(request(headers)) == (400, reason)


def test_a_refusal_is_answered_as_by_nats_server_and_closed() -> None:
    answer = judge(request({"Upgrade": None}))

    assert isinstance(answer, Refusal)
    assert answer.answer == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 12\r\n"
        b"Connection: close\r\n\r\nBad Request\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"GET / ", b"GET * ", 400),
        (b"GET / ", b"GET x ", 400),
        (b"HTTP/1.1", b"HTTP/9.9", 505),
    ],
)
def test_a_first_line_that_cannot_be_is_refused(old: bytes, new: bytes, status: int) -> None:
    data = request()
    assert old in data

    assert refusal(data.replace(old, new, 1))[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_other_methods_are_405(method: str) -> None:
    assert refusal(request(method=method)) == (405, "request method must be GET")


def test_head_gets_no_body() -> None:
    answer = judge(request(method="HEAD"))

    assert isinstance(answer, Refusal)
    assert answer.answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/leafnode", "/a/b/leafnode", "/leafnode?x=1"])
def test_a_leaf_is_known_by_its_path_where_leafs_may_come(path: str) -> None:
    leaf = Handshake(HandshakeRules(leafs=True)).receive(request(path=path))
    client = Handshake(HandshakeRules(leafs=True)).receive(request())

    assert isinstance(leaf, Upgrade)
    assert isinstance(client, Upgrade)
    assert (leaf.is_leaf, client.is_leaf) == (True, False)


@pytest.mark.parametrize("path", ["/mqtt", "/leafnode", "/a/b/leafnode", "/leafnode?x=1"])
def test_a_path_of_another_protocol_is_404_unlike_the_leaf_path_of_nats_server(path: str) -> None:
    assert refusal(request(path=path))[0] == 404


@pytest.mark.parametrize("path", ["/", "/any/where", "/../x", "/%2e%2e/mqtt%00", "/mqtt/"])
def test_any_other_path_is_a_client_s(path: str) -> None:
    upgrade(request(path=path))


def test_bytes_behind_the_request_are_noticed() -> None:
    assert upgrade(request() + b"x").sent_early


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01garbage\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n"]
)
def test_what_is_no_http_is_400(data: bytes) -> None:
    assert refusal(data)[0] == 400


def test_a_head_beyond_the_bound_is_431() -> None:
    data = request({"Cookie": "x" * WEBSOCKET_HEAD_BYTES_MAX})

    assert refusal(data[: WEBSOCKET_HEAD_BYTES_MAX + 1])[0] == 431
    assert refusal(request({f"X-{n}": "1" for n in range(HTTP_HEADERS_MAX)}))[0] == 431


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("https://edge.example", True),
        ("https://EDGE.example:443", True),
        ("http://edge.example", False),
        ("https://edge.example:444", False),
        ("https://evil.example", False),
        ("null", False),
        ("https://edge.example:x", False),
        ("https://edge.example/a?b", True),
        ("https://a:b@edge.example", True),
        ("https://edge.example:", False),
        ("https://evil.example\\@edge.example", False),
        ("https://edge.example#@evil.example", False),
        ("https://edge.example#", False),
        ("https://edge.exa\tmple", False),
    ],
)
def test_same_origin_compares_scheme_host_and_port(origin: str, is_welcome: bool) -> None:
    answer = judge(request({"Origin": origin}), HandshakeRules(is_tls=True, same_origin=True))

    assert isinstance(answer, Upgrade) is is_welcome
    assert isinstance(answer, Upgrade) or answer.status == 403


@pytest.mark.parametrize(("other", "is_welcome"), [("edge", True), ("evil", False), ("", True)])
def test_where_origin_is_empty_its_older_name_counts(other: str, is_welcome: bool) -> None:
    named = f"https://{other}.example" if other else ""
    data = request({"Origin": "", "Sec-WebSocket-Origin": named})

    answer = judge(data, HandshakeRules(is_tls=True, same_origin=True))
    assert isinstance(answer, Upgrade) is is_welcome


def test_allowed_origins_are_a_list() -> None:
    rules = HandshakeRules(allowed_origins=frozenset({("https", "a.example", 443)}))

    upgrade(request({"Origin": "https://a.example"}), rules)
    assert refusal(request({"Origin": "https://b.example"}), rules) == (
        403,
        "origin not allowed: not in the allowed list",
    )


def test_without_an_origin_it_is_no_browser_and_welcome() -> None:
    upgrade(request(), HandshakeRules(same_origin=True))


def test_compression_is_agreed_where_both_want_it() -> None:
    answer = upgrade(request(DEFLATE), HandshakeRules(compression=True))

    assert answer.deflate
    assert (
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        b"client_no_context_takeover\r\n" in answer.answer
    )
    assert not upgrade(request(DEFLATE)).deflate
    assert not upgrade(request(), HandshakeRules(compression=True)).deflate


def test_cookies_fill_fields_of_connect() -> None:
    rules = HandshakeRules(cookies={"j": "jwt", "u": "user", "p": "password"})
    data = request({"Cookie": 'u=joe; other=1; j="eyJ"; p='})

    answer = upgrade(data, rules)

    assert answer.credentials == {"user": "joe", "jwt": "eyJ"}
    assert "eyJ" not in repr(answer)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.2.3.4, 5.6.7.8", ""),
        ("x", ""),
    ],
)
def test_the_address_that_a_proxy_names_is_taken_when_it_is_one(value: str, shown: str) -> None:
    assert upgrade(request({"X-Forwarded-For": value})).client_ip == shown


def test_headers_of_the_configuration_are_sent() -> None:
    answer = upgrade(request(), HandshakeRules(headers=(("X-A", "b"),)))

    assert answer.answer.endswith(b"\r\nX-A: b\r\n\r\n")


@given(st.binary(max_size=400), st.integers(0, 400))
def test_random_bytes_are_refused_or_waited_for(noise: bytes, at: int) -> None:
    data = request()
    answer = judge(data[:at] + noise + data[at + len(noise) :])

    assert answer is None or isinstance(answer, Upgrade | Refusal)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/?next=http://a/b", 101),
        (b"http://other.example/", 101),
        (b"http:///", 400),
        (b"http://[bad/", 400),
    ],
)
def test_a_host_in_the_target_counts_where_the_target_is_no_path(
    target: bytes, status: int
) -> None:
    """Measured on nats-server 2.15.1."""
    answer = judge(request().replace(b" / ", b" %b " % target, 1))

    assert (101 if isinstance(answer, Upgrade) else answer.status) == status

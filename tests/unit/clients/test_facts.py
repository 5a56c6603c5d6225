"""leafnode.clients.facts: what /connz is told."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.identity import Identity
from leafnode.clients.facts import certificates, closed_state
from leafnode.clients.handler import ClientHandler
from leafnode.clock import NS_PER_S
from leafnode.protocol import errors
from leafnode.server.client_info import client_info
from tests.sim.certificates import tls_pair
from tests.sim.clients import ClientWorld

if TYPE_CHECKING:
    from pathlib import Path


def test_connz_facts_tell_what_the_connection_is_and_did() -> None:
    world = ClientWorld()
    client = world.client(
        b'{"verbose":false,"pedantic":false,"name":"joe","lang":"go","version":"1.2"}'
    )
    world.clock.advance(3 * NS_PER_S)
    client.says(b"PONG\r\n")
    client.says(b"SUB a 1\r\nPUB a 3\r\nabc\r\n")
    world.clock.advance(2 * NS_PER_S)

    facts = client.handler.facts()

    assert (facts.cid, facts.ip, facts.name, facts.lang, facts.version) == (
        1,
        "127.0.0.1",
        "joe",
        "go",
        "1.2",
    )
    assert facts.account == "$G"
    assert facts.port > 0
    assert (facts.uptime_ns, facts.idle_ns) == (5 * NS_PER_S, 2 * NS_PER_S)
    assert facts.last_activity_ns - facts.start_ns == 3 * NS_PER_S
    assert facts.rtt_ns > 0
    assert (facts.in_msgs, facts.in_bytes, facts.out_msgs) == (1, 3, 1)
    assert facts.subscriptions == 1
    assert facts.pending_bytes == 0


def test_what_comes_for_a_connection_is_its_activity_and_a_ping_is_none() -> None:
    world = ClientWorld()
    one, other = world.client(), world.client()
    one.says(b"SUB a 1\r\n")
    world.clock.advance(3 * NS_PER_S)
    one.says(b"PING\r\nPONG\r\n")
    other.says(b"PUB b 1\r\nx\r\n")
    assert one.handler.facts().idle_ns == 3 * NS_PER_S

    other.says(b"PUB a 1\r\nx\r\n")

    assert one.handler.facts().idle_ns == 0
    assert other.handler.facts().idle_ns == 0


def test_the_last_activity_stays_where_it_was_though_the_wall_clock_is_set() -> None:
    world = ClientWorld()
    client = world.client()
    client.says(b"PUB a 1\r\nx\r\n")
    before = client.handler.facts().last_activity_ns
    world.clock.jump_wall(-NS_PER_S)
    world.clock.advance(5 * NS_PER_S)

    facts = client.handler.facts()

    assert (facts.last_activity_ns, facts.idle_ns) == (before, 5 * NS_PER_S)


def test_a_user_that_nothing_proves_is_shown_as_it_calls_itself_and_a_token_is_not() -> None:
    world = ClientWorld()

    assert world.client(b'{"user":"joe","pass":"x"}').handler.facts().user == "joe"
    assert world.client(b'{"auth_token":"s3cret"}').handler.facts().user == "[REDACTED]"
    assert world.client().handler.facts().user == ""


def test_a_key_beside_what_let_a_user_in_is_shown_but_the_user_stays_who_it_is() -> None:
    client = ClientWorld().client(b'{"user":"joe","pass":"x","nkey":"UX"}')
    shown = []
    for identity in (Identity(user="joe"), Identity(user="UK", key="UK"), Identity()):
        client.handler.become(identity)
        facts = client.handler.facts()
        shown.append((facts.authorized_user, facts.user))

    assert shown == [("UX", "joe"), ("UK", "UK"), ("UX", "UX")]


def test_who_has_a_key_is_vouched_for_by_its_account_where_nobody_signed_it() -> None:
    client = ClientWorld().client()
    issuers = []
    for identity in (
        Identity(account="A", user="joe"),
        Identity(account="A", user="UK", key="UK"),
        Identity(account="A", user="UK", key="UK", issuer="AK"),
    ):
        client.handler.become(identity)
        issuers.append(client.handler.facts().issuer_key)

    assert issuers == ["", "A", "AK"]


def test_the_end_of_a_connection_has_nats_servers_name() -> None:
    assert closed_state(errors.StaleConnection) == "Stale Connection"
    assert closed_state(errors.InvalidSubject) == "Protocol Violation"
    assert closed_state(errors.ParserError) == closed_state(errors.UnknownOperation)
    assert closed_state(errors.ParserError) == "Protocol Violation"
    assert closed_state(errors.Complaint) == "Parse Error"
    assert closed_state(errors.UnknownOperation) == "Protocol Violation"
    assert closed_state(errors.ConnectMalformed) == "Protocol Violation"


class Shaken:
    """Implements leafnode.net.transport.TlsFacts."""

    def __init__(self, der: bytes = b"") -> None:
        self._der = der
        self.asked = 0  # for the certificate

    def version(self) -> str:
        return "TLSv1.2"

    def cipher(self) -> str:
        return "ECDHE-ECDSA-AES128-GCM-SHA256"

    def certificate(self) -> bytes:
        self.asked += 1
        return self._der

    def chain(self) -> list[bytes]:
        return [self._der] if self._der else []

    def sent(self) -> list[bytes]:
        self.asked += 1
        return self.chain()

    def names(self) -> dict[str, object]:
        return {"subject": ((("commonName", "joe"),),)} if self._der else {}


def test_tls_is_shown_by_gos_names(tmp_path: Path) -> None:
    client = ClientWorld().client()
    tls_pair(tmp_path)
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())

    plain = client.handler.facts()
    client.handler._tls_first = True
    facts = client.handler._with_tls(plain, Shaken(der), with_certificates=True)

    assert (plain.tls_version, plain.tls_first, plain.tls_peer_certs) == ("", False, ())
    assert (facts.tls_version, facts.tls_first) == ("1.2", True)
    assert facts.tls_cipher == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    (shown,) = facts.tls_peer_certs
    assert shown.subject == "CN=localhost"
    assert shown.cert_sha256 == hashlib.sha256(der).hexdigest()
    assert len(shown.spki_sha256) == 64
    over = client.handler._with_tls(plain, Shaken(der), with_certificates=False)
    assert over == replace(facts, tls_peer_certs=())
    assert certificates(Shaken()) == ()


def der_value(tag: int, content: bytes) -> bytes:
    return bytes((tag, 0x82)) + len(content).to_bytes(2, "big") + content


def behind(name: bytes) -> bytes:
    """A certificate whose subject has an attribute with this object identifier."""
    attribute = der_value(0x30, der_value(0x06, name) + der_value(0x0C, b"x"))
    subject = der_value(0x30, der_value(0x31, attribute))
    fields = [b"\x02\x01\x01", *[b"\x30\x00"] * 3, subject, b"\x30\x00"]
    return der_value(0x30, der_value(0x30, b"".join(fields)))


@pytest.mark.parametrize(
    ("der", "subject"),
    [
        (behind(b"\x55\x04\x03"), "CN=x"),
        (behind(b"\x81" * 3_000 + b"\x01"), ""),  # more digits than Python writes
        (behind(b"\x81" * 65), ""),
        (b"\x30\x80\x00\x00", ""),  # BER: no length
        (behind(b"\x55\x04\x03") + bytes(9_000), ""),
    ],
)
def test_what_a_client_sends_behind_its_certificate_is_shown_as_far_as_it_can_be_read(
    der: bytes, subject: str
) -> None:
    (shown,) = certificates(Shaken(der))

    assert shown.subject == subject
    assert bool(shown.spki_sha256) is bool(subject)
    assert shown.cert_sha256 == hashlib.sha256(der).hexdigest()


def test_a_client_that_cannot_be_remembered_goes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ClientWorld()
    client, other = world.client(), world.client()
    client.says(b"SUB a g 1\r\nPING\r\n")

    def facts(_: ClientHandler, **_how: bool) -> None:
        raise ValueError("what a client sent")

    monkeypatch.setattr(ClientHandler, "facts", facts)

    handler, beside = client.handler, other.handler
    handler.close("Client Closed")

    assert list(world.server.registry.open.values()) == [beside]
    assert not handler.peer.subs


def test_a_certificate_is_read_once_and_not_for_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ClientWorld()
    handler = world.client().handler
    tls_pair(tmp_path)
    tls = Shaken(ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text()))
    monkeypatch.setattr(type(handler), "tls", lambda _: tls)

    for is_detailed in (False, True):
        told = client_info(handler.peer, world.server.registry, "s", detailed=is_detailed)
        assert told is not None
    assert handler.facts(with_certificates=False).tls_peer_certs == ()
    assert tls.asked == 0

    assert handler.facts().tls_peer_certs == handler.facts().tls_peer_certs != ()
    assert tls.asked == 1

    handler.close("Client Closed")

    (closed,) = world.server.registry.closed_ring
    assert (closed.facts.tls_version, closed.facts.tls_peer_certs) == ("1.2", ())

"""leafnode.net.tls: two streams talk to each other in memory."""

from __future__ import annotations

import itertools
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import TLS_IDLE_RECORDS, TLS_RECORDS_AT_ONCE
from leafnode.net.tls import TlsStream
from tests.sim.certificates import Authority, tls_pair
from tests.sim.key_updates import CIPHER, Sealer


def nobody(err: OSError | None) -> None:
    raise AssertionError("the owner calls it")


class Pair:
    """A dialing and an accepting stream with a wire between them."""

    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        self.accepting = TlsStream(contexts[0], nobody, server_hostname=None)
        self.dialing = TlsStream(contexts[1], nobody, server_hostname="localhost")

    def shake_hands(self) -> None:
        self.dialing.handshake(b"")
        while not (self.dialing.established and self.accepting.established):
            self.accepting.handshake(self.dialing.outgoing())
            if not self.dialing.established:
                self.dialing.handshake(self.accepting.outgoing())


def plain(stream: TlsStream, data: bytes, size: int = 65536) -> bytes:
    """Everything that a stream decrypts of these bytes."""
    stream.feed(data)
    buffer = memoryview(bytearray(size))
    found = b""
    while got := stream.read_into(buffer):
        found += bytes(buffer[:got])
    return found


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return tls_pair(tmp_path_factory.mktemp("tls"))


def test_bytes_go_both_ways_after_the_handshake(contexts: tuple[ssl.SSLContext, ...]) -> None:
    pair = Pair((contexts[0], contexts[1]))
    pair.shake_hands()

    pair.dialing.seal(b"hello")
    pair.accepting.seal(b"x" * 200_000)

    assert plain(pair.accepting, pair.dialing.outgoing()) == b"hello"
    assert plain(pair.dialing, pair.accepting.outgoing()) == b"x" * 200_000
    assert pair.accepting.version() == "TLSv1.3"
    assert pair.accepting.cipher().startswith("TLS_")


def test_what_is_written_before_the_handshake_is_sent_after_it(
    contexts: tuple[ssl.SSLContext, ...],
) -> None:
    pair = Pair((contexts[0], contexts[1]))
    pair.accepting.seal(b"early")

    pair.shake_hands()

    assert plain(pair.dialing, pair.accepting.outgoing()) == b"early"


@pytest.fixture
def sealer(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> tuple[TlsStream, Sealer]:
    """An accepting stream after its handshake, and what seals in its peer's name."""
    contexts[1].keylog_filename = str(tmp_path / "keys")
    pair = Pair(contexts)
    pair.shake_hands()
    assert pair.dialing.cipher() == CIPHER
    pair.accepting.outgoing()
    return pair.accepting, Sealer(tmp_path / "keys")


def test_a_flood_of_new_keys_ends_before_openssl_has_worked_it_off(
    sealer: tuple[TlsStream, Sealer],
) -> None:
    stream, sealing = sealer
    flood = b"".join([sealing.key_update() for _ in range(2_400)])

    with pytest.raises(ssl.SSLError, match="too many records without data"):
        plain(stream, flood)

    answers = len(stream.outgoing()) // 27  # each asked for one
    assert TLS_IDLE_RECORDS < answers < 2 * TLS_IDLE_RECORDS


@pytest.mark.parametrize("padding", [230, 900])
def test_new_keys_in_records_that_are_padded_are_a_flood_too(
    sealer: tuple[TlsStream, Sealer], padding: int
) -> None:
    stream, sealing = sealer
    flood = b"".join([sealing.key_update(padding) for _ in range(2 * TLS_RECORDS_AT_ONCE)])

    with pytest.raises(ssl.SSLError, match="too many records without data"):
        plain(stream, flood + sealing.data(b"x"))

    assert len(stream.outgoing()) // 27 <= TLS_RECORDS_AT_ONCE * 2


def test_new_keys_between_small_records_end_it_too(sealer: tuple[TlsStream, Sealer]) -> None:
    stream, sealing = sealer
    flood = b"".join([sealing.data(b"x") + sealing.key_update() for _ in range(1_200)])

    with pytest.raises(ssl.SSLError, match="too many records without data"):
        plain(stream, flood)

    assert len(stream.outgoing()) // 27 < 3 * TLS_IDLE_RECORDS


def test_a_flood_of_new_keys_behind_the_handshake_in_one_read_ends_it(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    contexts[1].keylog_filename = str(tmp_path / "keys")
    pair = Pair(contexts)
    pair.dialing.handshake(b"")
    pair.accepting.handshake(pair.dialing.outgoing())
    pair.dialing.handshake(pair.accepting.outgoing())
    sealing = Sealer(tmp_path / "keys")
    flood = b"".join([sealing.key_update() for _ in range(2_400)])
    assert pair.accepting.handshake(pair.dialing.outgoing() + flood)

    with pytest.raises(ssl.SSLError, match="too many records without data"):
        plain(pair.accepting, b"")

    assert len(pair.accepting.outgoing()) // 27 < 4 * TLS_IDLE_RECORDS


def test_a_new_key_now_and_then_is_taken_and_so_are_very_small_records(
    sealer: tuple[TlsStream, Sealer],
) -> None:
    stream, sealing = sealer
    sent, got = b"", b""
    for number in range(300):
        words = [b"%d;" % (number * index) for index in range(100)]
        records = b"".join(map(sealing.data, words)) + sealing.key_update()
        sent += b"".join(words)
        got += plain(stream, records)

    assert got == sent


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@given(
    sizes=st.lists(st.sampled_from([1, 200, 300, 5_000, 40_000]), min_size=1, max_size=150),
    cuts=st.lists(st.integers(1, 20_000), min_size=1, max_size=8),
    buffer_size=st.sampled_from([1_000, 65_536]),
)
def test_however_the_wire_is_cut_each_byte_comes_once_and_in_order(
    contexts: tuple[ssl.SSLContext, ...],
    version: ssl.TLSVersion,
    sizes: list[int],
    cuts: list[int],
    buffer_size: int,
) -> None:
    contexts[0].maximum_version = version
    pair = Pair((contexts[0], contexts[1]))
    pair.shake_hands()
    contexts[0].maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    sent = b"".join(bytes([index % 251]) * size for index, size in enumerate(sizes))
    at = 0
    for size in sizes:
        pair.dialing.seal(sent[at : at + size])
        at += size
    wire, got = pair.dialing.outgoing(), b""

    for cut in itertools.cycle(cuts):
        piece, wire = wire[:cut], wire[cut:]
        got += plain(pair.accepting, piece, buffer_size)
        if not wire:
            break

    assert got == sent


def test_a_close_notify_is_the_end(contexts: tuple[ssl.SSLContext, ...]) -> None:
    pair = Pair((contexts[0], contexts[1]))
    pair.shake_hands()
    pair.dialing.seal(b"last")
    pair.dialing.close_notify()

    assert plain(pair.accepting, pair.dialing.outgoing()) == b"last"
    assert pair.accepting.ended


def test_the_certificate_of_the_peer_is_known_to_the_one_who_asked(
    contexts: tuple[ssl.SSLContext, ...],
) -> None:
    pair = Pair((contexts[0], contexts[1]))
    assert pair.dialing.certificate() == b""
    pair.shake_hands()

    assert len(pair.dialing.certificate()) > 100
    assert ("DNS", "localhost") in pair.dialing.names()["subjectAltName"]
    assert pair.accepting.certificate() == b""
    assert pair.accepting.names() == {}


def test_the_chain_of_a_client_ends_with_the_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(*authority.issue("server", x509.DNSName("localhost")))
    accepting.load_verify_locations(authority.ca_file)
    accepting.verify_mode = ssl.CERT_REQUIRED
    client = authority.issue("client")
    pair = Pair((accepting, authority.client(client)))
    assert pair.accepting.chain() == []
    pair.shake_hands()

    files = (client[0], authority.ca_file)
    known = [ssl.PEM_cert_to_DER_cert(Path(one).read_text("utf-8")) for one in files]
    assert pair.accepting.chain() == known
    # What it sent: OpenSSL adds an authority that it knows, Go would not.
    assert pair.accepting.sent() == known


def test_who_showed_no_certificate_has_no_chain(contexts: tuple[ssl.SSLContext, ...]) -> None:
    pair = Pair((contexts[0], contexts[1]))
    pair.shake_hands()

    assert pair.accepting.chain() == []
    assert pair.accepting.sent() == []


@given(garbage=st.binary(min_size=1, max_size=2000))
def test_garbage_is_an_sslerror_and_nothing_else(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], garbage: bytes
) -> None:
    stream = TlsStream(contexts[0], nobody, server_hostname=None)
    try:
        over = stream.handshake(garbage)
    except ssl.SSLError:
        over = False

    assert not over


def test_a_changed_record_is_an_sslerror(contexts: tuple[ssl.SSLContext, ...]) -> None:
    pair = Pair((contexts[0], contexts[1]))
    pair.shake_hands()
    pair.dialing.seal(b"hello")
    sealed = bytearray(pair.dialing.outgoing())
    sealed[-1] ^= 1

    with pytest.raises(ssl.SSLError):
        plain(pair.accepting, bytes(sealed))

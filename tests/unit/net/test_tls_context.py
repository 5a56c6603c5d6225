"""leafnode.net.tls_context: the context that is in force, for every way of configuring it."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.errors import TlsError
from leafnode.net.tls import TlsStream
from leafnode.net.tls_context import ServerTls, server_context
from tests.sim.certificates import LOCALHOST, Authority, handshake


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    authority.pair = CertificatePair(*authority.issue("server", *LOCALHOST))
    return authority


def context(authority: Authority, **options: object) -> ssl.SSLContext:
    return server_context(ListenerTls(pairs=(authority.pair,), **options))


def ciphers(found: ssl.SSLContext) -> set[str]:
    return {cipher["name"] for cipher in found.get_ciphers() if cipher["protocol"] != "TLSv1.3"}


def test_by_default_tls_1_2_is_the_floor_and_clients_show_nothing(authority: Authority) -> None:
    found = context(authority)

    assert found.minimum_version is ssl.TLSVersion.TLSv1_2
    assert found.verify_mode is ssl.CERT_NONE
    assert found.options & ssl.OP_NO_RENEGOTIATION
    assert found.options & ssl.OP_NO_COMPRESSION
    assert found.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert all("GCM" in name or "CHACHA20" in name for name in ciphers(found))
    assert all(name.startswith("ECDHE") for name in ciphers(found))


def test_min_version_1_3_leaves_no_older_one(authority: Authority) -> None:
    assert context(authority, min_version="1.3").minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_rsa_keys_of_1024_bits_are_enough_on_both_sides(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    pair = CertificatePair(*authority.issue("weak", *LOCALHOST, rsa_bits=1024))
    options = ListenerTls(pairs=(pair,), verify=True, ca_file=authority.ca_file)
    client = ssl.create_default_context(cafile=authority.ca_file)
    client.set_ciphers("DEFAULT:@SECLEVEL=1")
    client.maximum_version = version
    client.load_cert_chain(pair.cert_file, pair.key_file)

    dialed, shown = handshake(client, server_context(options))

    assert dialed.version() == version.name.replace("_", ".")
    assert shown


def test_verify_demands_a_certificate_of_the_file_alone(authority: Authority) -> None:
    found = context(authority, verify=True, ca_file=authority.ca_file)

    assert found.verify_mode is ssl.CERT_REQUIRED
    assert [ca["subject"] for ca in found.get_ca_certs()] == [((("commonName", "ca"),),)]


def test_verify_without_a_file_takes_the_roots_of_the_system(authority: Authority) -> None:
    assert context(authority, verify=True).verify_mode is ssl.CERT_REQUIRED


def test_cipher_suites_are_those_that_are_named(authority: Authority) -> None:
    found = context(authority, cipher_suites=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))

    assert ciphers(found) == {"ECDHE-ECDSA-AES128-GCM-SHA256"}
    assert found.minimum_version is ssl.TLSVersion.TLSv1_2


def test_suites_of_tls_1_3_alone_leave_no_older_version(authority: Authority) -> None:
    found = context(authority, cipher_suites=("TLS_AES_128_GCM_SHA256",))

    assert found.minimum_version is ssl.TLSVersion.TLSv1_3


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> TlsStream:
    """Return the dialing side after a handshake."""
    accepting = TlsStream(server, print, server_hostname=None)
    dialing = TlsStream(client, print, server_hostname=name)
    dialing.handshake(b"")
    while not dialing.established:
        accepting.handshake(dialing.outgoing())
        dialing.handshake(accepting.outgoing())
    return dialing


def shown_by(server: ssl.SSLContext, client: ssl.SSLContext) -> int:
    """Return how many certificates a client is shown, verified or not."""
    tls = shake_hands(server, client, "localhost")._ssl
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return len(tls.get_unverified_chain())
    return len(tls._sslobj.get_unverified_chain())


def test_what_is_trusted_is_not_shown_where_nobody_is_verified(authority: Authority) -> None:
    server = context(authority, ca_file=authority.ca_file)

    assert server.verify_mode is ssl.CERT_NONE
    assert shown_by(server, authority.client()) == 1


def test_of_a_file_with_several_certificates_those_are_shown_and_no_other(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    both = tmp_path / "both.pem"
    certificate, key = authority.pair.cert_file, authority.pair.key_file
    both.write_text(Path(certificate).read_text() + Path(other.ca_file).read_text())
    pair = CertificatePair(str(both), key)
    server = server_context(ListenerTls(pairs=(pair,), verify=True, ca_file=authority.ca_file))
    client = authority.client((certificate, key))

    assert shown_by(server, client) == 2


def test_a_file_of_authorities_is_read_though_nobody_is_verified(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    with pytest.raises(TlsError):
        context(authority, ca_file=str(tmp_path / "ca.pem"))


def test_one_curve_is_the_only_one(authority: Authority) -> None:
    server = context(authority, curve_preferences=("CurveP384",))
    client = authority.client()
    client.set_ecdh_curve("prime256v1")

    with pytest.raises(ssl.SSLError):
        shake_hands(server, client, "localhost")

    client.set_ecdh_curve("secp384r1")
    assert shake_hands(server, client, "localhost").established


def test_several_curves_are_openssl_s_own_and_that_is_said(authority: Authority) -> None:
    wanted = ("X25519", "CurveP256")
    tls = ServerTls(ListenerTls(pairs=(authority.pair,), curve_preferences=wanted))

    assert bool(tls.warnings) is not hasattr(tls.context, "set_groups")


def test_of_several_certificates_the_one_for_the_name_is_shown(authority: Authority) -> None:
    other = CertificatePair(*authority.issue("other", x509.DNSName("*.example.org")))
    server = server_context(ListenerTls(pairs=(authority.pair, other)))
    client = authority.client()

    shown = shake_hands(server, client, "nats.example.org").names()["subject"]
    default = shake_hands(server, client, "localhost").names()["subject"]

    assert shown == ((("commonName", "other"),),)
    assert default == ((("commonName", "server"),),)


@pytest.mark.parametrize(
    ("cert_file", "key_file", "problem"),
    [("none.crt", "none.key", "No such file"), ("ca.pem", "server.key", "mismatch|MISMATCH")],
)
def test_files_that_cannot_be_used_are_named(
    authority: Authority, tmp_path: Path, cert_file: str, key_file: str, problem: str
) -> None:
    directory = authority.ca_file.rpartition("/")[0]
    pair = CertificatePair(f"{directory}/{cert_file}", f"{directory}/{key_file}")

    with pytest.raises(TlsError, match=problem) as caught:
        ServerTls(ListenerTls(pairs=(pair,)))
    assert cert_file in str(caught.value)


def test_where_the_block_stands_is_said_at_a_start_and_at_a_reload(authority: Authority) -> None:
    pair = CertificatePair("/nowhere.pem", "/nowhere.key")
    bad = ListenerTls(pairs=(pair,), where="s.conf:3:1")
    words = r"^s\.conf:3:1: /nowhere\.pem: No such file"

    with pytest.raises(TlsError, match=words):
        ServerTls(bad)
    with pytest.raises(TlsError, match=words):
        ServerTls(ListenerTls(pairs=(authority.pair,))).prepare(bad)


def test_a_ca_file_that_is_none_is_named(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")

    with pytest.raises(TlsError, match=r"empty\.pem"):
        context(authority, verify=True, ca_file=str(tmp_path / "empty.pem"))


def test_a_listener_without_a_certificate_is_refused() -> None:
    with pytest.raises(TlsError, match="certificate"):
        server_context(ListenerTls())


def test_new_options_are_read_before_they_are_in_force(authority: Authority) -> None:
    tls = ServerTls(ListenerTls(pairs=(authority.pair,)))
    before = tls.context
    options = ListenerTls(pairs=(authority.pair,), min_version="1.3")

    prepared = tls.prepare(options)
    assert tls.context is before
    tls.apply(options, prepared)

    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert tls.options is options


def test_without_pins_everybody_is_accepted_and_with_them_nobody_without_a_certificate(
    authority: Authority,
) -> None:
    pinned = ServerTls(ListenerTls(pairs=(authority.pair,), pinned_certs=frozenset({"0" * 64})))

    assert ServerTls(ListenerTls(pairs=(authority.pair,))).accepts(b"")
    assert not pinned.accepts(b"")
    assert not pinned.accepts(b"garbage")


@pytest.mark.parametrize("which", ["ca_file", "cert_file", "key_file"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(
    authority: Authority, tmp_path: Path, which: str
) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    pair = authority.pair if which == "ca_file" else replace(authority.pair, **{which: path})
    ca_file = path if which == "ca_file" else authority.ca_file

    with pytest.raises(TlsError, match="is not a regular file"):
        ServerTls(ListenerTls(pairs=(pair,), ca_file=ca_file, verify=True))

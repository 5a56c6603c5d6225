"""leafnode.tls.dialer: whom we trust, and which of several certificates a server gets to see."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from leafnode.config.listener_options import CertificatePair
from leafnode.config.options import TlsOptions
from leafnode.errors import TlsError
from leafnode.tls.dialer import dialer_context
from tests.sim.certificates import LOCALHOST, Authority, handshake

HANDSHAKE = 22  # the kind of record
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Realm:
    """A hub's authority, and three that sign for a gateway."""

    def __init__(self, directory: Path) -> None:
        self.hub = Authority(directory, "hub")
        self.pair = self.hub.issue("server", *LOCALHOST)
        self.authorities = {
            name: Authority(directory, f"ca-{name}") for name in ("old", "new", "other")
        }
        self.pairs = {
            name: CertificatePair(*self.authorities[name].issue(name)) for name in ("old", "new")
        }

    def options(self, *names: str) -> TlsOptions:
        return TlsOptions(self.hub.ca_file, tuple(self.pairs[name] for name in names))

    def server(self, version: ssl.TLSVersion, *trusted: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair)
        context.maximum_version = version
        for name in trusted:
            context.load_verify_locations(self.authorities[name].ca_file)
        if trusted:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    return Realm(tmp_path_factory.mktemp("tls"))


def name_of(certificate: bytes) -> str:
    subject = x509.load_der_x509_certificate(certificate).subject
    return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


class Asked:
    """A connection that is told what a server says. Python's own servers name no authorities."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._callback = context._msg_callback

    def hears(self, version: ssl.TLSVersion, message: bytes) -> None:
        self._callback(self, "read", version, HANDSHAKE, message[0], message)


def request(version: ssl.TLSVersion, names: list[bytes]) -> bytes:
    listed = b"".join(len(name).to_bytes(2, "big") + name for name in names)
    body = len(listed).to_bytes(2, "big") + listed
    if version is ssl.TLSVersion.TLSv1_3:
        extension = b"\0\x2f" + len(body).to_bytes(2, "big") + body
        body = b"\0" + len(extension).to_bytes(2, "big") + extension
    else:
        body = b"\x01\x40" + b"\0\x02\x04\x03" + body
    return b"\x0d" + len(body).to_bytes(3, "big") + body


def issuer_of(authority: Authority) -> bytes:
    return x509.load_pem_x509_certificate(
        Path(authority.ca_file).read_bytes()
    ).subject.public_bytes()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("trusted", "shown"),
    [
        (["old"], "old"),
        (["new"], "new"),
        (["new", "old"], "old"),  # of two that fit the first
        (["other", "new"], "new"),
        (["other"], "old"),  # it will not do, as none would
        ([], "old"),
    ],
)
def test_what_the_server_trusts_is_shown(
    realm: Realm, version: ssl.TLSVersion, trusted: list[str], shown: str
) -> None:
    connection = Asked(dialer_context(realm.options("old", "new")))

    connection.hears(version, request(version, [issuer_of(realm.authorities[n]) for n in trusted]))

    _, seen = handshake(connection.context, realm.server(version, "old", "new"))
    assert name_of(seen) == shown


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_that_is_cut_off_chooses_the_first(realm: Realm, version: ssl.TLSVersion) -> None:
    connection = Asked(dialer_context(realm.options("old", "new")))

    connection.hears(version, request(version, [issuer_of(realm.authorities["new"])])[:-1])

    _, seen = handshake(connection.context, realm.server(version, "old", "new"))
    assert name_of(seen) == "old"


@pytest.mark.parametrize("version", VERSIONS)
def test_in_a_handshake_another_is_taken_and_the_callback_ends(
    realm: Realm, version: ssl.TLSVersion
) -> None:
    client = dialer_context(realm.options("new", "old"))

    dialed, seen = handshake(client, realm.server(version, "old", "new"))

    assert name_of(seen) == "new"
    assert dialed.context is not client  # no callback any more, whatever comes


@pytest.mark.parametrize("version", VERSIONS)
def test_who_trusts_none_of_them_refuses(realm: Realm, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(dialer_context(realm.options("old", "new")), realm.server(version, "other"))


@pytest.mark.parametrize("version", VERSIONS)
def test_who_asks_for_none_gets_none(realm: Realm, version: ssl.TLSVersion) -> None:
    client = dialer_context(realm.options("old", "new"))

    dialed, seen = handshake(client, realm.server(version))

    assert seen == b""
    assert dialed.context is not client


@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_is_verified_whatever_is_shown(
    realm: Realm, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").ca_file
    pairs = realm.options("old", "new").pairs

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(dialer_context(TlsOptions(stranger, pairs)), realm.server(version, "new"))


def test_one_certificate_needs_no_choice(realm: Realm) -> None:
    client = dialer_context(realm.options("new"))

    dialed, seen = handshake(client, realm.server(ssl.TLSVersion.TLSv1_3, "new"))

    assert name_of(seen) == "new"
    assert dialed.context is client


def test_the_floor_is_1_2_and_the_host_name_is_checked() -> None:
    context = dialer_context(None)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_files_that_cannot_be_used_are_named(realm: Realm, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    pair = CertificatePair(str(bad), str(bad))

    with pytest.raises(TlsError, match=r"absent\.pem: No such file"):
        dialer_context(TlsOptions(ca_file=str(tmp_path / "absent.pem")))
    with pytest.raises(TlsError, match=r"bad\.pem"):
        dialer_context(TlsOptions(ca_file=str(bad)))
    for pairs in ((pair,), (realm.pairs["old"], pair)):
        with pytest.raises(TlsError, match=r"bad\.pem"):
            dialer_context(TlsOptions(pairs=pairs))


def test_a_server_is_verified_unless_the_options_say_otherwise() -> None:
    strict, lax = dialer_context(TlsOptions()), dialer_context(TlsOptions(insecure=True))

    assert (strict.check_hostname, strict.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert (lax.check_hostname, lax.verify_mode) == (False, ssl.CERT_NONE)


def test_curves_may_be_chosen() -> None:
    assert dialer_context(TlsOptions(curve_preferences=("CurveP256",))).check_hostname


@pytest.mark.parametrize("which", ["ca_file", "cert_file", "key_file", "one of several"])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(
    realm: Realm, tmp_path: Path, which: str
) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    pair = realm.pairs["old"]
    changed = {
        "cert_file": replace(pair, cert_file=path),
        "key_file": replace(pair, key_file=path),
    }.get(which, pair)
    pairs = (pair, replace(pair, cert_file=path)) if which == "one of several" else (changed,)
    options = TlsOptions(path if which == "ca_file" else realm.hub.ca_file, pairs)

    with pytest.raises(TlsError, match="is not a regular file"):
        dialer_context(options)

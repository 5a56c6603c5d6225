"""A certificate for localhost that lives as long as a test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

if TYPE_CHECKING:
    from pathlib import Path


def tls_pair(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts for a server named localhost and for a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2120))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(cert_file, key_file)
    client_side = ssl.create_default_context(cafile=str(cert_file))
    return server_side, client_side


class Authority:
    """A certificate authority of a test: `ca_file` trusts whatever `issue` wrote."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        self.ca_file = str(directory / f"{name}.pem")
        certificate = _signed(
            self._name,
            self._name,
            self._key.public_key(),
            self._key,
            [(x509.BasicConstraints(ca=True, path_length=None), True)],
        )
        (directory / f"{name}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )

    def issue(
        self,
        name: str,
        *names: x509.GeneralName,
        subject: x509.Name | None = None,
        last_year: int = 2120,
        rsa_bits: int = 0,
    ) -> tuple[str, str]:
        """Write a certificate for these names; return the paths of it and of its key.

        `subject`: another one than the name alone. It expires when `last_year` begins.
        """
        key = _key(rsa_bits)
        extensions: list[tuple[x509.ExtensionType, bool]] = []
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        certificate = _signed(
            _common_name(name) if subject is None else subject,
            self._name,
            key.public_key(),
            self._key,
            extensions,
            last_year,
        )
        cert_file = self._directory / f"{name}.crt"
        key_file = self._directory / f"{name}.key"
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(cert_file), str(key_file)

    def client(self, pair: tuple[str, str] | None = None) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority alone."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if pair is not None:
            context.load_cert_chain(*pair)
        return context


LOCALHOST = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _key(rsa_bits: int) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if rsa_bits:
        return rsa.generate_private_key(65537, rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
    last_year: int = 2120,
) -> x509.Certificate:
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start.replace(year=last_year))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, bytes]:
    """Shake hands; return the client's side, and the certificate that the server got to see."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    dialed = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    accepted = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [dialed, accepted]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    # The tickets of 1.3 come behind it, and data both ways.
    accepted.write(b"hello")
    assert dialed.read(5) == b"hello"
    dialed.write(b"there")
    assert accepted.read(5) == b"there"
    return dialed, accepted.getpeercert(binary_form=True) or b""

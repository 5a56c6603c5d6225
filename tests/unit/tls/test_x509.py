"""leafnode.tls.x509 against cryptography: the same digest, the same names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509 as oracle
from cryptography.hazmat.primitives import serialization
from cryptography.x509.name import _ASN1Type
from hypothesis import given
from hypothesis import strategies as st

from leafnode.tls import x509
from tests.sim.certificates import LOCALHOST, Authority, tls_pair

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    names = (*LOCALHOST, oracle.DNSName("*.Example.org"))
    return oracle.load_pem_x509_certificate(Path(authority.issue("s", *names)[0]).read_bytes())


def der(certificate: Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def test_the_digest_is_that_of_the_public_key(certificate: Certificate) -> None:
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert x509.key_digest(der(certificate)) == hashlib.sha256(key).hexdigest()


def test_the_names_are_those_of_dns_in_lower_case(certificate: Certificate) -> None:
    assert x509.names(der(certificate)) == ("localhost", "*.example.org")


def test_without_them_it_is_the_common_name(tmp_path: Path) -> None:
    pem = Path(Authority(tmp_path).issue("Plain.Name")[0]).read_text()

    assert x509.names(x509.first_certificate("text before\n" + pem)) == ("plain.name",)


def test_the_subject_is_read_in_order_with_numbers_and_values(tmp_path: Path) -> None:
    kinds, names = _ASN1Type, oracle.NameOID
    attributes = [
        (names.DOMAIN_COMPONENT, "org", kinds.IA5String),
        (names.COUNTRY_NAME, "US", None),
        (names.X500_UNIQUE_IDENTIFIER, b"\0\1", kinds.BitString),
        (names.COMMON_NAME, "ann", None),
        (names.TITLE, "Dé", kinds.BMPString),
        (oracle.ObjectIdentifier("2.999.70000.3"), "ü", kinds.T61String),
        (oracle.ObjectIdentifier("1.2.3.4"), "x", None),
        (names.SERIAL_NUMBER, "1", None),
    ]
    subject = oracle.Name([oracle.NameAttribute(*one) for one in attributes])
    pem = Path(Authority(tmp_path).issue("other", subject=subject)[0]).read_text()

    assert x509.attributes(x509.first_certificate(pem)) == [
        ("0.9.2342.19200300.100.1.25", "org"),
        ("2.5.4.6", "US"),
        ("2.5.4.45", b"\x03\x02\0\1"),
        ("2.5.4.3", "ann"),
        ("2.5.4.12", "Dé"),
        ("2.999.70000.3", "Ã¼"),
        ("1.2.3.4", "x"),
        ("2.5.4.5", "1"),
    ]


def test_a_chain_is_read_whole_and_names_who_signed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    chain = Path(authority.issue("leaf")[0]).read_text() + Path(authority.ca_file).read_text()

    found = x509.certificates(chain)

    assert len(found) == 2
    assert x509.first_certificate(chain) == found[0]
    for one in found:
        expected = oracle.load_der_x509_certificate(one).issuer.public_bytes()
        assert x509.issuer(one) == expected


def test_a_file_without_a_certificate_is_a_valueerror() -> None:
    with pytest.raises(ValueError, match="no certificate"):
        x509.first_certificate("-----BEGIN PRIVATE KEY-----\n")


@given(at=st.integers(0), with_=st.integers(0, 255), cut=st.integers(0))
def test_a_changed_certificate_is_read_or_a_valueerror(
    certificate: Certificate, at: int, with_: int, cut: int
) -> None:
    data = bytearray(der(certificate))
    data[at % len(data)] = with_
    del data[len(data) - cut % 3 :]

    for read in (x509.key_digest, x509.names, x509.attributes, x509.issuer):
        try:
            read(bytes(data))
        except ValueError:
            continue


def test_it_holds_until_when_the_oracle_says(certificate: Certificate) -> None:
    end = certificate.not_valid_after_utc

    assert x509.not_after_s(der(certificate)) == int(end.timestamp())


def test_an_end_after_2049_has_four_digits_of_a_year(tmp_path: Path) -> None:
    tls_pair(tmp_path)

    end = x509.not_after_s(x509.first_certificate((tmp_path / "cert.pem").read_text()))

    assert end == 4733510400  # 2120-01-01

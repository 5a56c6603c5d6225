"""leafnode.auth.certificate: which user a certificate is. Source: RFC 4514, nats-server
internal/ldap/dn_test.go (behaviour) and server/auth.go checkClientTLSCertSubject.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.certificate import (
    Certificate,
    Names,
    certificate_of,
    go_name,
    go_subject,
    parse_name,
)

CN, O, OU, C, DC = (  # noqa: E741 -- as subjects write them
    "commonName",
    "organizationName",
    "organizationalUnitName",
    "countryName",
    "domainComponent",
)


def mapped_user(certificate: Certificate, users: list[str]) -> str | None:
    return Names(users).user_of(certificate, lambda _: True)


def subject(*parts: tuple[tuple[str, str], ...]) -> Certificate:
    """A certificate with this subject, its parts in the certificate's order."""
    return Certificate(subject=parts)


ANN = subject(((C, "US"),), ((O, "NATS"),), ((OU, "edge"),), ((CN, "ann"),))


def test_e_mail_goes_before_dns_before_uri_before_the_subject() -> None:
    certificate = Certificate(subject=(((CN, "s"),),), emails=("e",), dns_names=("d",), uris=("u",))

    assert mapped_user(certificate, ["CN=s", "u", "d", "e"]) == "e"
    assert mapped_user(certificate, ["CN=s", "u", "d"]) == "d"
    assert mapped_user(certificate, ["CN=s", "u"]) == "u"
    assert mapped_user(certificate, ["CN=s"]) == "CN=s"
    assert mapped_user(certificate, ["s", ""]) is None


@pytest.mark.parametrize(
    "user",
    [
        "CN=ann,OU=edge,O=NATS,C=US",
        "cn=ann, ou=edge, o=NATS, c=US",
        "C=US,O=NATS,OU=edge,CN=ann",
        "OU=edge,CN=ann,C=US,O=NATS",
    ],
)
def test_a_subject_is_the_same_in_any_order_and_case_of_attributes(user: str) -> None:
    assert mapped_user(ANN, [user]) == user


@pytest.mark.parametrize(
    "user",
    [
        "CN=ann",
        "CN=ann,OU=edge,O=NATS",
        "CN=ann,OU=edge,O=NATS,C=US,C=US",
        "CN=Ann,OU=edge,O=NATS,C=US",
        "CN=ann+OU=edge,O=NATS,C=US",
        "CN=ann,OU=edge,O=NATS,C=US,DC=x",
        "CN=ann\\,OU=edge,O=NATS,C=US",
        "CN=ann,OU=edge,O=#4e415453,C=US",
    ],
)
def test_more_less_or_other_parts_are_another_subject(user: str) -> None:
    assert mapped_user(ANN, [user]) is None


def test_the_exact_order_wins_over_another_one() -> None:
    exact, other = "CN=ann,OU=edge,O=NATS,C=US", "C=US,O=NATS,OU=edge,CN=ann"

    assert mapped_user(ANN, [other, exact]) == exact


def test_who_may_not_come_in_this_way_leaves_the_place_to_the_next() -> None:
    exact, other = "CN=ann,OU=edge,O=NATS,C=US", "C=US,O=NATS,OU=edge,CN=ann"
    names = Names([exact, other, "ann@x"])

    assert names.user_of(ANN, lambda user: user != exact) == other
    assert names.user_of(ANN, lambda _: False) is None
    assert names.user_of(replace(ANN, emails=("ann@x",)), lambda user: "@" not in user) == exact


def test_several_values_in_one_part_stay_together() -> None:
    multi = subject(((O, "NATS"),), ((CN, "ann"), (OU, "edge")))

    assert mapped_user(multi, ["OU=edge+CN=ann,O=NATS"]) == "OU=edge+CN=ann,O=NATS"
    assert mapped_user(multi, ["CN=ann+OU=other,O=NATS"]) is None


def test_repeated_parts_count() -> None:
    twice = subject(((DC, "org"),), ((DC, "org"),), ((CN, "ann"),))

    assert mapped_user(twice, ["CN=ann,DC=org,DC=org"]) == "CN=ann,DC=org,DC=org"
    assert mapped_user(twice, ["CN=ann,DC=org,DC=net"]) is None


def test_a_value_cannot_smuggle_in_a_part() -> None:
    forged = subject(((CN, "ann,OU=edge,O=NATS,C=US"),))

    assert mapped_user(forged, ["CN=ann,OU=edge,O=NATS,C=US"]) is None


def test_go_writes_a_subject_in_its_own_order_and_escaped() -> None:
    certificate = subject(((CN, " a,b#"),), ((OU, "x"),), ((OU, "y"),), ((O, "#1"),), ((C, "US"),))

    assert go_subject(certificate) == "CN=\\ a\\,b#,OU=x+OU=y,O=\\#1,C=US"
    assert mapped_user(certificate, [go_subject(certificate)]) is not None


def test_go_writes_fields_in_the_order_of_go_1_27_and_the_rest_behind() -> None:
    attributes: list[tuple[str, str | bytes]] = [
        ("2.5.4.12", "#a,"),
        *[(f"2.5.4.{number}", f"v{number}") for number in (6, 10, 8, 7, 17, 9, 11, 3, 5)],
        ("2.5.4.11", "b"),
        ("2.5.4.3", "last"),
        ("2.5.4.45", b"\x03\x01\0"),
    ]

    assert go_name(attributes) == (
        "SERIALNUMBER=v5,CN=last,OU=v11+OU=b,O=v10,POSTALCODE=v17,STREET=v9,L=v7,ST=v8,C=v6,"
        "2.5.4.45=#030100,2.5.4.12=\\#a\\,"
    )
    assert go_name([]) == ""


def test_an_attribute_without_a_name_leaves_go_s_text_only() -> None:
    certificate = subject((("1.2.3.4", "x"),), ((CN, "ann"),))

    assert mapped_user(certificate, ["CN=ann"]) == "CN=ann"
    assert mapped_user(certificate, ["CN=ann,1.2.3.4=x"]) is None


def test_domain_components_follow_go_s_text() -> None:
    certificate = subject(((DC, "org"),), ((DC, "nats"),), (("1.2.3.4", "x"),), ((CN, "ann"),))

    assert mapped_user(certificate, ["CN=ann,DC=org,DC=nats"]) == "CN=ann,DC=org,DC=nats"


def test_escapes_are_read_back() -> None:
    assert parse_name("CN=a\\,b\\20\\c3\\a9 ") == parse_name("CN = a\\2cb\\ é")
    for broken in ("", "CN", "=x", "CN=a\\", "CN=a\\zz", "CN=a,", "C N=a"):
        assert parse_name(broken) is None


@given(st.text(alphabet='CNOU=,+\\" #a\x00é', max_size=40))
def test_any_text_is_a_name_or_none(text: str) -> None:
    parse_name(text)


def test_what_ssl_says_becomes_a_certificate() -> None:
    verified = {
        "subject": (((CN, "ann"),),),
        "subjectAltName": (
            ("DNS", "edge"),
            ("email", "ann@nats.io"),
            ("URI", "spiffe://x"),
            ("IP Address", "127.0.0.1"),
            ("DirName", ((("commonName", "x"),),)),
        ),
    }

    certificate = certificate_of(verified, (b"der", b"ca"))

    assert certificate == Certificate(
        (((CN, "ann"),),), ("ann@nats.io",), ("edge",), ("spiffe://x",), (b"der", b"ca")
    )

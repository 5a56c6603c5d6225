"""TLS alerts about our certificate, as several versions of OpenSSL name them."""

from __future__ import annotations

import pytest

from leafnode.leaf.alert import in_words

EXPIRED = "TLS: this remote's certificate has expired"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "Read Error: [SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired",
            EXPIRED,
        ),
        ("[SSL: SSL/TLS_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert certificate expired", EXPIRED),
        (
            "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:1)",
            "TLS: the hub demands a certificate: tls { cert_file, key_file }",
        ),
        (
            "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:1000)",
            "TLS: the hub does not trust who signed this remote's certificate",
        ),
    ],
)
def test_an_alert_about_our_certificate_is_told_in_words(error: str, words: str) -> None:
    assert in_words(error) == words


def test_whatever_else_went_wrong_stays_as_it_is() -> None:
    assert in_words("connection refused") == "connection refused"

"""TLS from the command line: texts as nats-server 2.15.1 has them."""

from __future__ import annotations

import pytest

from leafnode.cli.flags import FlagError, overlay, parse_flags
from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.config.options import Options

FILE = Options(tls=ListenerTls(pairs=(CertificatePair("a", "b"),), verify_and_map=True))
PAIR = ("--tlscert", "c", "--tlskey", "k")


def laid_over(*argv: str, options: Options = FILE) -> ListenerTls | None:
    return overlay(options, parse_flags(argv)).tls


def test_without_flags_the_file_stands() -> None:
    assert laid_over() == FILE.tls


def test_the_flags_stand_alone() -> None:
    assert laid_over("--tls", *PAIR) == ListenerTls(pairs=(CertificatePair("c", "k"),))


def test_verification_needs_no_other_flag() -> None:
    wanted = ListenerTls(pairs=(CertificatePair("c", "k"),), ca_file="r", verify=True)

    assert laid_over("--tlsverify", "--tlscacert", "r", *PAIR, options=Options()) == wanted


def test_tls_can_be_turned_off() -> None:
    assert laid_over("--tls=false") is None


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--tls"], "TLS Server certificate must be present and valid"),
        (["--tls", "--tlscert", "c"], "TLS Server private key must be present and valid"),
    ],
)
def test_without_certificate_and_key_there_is_no_tls(argv: list[str], text: str) -> None:
    with pytest.raises(FlagError, match=text):
        laid_over(*argv)

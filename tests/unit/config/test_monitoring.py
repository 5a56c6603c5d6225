"""leafnode.config.monitoring: keys of monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.options import Options


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


@pytest.mark.parametrize(
    ("written", "path"),
    [("nats", "/nats"), ("/nats/", "/nats"), ("/a//b/../c", "/a/c"), ("/", ""), ("..", "")],
)
def test_a_base_path_begins_with_a_slash_and_does_not_end_with_one(written: str, path: str) -> None:
    assert options(f'http_base_path: "{written}"').http_base_path == path


@pytest.mark.parametrize("written", ["/a?b", "/a b", "/a#", "/%2e", "/ä", "/{x}"])
def test_a_base_path_that_no_request_could_have_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match="expected a path such as /nats"):
        options(f'http_base_path: "{written}"')


def test_closed_clients_have_a_maximum() -> None:
    assert options("max_closed_clients: 7").max_closed_clients == 7
    assert options("max_closed_clients: 0").max_closed_clients == limits.MAX_CLOSED_CLIENTS
    with pytest.raises(ConfigError, match="max_closed_clients: expected a count"):
        options("max_closed_clients: -1")


TLS = 'tls { cert_file: "c.pem", key_file: "k.pem" }'


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("https: 8443", "127.0.0.1", 8443), ('https: "10.0.0.1:9"', "10.0.0.1", 9)],
)
def test_https_listens_with_the_clients_certificate(text: str, host: str, port: int) -> None:
    bound = options(f"{text}\n{TLS}")

    assert bound.https is not None
    assert (bound.https.host, bound.https.port, bound.http) == (host, port, None)
    assert options(f"https_port: 0\n{TLS}").https is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https_port: 1", "x.conf:1:1: https_port: expected tls"),
        (f"http: 1\nhttps: 2\n{TLS}", "x.conf:2:1: https: expected http or https, not both"),
    ],
)
def test_https_needs_a_certificate_and_does_not_stand_beside_http(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(text)

    assert str(caught.value).startswith(problem)

"""Where the running server is, and how a command logs in to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from leafnode.cli.nats import place
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.nats.place import Place

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_CREDS", "NATS_CA"):
        monkeypatch.delenv(name, raising=False)


def found(**given: str | None) -> Place:
    return place.find(**{"config": None, "server": None, "creds": None, "tlsca": None, **given})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, Place("127.0.0.1", 4222)),
        ("gateway", Place("gateway", 4222)),
        ("nats://gateway:5222", Place("gateway", 5222)),
        ("tls://gateway", Place("gateway", 4222, is_tls=True)),
        ("nats://me:p%40ss@gateway", Place("gateway", 4222, "me", "p@ss")),
        ("nats://t0ken@gateway", Place("gateway", 4222, token="t0ken")),
        ("nats://[::1]:5222", Place("::1", 5222)),
    ],
)
def test_a_url_says_where_and_who(url: str | None, expected: Place) -> None:
    assert found(server=url) == expected


@pytest.mark.parametrize("url", ["http://x", "nats://", "nats://x:70000", "nats://x:y"])
def test_what_is_no_url_of_a_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(NatsError, match="expected a server like nats://"):
        found(server=url)


def test_user_and_password_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_USER", "me")
    monkeypatch.setenv("NATS_PASSWORD", "s3cret")

    place_ = found(creds="x.creds", tlsca="ca.pem")

    assert place_ == Place(
        "127.0.0.1", 4222, "me", "s3cret", credentials="x.creds", ca_file="ca.pem"
    )
    assert "s3cret" not in repr(place_)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen: 0.0.0.0:5222", Place("127.0.0.1", 5222)),
        ("authorization { user: a, password: b }", Place("127.0.0.1", 4222, "a", "b")),
        ("authorization { token: t }", Place("127.0.0.1", 4222, token="t")),
        (
            "authorization { users: [ { user: a, password: b }, { user: c, password: d } ] }",
            Place("127.0.0.1", 4222, "a", "b"),
        ),
        (
            """accounts { A { users: [ { user: a, password: b } ] }
                          B { users: [ { user: c, password: d } ] } }
            serial { account: B, ports: [ { name: p, device: /dev/x, subject: s.p } ] }""",
            Place("127.0.0.1", 4222, "c", "d"),
        ),
        (
            "authorization { user: a, password: "
            "'$2a$11$ooo8Y4Ff8mGdQO8OHOGpZuwmRPEU5B2bMQH1D7m7zHmzBZ3zNqjYe' }",
            Place("127.0.0.1", 4222),
        ),
    ],
)
def test_a_configuration_says_where_and_who_where_it_has_that_in_plain_text(
    tmp_path: Path, text: str, expected: Place
) -> None:
    file = tmp_path / "x.conf"
    file.write_text(text)

    assert found(config=str(file)) == expected


def test_the_options_are_those_that_find_takes() -> None:
    got: list[dict[str, Any]] = []

    @click.command()
    @place.options
    def command(**where: Any) -> None:
        got.append(where)

    result = CliRunner().invoke(
        command,
        ["-s", "nats://x", "-c", "f", "--creds", "c", "--tlsca", "t"],
        env={"NATS_URL": "nats://y"},
    )

    assert result.exit_code == 0
    assert got == [{"server": "nats://x", "config": "f", "creds": "c", "tlsca": "t"}]

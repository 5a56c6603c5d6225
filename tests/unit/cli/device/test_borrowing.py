"""leafnode.cli.device.borrowing: a port that a server has open is lent for as long as it takes."""

from pathlib import Path
from typing import Any

import pytest

from leafnode.cli.device import borrowing
from leafnode.cli.device.borrowing import NoPort, borrowed
from leafnode.cli.nats.errors import NatsError

NOBODY: dict[str, str | None] = {"config": None, "server": None, "creds": None, "tlsca": None}
NAMED = NOBODY | {"server": "nats://h:1"}


class FakeClient:
    """Implements what borrowing needs of Client; notes what it was asked."""

    server = "gw"

    def __init__(self, ports: list[dict[str, Any]] | None) -> None:
        self.asked: list[str] = []
        self._ports = ports

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.asked.append("closed")

    def ask_json(
        self, subject: str, _request: object = None, *, timeout_s: float = 0
    ) -> dict[str, Any]:
        self.asked.append(subject.removeprefix("$LEAFNODE.REQ.gw."))
        if self._ports is None:
            raise NatsError("no responders")
        return {"ports": self._ports, "path": "/dev/x", "was_lent": True}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a server in place, whose ports are these."""

    def put(ports: list[dict[str, Any]] | None) -> FakeClient:
        client = FakeClient(ports)
        monkeypatch.setattr(borrowing, "Client", lambda *_: client)
        return client

    return put


def test_a_port_that_the_server_has_is_lent_and_given_back(server, tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    client = server([{"name": "node", "device": "by-id:x", "path": str(device), "open": True}])
    told: list[str] = []

    with borrowed(str(tmp_path / "by-id"), NOBODY, told.append) as port:
        assert port == str(tmp_path / "by-id")
        assert client.asked == ["PORTS", "PORT.node.LEND"]

    assert client.asked[2:] == ["PORT.node.RETURN", "closed"]
    assert told == ["the server lends port node"]


def test_it_is_given_back_when_what_was_done_with_it_fails(server) -> None:
    client = server([{"name": "node", "device": "/dev/null", "path": "", "open": True}])

    with pytest.raises(OSError, match="gone"), borrowed("/dev/null", NOBODY, str):
        raise OSError("gone")

    assert client.asked[2:] == ["PORT.node.RETURN", "closed"]


def test_a_port_that_the_server_does_not_have_is_not_lent(server) -> None:
    client = server([{"name": "node", "device": "/dev/null", "path": "", "open": False}])

    with borrowed("/dev/null", NAMED, str) as port:
        assert port == "/dev/null"

    assert client.asked == ["PORTS", "closed"]


def test_a_server_that_was_not_named_need_not_be_there_or_answer(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(None)
    with borrowed("/dev/null", NOBODY, str) as port:
        assert port == "/dev/null"
    with pytest.raises(NatsError, match="no responders"), borrowed("/dev/null", NAMED, str):
        pass

    def refuse(*_: object) -> None:
        raise NatsError("no server")

    monkeypatch.setattr(borrowing, "Client", refuse)
    with borrowed("/dev/null", NOBODY, str) as port:
        assert port == "/dev/null"
    with pytest.raises(NatsError, match="no server"), borrowed("/dev/null", NAMED, str):
        pass


def test_without_a_port_the_way_to_find_one_is_told() -> None:
    with pytest.raises(NoPort, match="leafnode device ls"), borrowed(None, NOBODY, str):
        pass

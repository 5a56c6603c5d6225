"""`leafnode port lend`, against a server that is a list of answers."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from click.testing import CliRunner

from leafnode.cli.ports import lending
from leafnode.cli.ports.errors import PortError

LENT = {"path": "/dev/pts/7", "seconds": 60}


class FakeClient:
    """Implements what lending needs of Client; notes what it was asked."""

    server = "gw"
    asked: list[tuple[str, object]]
    answers: dict[str, dict[str, Any]]

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask_json(
        self, subject: str, request: object = None, *, timeout_s: float = 0
    ) -> dict[str, Any]:
        self.asked.append((subject.removeprefix("$LEAFNODE.REQ.gw.PORT."), request))
        return self.answers[subject.rpartition(".")[2]]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    FakeClient.asked = []
    FakeClient.answers = {"LEND": LENT, "RETURN": {"was_lent": True}}
    monkeypatch.setattr(lending, "Client", FakeClient)
    return FakeClient


def lease_of(client: type[FakeClient]) -> dict[str, Any]:
    """Return the body of the only LEND, whose lease the RETURN behind it names."""
    [(lend, asked), (back, returned)] = client.asked
    assert (lend, back) == ("scale.LEND", "scale.RETURN")
    assert isinstance(asked, dict)
    assert returned == {"lease": asked["lease"]}
    return asked


def test_a_port_is_lent_for_a_time_and_given_back(client: type[FakeClient]) -> None:
    client.answers["LEND"] = LENT | {"seconds": 300}
    lent = CliRunner().invoke(lending.lend, ["scale", "--for", "5m"])
    back = CliRunner().invoke(lending.lend, ["scale", "--back"])

    assert lent.output == "scale is lent for 300 s: /dev/pts/7\n"
    assert back.output == "scale is back\n"
    assert client.asked == [("scale.LEND", {"seconds": 300.0}), ("scale.RETURN", None)]


def test_a_port_that_was_never_open_has_no_path(client: type[FakeClient]) -> None:
    client.answers["LEND"] = LENT | {"path": ""}

    lent = CliRunner().invoke(lending.lend, ["scale"])

    assert lent.output == "scale is lent for 60 s: its device is not there\n"


def test_one_that_was_not_lent_is_said(client: type[FakeClient]) -> None:
    client.answers["RETURN"] = {"was_lent": False}

    assert CliRunner().invoke(lending.lend, ["scale", "--back"]).output == "scale was not lent\n"


def test_a_command_has_the_path_and_its_status_and_the_port_goes_back_at_its_end(
    client: type[FakeClient],
) -> None:
    words = ["scale", "--", "sh", "-c", "test {} = /dev/pts/7 && exit 3"]

    result = CliRunner().invoke(lending.lend, words, standalone_mode=False)

    assert result.return_value == 3
    asked = lease_of(client)
    assert asked["seconds"] == 30
    assert asked["holder"].startswith(f"sh, pid {os.getpid()} on ")


@pytest.mark.parametrize("before", [[], ["--for", "5m"]])
@pytest.mark.parametrize("behind", [[], ["--for=5m", "-s", "nats://gw"]])
def test_the_options_of_a_command_are_its_own(
    client: type[FakeClient], before: list[str], behind: list[str]
) -> None:
    words = [*before, "scale", *behind, "sh", "-c", 'test "$*" = "--for 1h -s x" && exit 5', "sh"]

    words += ["--for", "1h", "-s", "x"]
    lent = CliRunner().invoke(lending.lend, words, standalone_mode=False)

    assert lent.return_value == 5, lent.output


def test_an_option_that_is_none_is_refused_where_ours_stand(client: type[FakeClient]) -> None:
    refused = CliRunner().invoke(lending.lend, ["scale", "--forr", "5m"])

    assert (refused.exit_code, client.asked) == (2, [])
    assert "--forr" in refused.output


def test_a_command_that_a_signal_ended_has_a_shells_status_for_it(client: type[FakeClient]) -> None:
    words = ["scale", "--", "sh", "-c", "kill -9 $$"]

    result = CliRunner().invoke(lending.lend, words, standalone_mode=False)

    assert result.return_value == 137


def test_a_command_has_the_port_for_a_time_at_most(client: type[FakeClient]) -> None:
    CliRunner().invoke(lending.lend, ["scale", "--for", "5s", "true"])

    assert 4 < lease_of(client)["seconds"] <= 5


def test_a_command_that_is_not_there_gives_the_port_back(client: type[FakeClient]) -> None:
    result = CliRunner().invoke(lending.lend, ["scale", "/no/such/program"])

    assert isinstance(result.exception, PortError)
    assert str(result.exception) == "/no/such/program: No such file or directory"
    assert lease_of(client)


@pytest.mark.usefixtures("heeds_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_the_port_goes_back(
    client: type[FakeClient], number: signal.Signals
) -> None:
    words = ["scale", "--", "sh", "-c", f"kill -{number.value} {os.getpid()}; exec sleep 600"]

    result = CliRunner().invoke(lending.lend, words, standalone_mode=False)

    assert result.return_value == 128 + number
    assert lease_of(client)


@pytest.mark.parametrize("time", ["60", "soon", "-1s", "0s"])
def test_a_time_has_a_unit(client: type[FakeClient], time: str) -> None:
    result = CliRunner().invoke(lending.lend, ["scale", "--for", time])

    assert "expected a duration like 30s" in result.output
    assert client.asked == []

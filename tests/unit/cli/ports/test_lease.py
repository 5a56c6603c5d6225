"""A lease is renewed for as long as its holder is there, and given back once."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.machine import this_machine
from leafnode.cli.nats.errors import NatsError
from leafnode.cli.ports import lease as lease_module
from leafnode.cli.ports.errors import PortError
from leafnode.cli.ports.lease import LEASE_S, Lease, lent, port_token
from leafnode.clock import NS_PER_S
from tests.sim.clock import FakeClock


class FakeClient:
    """Implements what a lease needs of Client; notes what it was asked, fails when told to."""

    server = "gw"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.reconnects = 0
        self.path = "/dev/pts/7"
        self.machine: dict[str, str] = {"machine": this_machine()}
        self.failure: Exception | None = None
        self.is_cured_by_another_connection = False

    def ask_json(self, subject: str, request: Any, *, timeout_s: float = 0) -> dict[str, Any]:
        self.asked.append(subject.rpartition(".")[2])
        self.bodies.append(request)
        if self.failure is not None:
            raise self.failure
        return {"path": self.path, "was_lent": True, **self.machine}

    def reconnect(self) -> None:
        self.reconnects += 1
        if self.is_cured_by_another_connection:
            self.failure = None


class Held:
    """A lease of somebody who does not wait for its thread: `renew` is called here."""

    def __init__(
        self, most_s: float | None = None, holder: str = "minicom", *, opens_it: bool = False
    ) -> None:
        self.client = FakeClient()
        self.clock = FakeClock()
        self.said: list[str] = []
        self.lease = Lease(
            self.client,  # type: ignore[arg-type]
            "gps",
            holder,
            self.clock,
            self.said.append,
            most_s=most_s,
            opens_it=opens_it,
        )


def test_a_lease_is_short_and_renewed_under_its_name_long_before_it_ends() -> None:
    held = Held()

    assert held.lease.begin() == "/dev/pts/7"
    assert held.lease.renew() == 10
    held.lease.end()

    assert held.client.asked == ["LEND", "LEND", "RETURN"]
    lend, again, back = held.client.bodies
    assert lend == again
    assert lend["seconds"] == LEASE_S
    assert back == {"lease": lend["lease"]}
    assert held.said == []


@pytest.mark.parametrize(
    ("path", "machine", "is_lent"),
    [
        ("/dev/ttyUSB0", {"machine": "another"}, False),
        ("socket://10.0.0.7:4001", {"machine": "another"}, True),
        ("/dev/ttyUSB0", {"machine": ""}, True),
        ("/dev/ttyUSB0", {}, True),  # a server that does not say
    ],
)
def test_a_path_of_another_machine_is_not_taken_for_one_here(
    path: str, machine: dict[str, str], *, is_lent: bool
) -> None:
    """What has that path here would be written to."""
    held = Held()
    held.client.path, held.client.machine = path, machine

    if is_lent:
        assert held.lease.begin() == path
    else:
        with pytest.raises(PortError, match="gps: /dev/ttyUSB0 is of another machine"):
            held.lease.begin()
    held.lease.end()

    assert held.client.asked == ["LEND", "RETURN"]


@pytest.mark.parametrize("opens_it", [False, True])
@pytest.mark.parametrize("mode", ["", "kernel", "rts", "adapter"])
def test_a_bus_whose_server_moves_rts_is_not_opened_as_a_plain_line(
    mode: str, *, opens_it: bool
) -> None:
    """With RTS up its adapter would speak for as long as that takes."""
    held = Held(opens_it=opens_it)
    held.client.machine |= {"rs485": mode}

    if opens_it and mode == "rts":
        with pytest.raises(PortError, match="gps: RS-485 of mode rts, which only the server"):
            held.lease.begin()
    else:
        assert held.lease.begin() == "/dev/pts/7"
    held.lease.end()

    assert held.client.asked == ["LEND", "RETURN"]


def test_two_leases_have_two_names() -> None:
    one, other = Held(), Held()
    for held in (one, other):
        held.lease.begin()
        held.lease.end()

    assert one.client.bodies[0]["lease"] != other.client.bodies[0]["lease"]


def test_one_for_a_time_ends_with_that() -> None:
    held = Held(most_s=35)
    held.lease.begin()

    held.clock.advance(10 * NS_PER_S)
    assert held.lease.renew() == 10
    held.clock.advance(20 * NS_PER_S)
    assert held.lease.renew() == 5
    held.clock.advance(5 * NS_PER_S)
    assert held.lease.renew() is None
    held.lease.end()

    assert [body.get("seconds") for body in held.client.bodies] == [30, 25, 5, None]
    assert held.said == ["the time is over: the server opens gps again"]


@pytest.mark.parametrize("failure", [NatsError("the server does not answer"), OSError(104, "gone")])
def test_a_server_that_was_away_lends_it_again_and_both_are_said_once(failure: Exception) -> None:
    held = Held()
    held.lease.begin()

    held.client.failure = failure
    assert held.lease.renew() == 10
    assert held.lease.renew() == 10
    held.client.failure = None
    assert held.lease.renew() == 10
    held.lease.end()

    assert held.said == [f"gps is not lent for longer: {failure}", "gps is lent again"]
    assert held.client.reconnects == 2
    assert len({body["lease"] for body in held.client.bodies}) == 1


def test_a_server_that_was_started_anew_lends_it_at_the_next_renewal() -> None:
    held = Held()
    held.lease.begin()
    held.client.failure = NatsError("the connection to the server broke")
    held.client.is_cured_by_another_connection = True

    assert held.lease.renew() == 10
    held.lease.end()

    assert held.client.asked == ["LEND", "LEND", "LEND", "RETURN"]
    assert held.said == []


def test_a_port_that_is_not_lent_is_not_given_back() -> None:
    held = Held()
    held.client.failure = NatsError("the port is lent")

    with pytest.raises(NatsError, match="is lent"):
        held.lease.begin()
    held.lease.end()

    assert held.client.asked == ["LEND"]


def test_a_server_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_RENEW_S", 0)
    monkeypatch.setattr(lease_module, "_END_S", 0)
    held, asked, answered = Held(), threading.Event(), threading.Event()

    def hangs(*_: object, **__: object) -> dict[str, Any]:
        asked.set()
        answered.wait(60)
        raise NatsError("too late")

    held.lease.begin()
    held.client.ask_json = hangs  # type: ignore[method-assign]
    asked.wait(60)
    held.lease.end()

    assert held.said == ["gps was not given back: the server does not answer"]
    answered.set()


def test_a_port_whose_device_was_never_there_goes_back_at_once() -> None:
    client = FakeClient()
    client.path = ""

    with (
        pytest.raises(PortError, match="gps: its device is not there"),
        lent(client, "gps", "minicom"),  # type: ignore[arg-type]
    ):
        pass

    assert client.asked == ["LEND", "RETURN"]


def test_what_keeps_it_from_being_given_back_is_said() -> None:
    held = Held()
    held.lease.begin()
    held.client.failure = NatsError("there is no such port")

    held.lease.end()

    assert held.said == ["gps was not given back: there is no such port"]


@pytest.mark.parametrize("holder", ["x" * 1000, "a\x1b[31m\n"])
def test_a_holder_is_what_a_server_takes(holder: str) -> None:
    held = Held(holder=holder)
    held.lease.begin()
    held.lease.end()

    said = held.client.bodies[0]["holder"]
    assert f", pid {os.getpid()} on " in said
    assert len(said) <= port_bounds.LEASE_HOLDER_MAX
    assert said.isprintable()


@pytest.mark.usefixtures("heeds_signals")
def test_a_signal_gives_it_back() -> None:
    client = FakeClient()
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, lent(client, "gps", "minicom"):  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGTERM)

    assert ended.value.code == 143
    assert client.asked == ["LEND", "RETURN"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("name", ["a.b", "*", ">", "a b", "", "a\n"])
def test_a_name_that_would_be_another_subject_is_refused(name: str) -> None:
    with pytest.raises(PortError, match="expected the name of a port"):
        port_token(name)

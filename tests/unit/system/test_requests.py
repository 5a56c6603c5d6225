"""leafnode.system.requests: taken in, answered in turn, each in its envelope."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.limits import (
    SYSTEM_REQUEST_BYTES_MAX,
    SYSTEM_REQUEST_OTHERS_BYTES_MAX,
    SYSTEM_REQUESTS_ACCOUNT_MAX,
    SYSTEM_REQUESTS_MAX,
    SYSTEM_REQUESTS_OTHERS_MAX,
    SYSTEM_REQUESTS_TURN_NS,
)
from leafnode.system import options
from leafnode.system.requests import NoAnswer, Refused, Request, Service
from tests.sim.system import SystemWorld


def echo(request: Request, given: dict[str, Any]) -> object:
    return {"subject": request.subject, "given": given}


def refuse(_: Request, __: dict[str, Any]) -> object:
    raise Refused("no such thing")


def stay_silent(_: Request, __: dict[str, Any]) -> object:
    raise NoAnswer


@pytest.fixture
def world() -> SystemWorld:
    made = SystemWorld()
    made.requests.serve(made.system, "q.*", Service(echo, options.STATSZ))
    made.requests.serve(made.system, "r", Service(refuse, options.STATSZ))
    made.requests.serve(made.system, "k", Service(refuse, options.CID, is_command=True))
    made.requests.serve(made.system, "s", Service(stay_silent, None))
    return made


def test_an_answer_has_the_server_and_the_data(world: SystemWorld) -> None:
    answer = world.ask(b"q.1", b'{"server_name":"edge"}')

    assert list(answer) == ["server", "data"]
    assert answer["data"] == {"subject": "q.1", "given": {"server_name": "edge"}}


def test_a_request_for_another_server_is_not_answered(world: SystemWorld) -> None:
    assert world.ask(b"q.1", b'{"server_name":"other"}') is None


def test_a_body_that_cannot_be_read_is_a_400(world: SystemWorld) -> None:
    answer = world.ask(b"q.1", b"{bad")

    assert list(answer) == ["server", "error"]
    assert answer["error"]["code"] == 400


def test_a_refusal_is_a_500_with_nothing_as_data(world: SystemWorld) -> None:
    answer = world.ask(b"r")

    assert list(answer) == ["server", "data", "error"]
    assert answer["data"] is None
    assert answer["error"] == {"code": 500, "description": "no such thing"}


def test_a_command_that_fails_has_no_data_at_all(world: SystemWorld) -> None:
    assert "data" not in world.ask(b"k")


def test_nothing_to_say_is_no_answer(world: SystemWorld) -> None:
    assert world.ask(b"s") is None


def test_a_request_without_a_reply_is_passed_over(world: SystemWorld) -> None:
    world.system.publish(b"q.1")

    assert world.requests.waiting == 0


def test_an_answer_is_compressed_where_that_is_asked_for(world: SystemWorld) -> None:
    block = b"NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n"

    assert world.ask(b"q.1", header=block).startswith(b"NATS/1.0\r\nContent-Encoding: gzip\r\n")


def test_what_comes_without_an_envelope_is_never_compressed(world: SystemWorld) -> None:
    block = b"NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n"

    assert world.ask(b"$SYS.REQ.SERVER.PING.IDZ", header=block).startswith(b"{")
    assert world.ask(b"$SYS.REQ.SERVER.PING.STATSZ", header=block).startswith(b"{")


def test_an_error_is_never_compressed(world: SystemWorld) -> None:
    block = b"NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n"

    assert world.ask(b"r", header=block).startswith(b"{")


def test_requests_at_the_bound_wait_and_one_more_is_dropped_and_counted(world: SystemWorld) -> None:
    for _ in range(SYSTEM_REQUESTS_MAX + 1):
        world.system.publish(b"q.1", reply=b"_INBOX.x")

    assert (world.requests.waiting, world.requests.refused) == (SYSTEM_REQUESTS_MAX, 1)
    world.settle()
    assert world.requests.waiting == 0


def test_a_request_that_waits_keeps_no_large_body_and_no_large_header(
    world: SystemWorld,
) -> None:
    kept: list[Request] = []
    world.requests.serve(world.system, "keep", Service(lambda r, _: kept.append(r), None))

    header = b"NATS/1.0\r\nA: " + b"x" * 70_000 + b"\r\n\r\n"
    world.system.publish(b"keep", header + b"y" * 1_000_000, header_size=len(header), reply=b"r")
    world.settle()

    assert (len(kept[0].header), len(kept[0].body)) == (0, SYSTEM_REQUEST_BYTES_MAX + 1)
    assert world.ask(b"q.1", b" " * 1_000_000)["error"]["code"] == 400


def test_a_request_of_another_account_is_short_or_refused(world: SystemWorld) -> None:
    other = world.server.account("A")
    world.requests.serve(other, "q", Service(echo, options.STATSZ))
    bodies = [b"{}".ljust(SYSTEM_REQUEST_OTHERS_BYTES_MAX + more) for more in (0, 1)]

    answers = [world.ask(b"q", body, account="A") for body in bodies]

    assert "error" not in answers[0]
    assert answers[1]["error"] == {"code": 400, "description": "request is too large"}


def test_a_flood_of_accounts_leaves_the_system_account_its_answers(world: SystemWorld) -> None:
    share = SYSTEM_REQUESTS_ACCOUNT_MAX
    others = [world.server.account(f"A{n}") for n in range(SYSTEM_REQUESTS_OTHERS_MAX // share + 1)]
    for number, other in enumerate(others, 1):
        world.requests.serve(other, "q", Service(echo, options.STATSZ))
        for _ in range(share + 1):
            other.publish(b"q", reply=b"_INBOX.x")
        assert world.requests.waiting <= share * number

    assert world.requests.waiting == SYSTEM_REQUESTS_OTHERS_MAX
    assert world.requests.refused == 4 + share + 1
    assert world.ask(b"q.1") is not None
    for _ in range(100):
        world.settle()
    assert world.requests.waiting == 0
    others[0].publish(b"q", reply=b"_INBOX.x")
    assert world.requests.waiting == 1


def test_others_have_a_turn_after_a_few_milliseconds_of_answers(world: SystemWorld) -> None:
    turns: list[int] = []

    def slow(_: Request, __: dict[str, Any]) -> object:
        world.clock.advance(SYSTEM_REQUESTS_TURN_NS)  # what answering takes
        turns.append(world.requests.waiting)
        world.clock.call_later(0, lambda: turns.append(-1))
        return {}

    world.requests.serve(world.system, "slow", Service(slow, None))
    for _ in range(2):
        world.system.publish(b"slow", reply=b"_INBOX.x")
    for _ in range(3):
        world.settle()

    assert turns == [2, -1, 1, -1]


def test_a_fault_of_an_endpoint_harms_no_other_request(world: SystemWorld) -> None:
    faults: list[bytes] = []
    world.system.on_fault = lambda subject, _: faults.append(subject)
    world.requests.serve(world.system, "f", Service(lambda _, __: 1 // 0, None))

    assert world.ask(b"f") is None
    assert world.ask(b"q.1") is not None
    assert faults == [b"f"]


def test_an_answer_that_cannot_be_written_harms_no_other_request(world: SystemWorld) -> None:
    faults: list[bytes] = []
    world.system.on_fault = lambda subject, _: faults.append(subject)
    world.requests.serve(world.system, "f", Service(lambda _, __: {"data": "\ud800"}, None))

    assert world.ask(b"f") is None
    assert world.ask(b"q.1") is not None
    assert (faults, world.requests.waiting) == ([b"f"], 0)


def test_a_fault_that_nobody_takes_harms_no_other_request(world: SystemWorld) -> None:
    world.requests.serve(world.system, "f", Service(lambda _, __: 1 // 0, None))
    world.system.publish(b"f", reply=b"_INBOX.x")
    world.system.publish(b"q.1", reply=b"_INBOX.x")

    with pytest.raises(ZeroDivisionError):
        world.settle()
    world.settle()

    assert world.requests.waiting == 0
    assert world.ask(b"q.1") is not None


def test_a_command_that_takes_its_time_is_answered_when_it_is_done(world: SystemWorld) -> None:
    heard: list[bytes] = []
    world.system.subscribe(b"_INBOX.r", lambda d: heard.extend(body for _, _, body in d.messages))
    world.system.publish(b"$SYS.REQ.SERVER.NSERVER.RELOAD", reply=b"_INBOX.r")
    world.settle()
    before = len(heard)

    world.reloads[0]("no such file")
    world.reloads[0]("")

    assert before == 0
    assert b'"error":{"code":500,"description":"no such file"}' in heard[0]
    assert b"error" not in heard[1]


def test_a_command_for_another_server_is_not_started(world: SystemWorld) -> None:
    world.ask(b"$SYS.REQ.SERVER.NSERVER.RELOAD", b'{"server_name":"other"}')

    assert world.reloads == []


@pytest.mark.parametrize(
    "subject",
    [b"$SYS.REQ.USER.INFO", b"$SYS.REQ.ACCOUNT.PING.STATZ", b"$SYS.REQ.SERVER.PING.CONNZ"],
)
def test_an_answer_to_who_names_the_api_as_reply_asks_nothing_there(subject: bytes) -> None:
    world, api = SystemWorld(), b"$JS.API.CONSUMER.RESET.T.C"
    account, client = world.server.account("$G"), world.client()
    origins: list[object] = []
    heard = world.hear("$G", api)
    account.subscribe(b"here", lambda delivery: origins.append(delivery.origin))

    for reply in (api, b"here"):
        client.says(b"PUB %b %b 0\r\n\r\n" % (subject, reply))

    assert heard == []
    assert origins == [account.answering], "JetStream and ports take nothing that comes from it"


def test_an_answer_of_the_system_account_lends_nobody_its_rights(world: SystemWorld) -> None:
    origins: list[object] = []
    world.system.subscribe(b"here", lambda delivery: origins.append(delivery.origin))

    world.system.publish(b"q.1", reply=b"here")
    world.settle()

    assert origins == [world.system.answering]


def test_what_answers_somebody_and_asks_back_is_no_request(world: SystemWorld) -> None:
    """Else a service could ask in the account of whoever names a subject of these as reply."""
    heard = world.hear("$SYS", b"here")

    world.system.answer(b"q.1", b"", further=b"here")
    world.settle()
    assert heard == []

    world.system.publish(b"q.1", reply=b"here")
    world.settle()
    assert len(heard) == 1

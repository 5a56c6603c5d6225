"""leafnode.clients.infos: which INFO lines a client gets, and when."""

from __future__ import annotations

import json
from typing import Any

from tests.sim.clients import ClientWorld

MODERN = b'{"verbose":false,"protocol":1}'


def infos_in(heard: bytes) -> list[dict[str, Any]]:
    lines = heard.split(b"\r\n")
    return [json.loads(line.removeprefix(b"INFO ")) for line in lines if line.startswith(b"INFO ")]


def test_a_client_of_protocol_1_is_told_its_account_once_behind_its_first_pong() -> None:
    client = ClientWorld().client(MODERN)

    (told,) = infos_in(client.says(b"PING\r\n"))

    assert (told["connect_info"], told["remote_account"]) == (True, "$G")
    assert infos_in(client.says(b"PING\r\n")) == []


def test_an_older_client_is_told_nothing_behind_a_pong() -> None:
    assert ClientWorld().client().says(b"PING\r\n") == b"PONG\r\n"


def test_a_client_that_pinged_under_its_first_connect_is_told_nothing_behind_a_second() -> None:
    client = ClientWorld().client()
    client.says(b"PING\r\n")

    assert client.says(b"CONNECT " + MODERN + b"\r\nPING\r\n") == b"PONG\r\n"


def test_later_infos_reach_who_can_hear_them_and_ask_to_go_only_when_that_is_meant() -> None:
    client = ClientWorld().client(MODERN)
    before_its_pong = client.handler.tell()
    client.says(b"PING\r\n")

    told = client.handler.tell(), client.handler.tell_lame_duck()

    assert (before_its_pong, told) == (False, (True, True))
    assert [info.get("ldm", False) for info in infos_in(client.hears())] == [False, True]


def test_who_has_said_nothing_and_who_is_older_is_not_told_later() -> None:
    world = ClientWorld()

    assert [world.client(connect).handler.tell() for connect in (b"", b"{}")] == [False, False]

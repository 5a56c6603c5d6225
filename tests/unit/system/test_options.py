"""leafnode.system.options: requests read as Go reads them; the texts were measured."""

from __future__ import annotations

import pytest

from leafnode.limits import SYSTEM_REQUEST_BYTES_MAX
from leafnode.system.envelope import About
from leafnode.system.options import (
    ACCOUNT_STATZ,
    CONNZ,
    HEALTHZ,
    PROFILEZ,
    BadRequest,
    concerns,
    read,
)

ABOUT = About(id="N", name="edge-7", host="10.0.0.7", domain="edge", tags=("a:1", "b:2"))


def test_names_come_in_any_case_null_is_absent_and_the_unknown_is_skipped() -> None:
    given = read(b'{"ACC":"A","sort":null,"nobody":1,"limit":5,"auth":true}', CONNZ)

    assert given == {"acc": "A", "limit": 5, "auth": True}


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_nothing_asked_is_nothing_given(body: bytes) -> None:
    assert read(body, CONNZ) == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b"{", "unexpected end of JSON input"),
        (
            b'{"server_name":5}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.server_name of type string",
        ),
        (
            b'{"sort":5}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.sort of type server.SortOpt",
        ),
        (
            b'{"auth":1}',
            "json: cannot unmarshal number into Go struct field "
            "ConnzEventOptions.auth of type bool",
        ),
        (
            b'{"limit":true}',
            "json: cannot unmarshal bool into Go struct field ConnzEventOptions.limit of type int",
        ),
        (
            b'{"limit":1.5}',
            "json: cannot unmarshal number 1.5 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (
            b'{"cid":-1}',
            "json: cannot unmarshal number -1 into Go struct field "
            "ConnzEventOptions.cid of type uint64",
        ),
        (
            b'{"limit":9223372036854775808}',
            "json: cannot unmarshal number 9223372036854775808 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (b"[]", "json: cannot unmarshal array into Go value of type server.ConnzEventOptions"),
        (
            b'{"tags":"a"}',
            "json: cannot unmarshal string into Go struct field "
            "ConnzEventOptions.tags of type []string",
        ),
        (
            b'{"tags":["a",1]}',
            "json: cannot unmarshal number into ConnzEventOptions.tags.1 of type string",
        ),
        (
            b'{"cid":-0}',
            "json: cannot unmarshal number -0 into Go struct field "
            "ConnzEventOptions.cid of type uint64",
        ),
        (
            b'{"limit":1e2}',
            "json: cannot unmarshal number 1e2 into Go struct field "
            "ConnzEventOptions.limit of type int",
        ),
        (
            b'{"LIMIT":"a","limit":1}',
            "json: cannot unmarshal string into Go struct field "
            "ConnzEventOptions.LIMIT of type int",
        ),
        (
            b'{"nope":1e999,"user":{}}',
            "json: cannot unmarshal object into Go struct field "
            "ConnzEventOptions.user of type string",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_gos_words(body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body, CONNZ)

    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (b'{"user":"\\ud800x"}', {"user": "\ufffdx"}),
        (b'{"user":"\\ud83d\\ude00"}', {"user": "\U0001f600"}),
        (b'{"user":"\xff"}', {"user": "\ufffd"}),
        (b'{"tags":[null,"a"]}', {"tags": ["", "a"]}),
        ('{"u\u017fer":"a"}'.encode(), {"user": "a"}),
        (b'{"limit":-0}', {"limit": 0}),
        (b'{"limit":1,"limit":2}', {"limit": 2}),
        (b'{"limit":1,"limit":null}', {"limit": 1}),
        (b'{"nope":1e999}', {}),
    ],
)
def test_go_reads_more_than_others_take_for_json(body: bytes, given: dict[str, object]) -> None:
    assert read(body, CONNZ) == given


def test_deep_nesting_is_refused_and_not_followed() -> None:
    with pytest.raises(BadRequest):
        read(b'{"a":' + b"[" * 60_000, CONNZ)


def test_a_request_at_the_bound_is_read_and_a_larger_one_refused() -> None:
    at_bound = b'{"acc":"A"}'.ljust(SYSTEM_REQUEST_BYTES_MAX)

    assert read(at_bound, CONNZ) == {"acc": "A"}
    with pytest.raises(BadRequest, match="too large"):
        read(at_bound + b" ", CONNZ)


def test_names_with_a_dash_and_lists_are_read() -> None:
    assert read(b'{"js-enabled-only":true}', HEALTHZ) == {"js-enabled-only": True}
    assert read(b'{"accounts":["A"]}', ACCOUNT_STATZ) == {"accounts": ["A"]}
    assert read(b'{"duration":1000}', PROFILEZ) == {"duration": 1000}


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({}, True),
        ({"server_name": "edge"}, True),
        ({"server_name": "edge", "exact_match": True}, False),
        ({"server_name": "edge-7", "exact_match": True}, True),
        ({"host": "10.0"}, True),
        ({"host": "10.0", "exact_match": True}, False),
        ({"cluster": "c"}, False),
        ({"tags": ["a:1", "b:2"]}, True),
        ({"tags": ["a:1", "c:3"]}, False),
        ({"domain": "edge"}, True),
        ({"domain": "ed"}, False),
    ],
)
def test_a_filter_says_which_servers_are_asked(given: dict[str, object], answer: bool) -> None:
    assert concerns(ABOUT, given) is answer

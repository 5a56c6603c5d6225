"""leafnode.protocol.info: JSON as Go reads and writes it."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol.errors import ConnectMalformed, ParserError
from leafnode.protocol.info import Connect, ServerInfo, encode_info, parse_connect, raw_user

INFO = ServerInfo(
    server_id="N",
    server_name="edge",
    version="2.15.1",
    proto=1,
    git_commit="",
    go="",
    host="127.0.0.1",
    port=4222,
    headers=True,
    max_payload=1048576,
    client_id=5,
    client_ip="127.0.0.1",
    api_lvl=5,
    leafnode_version="0.1",
)


def test_info_always_has_what_clients_read_as_strings_and_numbers() -> None:
    line = encode_info(INFO)

    fields = json.loads(line.removeprefix(b"INFO "))
    assert line.endswith(b"} \r\n")
    assert fields["git_commit"] == ""
    assert fields["go"] == ""
    assert fields["max_payload"] == 1048576
    assert fields["leafnode_version"] == "0.1"


def test_info_leaves_out_what_does_not_apply() -> None:
    fields = json.loads(encode_info(INFO).removeprefix(b"INFO "))

    assert not {"auth_required", "nonce", "jetstream", "connect_info", "ldm"} & fields.keys()


def test_a_server_name_cannot_end_the_info_line() -> None:
    line = encode_info(msgspec.structs.replace(INFO, server_name="a\r\nPING\r\n"))

    assert line.count(b"\r\n") == 1


def test_an_empty_connect_is_verbose_pedantic_and_echoes() -> None:
    connect = parse_connect(b"{}")

    assert (connect.verbose, connect.pedantic, connect.echo) == (True, True, True)
    assert (connect.headers, connect.no_responders, connect.protocol) == (False, False, 0)


def test_the_password_comes_from_pass_and_stays_out_of_the_repr() -> None:
    connect = parse_connect(b'{"user":"joe","pass":"canary","auth_token":"canary","sig":"canary"}')

    assert connect.password == "canary"
    assert "canary" not in repr(connect)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"1", b'"x"', b'{"verbose":"x"}', b'{"verbose":1}', b'{"name":5}', b"{} x"],
)
def test_what_is_no_connect_closes_without_a_word(text: bytes) -> None:
    with pytest.raises(ParserError):
        parse_connect(text)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"jwt":['])
def test_deep_nesting_is_refused_like_any_bad_json(opening: bytes) -> None:
    with pytest.raises(ParserError):
        parse_connect(opening * 100_000)


@pytest.mark.parametrize("number", [b"1e999", b"1.5", b"NaN", b'"1"', b"true"])
def test_what_is_no_whole_number_is_no_protocol(number: bytes) -> None:
    with pytest.raises(ParserError):
        parse_connect(b'{"protocol":' + number + b"}")


@pytest.mark.parametrize("number", [b"99999999999999999999", b"-9223372036854775809"])
def test_a_number_that_go_cannot_hold_is_no_protocol(number: bytes) -> None:
    with pytest.raises(ParserError):
        parse_connect(b'{"protocol":' + number + b"}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"\udc00x", "\ufffdx"),
        (rb"\ud800\u0041", "\ufffdA"),
        (rb"\uD83D\uDE00", "\U0001f600"),
        (rb"\ud800\ud800\udc00", "\ufffd\U00010000"),
        (rb"\\ud800", r"\ud800"),
        (rb"\\\ud800", "\\\ufffd"),
        (b"\xff\xed\xa0\x80", "\ufffd" * 4),
    ],
)
def test_half_a_character_is_the_one_that_stands_for_none(text: bytes, name: str) -> None:
    assert parse_connect(b'{"name":"%b","n%b":1}' % (text, text)).name == name


def test_an_error_says_what_is_wrong_and_nothing_of_what_was_read() -> None:
    with pytest.raises(ConnectMalformed, match=r"Expected `str`, got `int` - at `\$\.pass`"):
        parse_connect(b'{"pass":4242}')
    with pytest.raises(ConnectMalformed) as caught:
        parse_connect(b'{"pass":"canary" canary}')
    assert "canary" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_connect_or_a_parser_error(text: bytes) -> None:
    with contextlib.suppress(ParserError):
        assert isinstance(parse_connect(text), Connect)


def test_a_token_is_no_name() -> None:
    assert raw_user(Connect(auth_token="t0ken")) == "[REDACTED]"
    assert raw_user(Connect(nkey="UKEY", user="bob")) == "UKEY"
    assert raw_user(Connect()) == ""

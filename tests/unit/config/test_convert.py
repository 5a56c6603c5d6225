"""Values: units, addresses, names, subjects. Measured on nats-server 2.15.1 where it knows them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_S
from leafnode.config import convert
from leafnode.config.options import HostPort
from leafnode.config.parser import parse
from leafnode.config.place import Place
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

NKEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def place(text: str) -> Place:
    root = parse(f"x: {text}", "x.conf").root
    assert isinstance(root.value, dict)
    return Place(root.value["x"], "x")


def refused(converter: Callable[[Place], object], text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        converter(place(text))
    assert caught.value.path == "x"
    return caught.value.problem


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("2s", 2_000_000_000),
        ('"2s"', 2_000_000_000),
        ("100ms", 100_000_000),
        ("1h30m", 5_400_000_000_000),
        ('"1.5s"', 1_500_000_000),
        ('".5s"', 500_000_000),
        ("1us", 1_000),
        ('"1µs"', 1_000),
        ('"1μs"', 1_000),
        ("7ns", 7),
    ],
)
def test_a_duration_is_written_as_in_go(text: str, duration_ns: int) -> None:
    assert convert.duration(place(text)) == duration_ns


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("soon", 'expected a duration, got "soon"'),
        ("2", "expected a duration, got 2 (write 2s for seconds)"),
        ('"2"', 'expected a duration, got "2"'),
        ("1d", 'expected a duration, got "1d"'),
        ("2S", 'expected a duration, got "2S"'),
        ('"1m 2s"', 'expected a duration, got "1m 2s"'),
        ('".s"', 'expected a duration, got ".s"'),
        ('"-1s"', 'expected a duration, got "-1s"'),
        ("0s", 'expected a duration above zero, got "0s"'),
        ("999999999h", 'expected a duration above zero, got "999999999h"'),
        ("true", "expected a duration, got true"),
        ("1.5", "expected a duration, got 1.5"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, problem: str) -> None:
    assert refused(convert.duration, text) == problem


@given(st.integers(0, 2**62))
def test_a_duration_in_nanoseconds_comes_back(duration_ns: int) -> None:
    whole, rest = divmod(duration_ns, 1_000_000_000)

    assert convert.parse_duration(f"{whole}s{rest}ns") == duration_ns
    assert convert.parse_duration(f"{whole}.{rest:09d}s") == duration_ns


@given(st.text(max_size=30) | st.text("0123456789.hmsuµn", max_size=30))
def test_any_word_is_a_duration_or_none(word: str) -> None:
    found = convert.parse_duration(word)

    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [("2", 2_000_000_000), ("0.5", 500_000_000), ("2s", 2_000_000_000), ("0", 77)],
)
def test_seconds_take_a_number_too_and_zero_is_the_default(text: str, duration_ns: int) -> None:
    assert convert.seconds(77)(place(text)) == duration_ns


def test_seconds_below_zero_are_refused() -> None:
    assert refused(convert.seconds(77), "-2") == "expected a duration above zero, got -2"


def test_a_number_outside_of_its_range_is_refused_and_special_ones_have_a_meaning() -> None:
    converter = convert.number(1, 9, "a count", {0: 5, -1: 0})

    assert [converter(place(text)) for text in ("1", "9", "0", "-1")] == [1, 9, 5, 0]
    assert refused(converter, "10") == "expected a count from 1 to 9, got 10"
    assert refused(converter, "-2") == "expected a count from 1 to 9, got -2"
    assert refused(converter, "true") == "expected a count, got true"
    assert refused(converter, '"5"') == 'expected a count, got "5"'


@pytest.mark.parametrize(
    ("text", "limit_bytes"),
    [
        ("1g", 1_000_000_000),
        ("1GB", 1 << 30),
        ('"1G"', 1 << 30),
        ('"10K"', 10_240),
        ('"2T"', 2 << 40),
        ("0", -1),
        ("-1", -1),
    ],
)
def test_a_storage_limit_in_quotes_is_binary(text: str, limit_bytes: int) -> None:
    assert convert.storage(place(text)) == limit_bytes


@pytest.mark.parametrize("text", ['"1g"', '"1GB"', '"5"', "-2", "much"])
def test_what_is_no_storage_limit_is_refused(text: str) -> None:
    assert refused(convert.storage, text).startswith("expected a size")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("4333", HostPort("", 4333)),
        ('"127.0.0.1:4333"', HostPort("127.0.0.1", 4333)),
        ("127.0.0.1:4333", HostPort("127.0.0.1", 4333)),
        ("localhost:-1", HostPort("localhost", -1)),
        ('":4333"', HostPort("0.0.0.0", 4333)),
        ('"[::1]:4333"', HostPort("::1", 4333)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: HostPort) -> None:
    assert convert.host_port(place(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        '"127.0.0.1"',
        '"::1:4222"',
        '"h:70000"',
        '"h:x"',
        '"a b:1"',
        '"h:-2"',
        '"a/b:1"',
        "70000",
        "[1]",
        "on",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refused(convert.host_port, text).startswith("expected ")


def test_an_empty_host_means_every_address() -> None:
    assert convert.host(place('""')) == "0.0.0.0"
    assert convert.host(place("127.0.0.1")) == "127.0.0.1"
    assert refused(convert.host, '"a b"') == 'expected a host name or an address, got "a b"'


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('"nats-leaf://h"', "nats-leaf://h:7422"),
        ('"leaf://h:1"', "leaf://h:1"),
        ('"nats://h:1"', "nats://h:1"),
        ('"TLS://Hub.example.com"', "tls://hub.example.com:7422"),
        ('"nats://[::1]:5"', "nats://[::1]:5"),
        ('"nats://u:p%40@h/"', "nats://u:p%40@h:7422"),
        ('"nats://token@h"', "nats://token@h:7422"),
        ("nats://h:1", "nats://h:1"),
    ],
)
def test_a_leaf_url_gets_its_default_port(text: str, url: str) -> None:
    assert convert.leaf_url(place(text)) == url


@pytest.mark.parametrize(
    "text",
    [
        '"h:7422"',
        '"h"',
        '"http://h"',
        '"nats://"',
        '"nats://:7422"',
        '"nats://h:99999"',
        '"nats://h:0"',
        '"nats://a b"',
        '"nats://h/path"',
        '"nats://h?x"',
        '"nats://[::1"',
        '""',
        "5",
        '"nats://h\\n"',
    ],
)
def test_what_is_no_leaf_url_is_refused(text: str) -> None:
    assert refused(convert.leaf_url, text).startswith("expected a URL like")


@pytest.mark.parametrize(
    "url",
    [
        "nats://u:s3cret@h:x",
        "u:s3cret@h",
        "http://s3cret@h",
        "nats://u:s3cret@[::1",
        "nats://s3cret/@h",
    ],
)
def test_an_error_about_a_url_leaves_user_and_password_out(url: str) -> None:
    assert "s3cret" not in refused(convert.leaf_url, f'"{url}"')


def test_a_websocket_url_may_have_a_path_and_has_the_port_of_leafs() -> None:
    assert convert.leaf_url(place('"wss://h"')) == "wss://h:7422"
    assert convert.leaf_url(place('"ws://u:p@h:80/a/b/"')) == "ws://u:p@h:80/a/b"
    assert refused(convert.leaf_url, '"ws://h/a#b"').startswith("expected a URL")


def test_a_secret_is_never_repeated() -> None:
    assert convert.secret(place("abc")) == "abc"
    for text in ("12345", "12.5", "true", '""', '"a\\nb"', "[x]"):
        assert refused(convert.secret, text).startswith("expected a string")


@pytest.mark.parametrize("text", ["5", '""', '"a\\tb"', "[]"])
def test_a_text_is_a_line_that_is_not_empty(text: str) -> None:
    assert refused(convert.text, text).startswith("expected a string")


def test_a_boolean_is_no_word_in_quotes_and_no_number() -> None:
    assert convert.boolean(place("yes")) is True
    assert refused(convert.boolean, '"true"') == 'expected true or false, got "true"'
    assert refused(convert.boolean, "1") == "expected true or false, got 1"


@pytest.mark.parametrize("text", ["foo", "foo.*.bar", "foo.>", ">", "foo.*bar"])
def test_a_subject_may_hold_wildcards(text: str) -> None:
    assert convert.subject(place(text)) == text


@pytest.mark.parametrize(
    "text", ['"a..b"', '"a b"', '""', "5", '">.a"', '"a\\rb"', '"' + "a." * 2048 + 'a"']
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    assert refused(convert.subject, text).startswith("expected a subject")


@pytest.mark.parametrize(
    ("text", "subject"),
    [('"a.> q.*"', "a.> q.*"), ('"a  q"', "a q"), ('" a q "', "a q"), ('"a\\tq"', "a q")],
)
def test_a_queue_may_stand_behind_a_subject(text: str, subject: str) -> None:
    assert convert.subject_and_queue(place(text)) == subject


@pytest.mark.parametrize("text", ['"a b c"', '"a..b q"', '"a q..r"', '" a"', '""', "5"])
def test_what_is_neither_a_subject_nor_one_with_a_queue_is_no_subject(text: str) -> None:
    assert convert.subject_and_queue(place("a.>")) == "a.>"
    assert refused(convert.subject_and_queue, text).startswith("expected a subject, got")


def test_a_list_may_be_one_value_but_not_empty() -> None:
    converter = convert.list_of(convert.subject, "subjects")

    assert converter(place("a")) == ("a",)
    assert converter(place("[a, b]")) == ("a", "b")
    assert refused(converter, "[]") == "expected at least one of subjects, got an empty array"
    with pytest.raises(ConfigError, match=r"x\[1\]: expected a subject, got 5"):
        converter(place("[a, 5 ]"))


@pytest.mark.parametrize(
    "text", ['"a b"', '"a.b"', '"a*"', '"a/b"', '"../x"', '"' + "a" * 256 + '"', '"{x}"']
)
def test_a_name_is_one_token_without_path_marks(text: str) -> None:
    assert refused(convert.name_of("name"), text).startswith("expected a name without")


def test_a_name_of_the_longest_length_is_taken() -> None:
    assert convert.name_of("name")(place("a" * 255)) == "a" * 255


@pytest.mark.parametrize(
    ("name", "valid"), [("edge-1", True), ("a.b", True), ("a b", False), ("a>", False)]
)
def test_a_server_name_has_no_blanks_or_wildcards(name: str, valid: bool) -> None:
    assert convert.is_server_name(name) is valid


@pytest.mark.parametrize("text", ['"a"', '"a.*."', '"a..", ', '"."', '"> ."'])
def test_a_subject_prefix_is_literal_and_ends_with_a_dot(text: str) -> None:
    assert convert.subject_prefix(place('"edge.1."')) == "edge.1."
    assert refused(convert.subject_prefix, text).startswith("expected a subject prefix")


@pytest.mark.parametrize(
    ("template", "framing", "problem"),
    [
        ("readings.{port}", "line", ""),
        ("{port}.x", "line", ""),
        ("r.{port}.{device}.{name}", "link", ""),
        (
            "r.{device}",
            "line",
            "{device} and {name} need modbus, link or text_link: line names neither",
        ),
        ("r.{sensor}", "link", "{sensor} is unknown: use {port}, {device} or {name}"),
        ("{device}.x", "link", "expected a first token that the device does not choose"),
        ("a{name}.x", "link", "expected a first token that the device does not choose"),
        ("$JS.{port}", "link", "a subject of readings must not start with $JS"),
        ("_INBOX.x", "line", "a subject of readings must not start with _INBOX"),
        ("_INBOX_a.x", "line", "a subject of readings must not start with _INBOX_a"),
        ("r.*", "line", 'expected a subject without wildcards, got "r.*"'),
        ("r..x", "line", 'expected a subject without wildcards, got "r..x"'),
        ("r.{", "line", 'expected a subject without wildcards, got "r.{"'),
    ],
)
def test_the_board_fills_only_later_tokens_of_a_subject(
    template: str, framing: str, problem: str
) -> None:
    assert convert.template_problem(template, "p1", framing=framing) == problem


SHORT_KEY = bytes([20 << 3]) + bytes(28)  # of a user, three bytes too short
PADDED_NKEY = base64.b32encode(
    SHORT_KEY + binascii.crc_hqx(SHORT_KEY, 0).to_bytes(2, "little")
).decode()


def test_a_public_nkey_needs_its_prefix_and_checksum() -> None:
    assert convert.public_nkey("U", "user")(place(NKEY)) == NKEY
    for wrong in (
        "UC",
        "A" + NKEY[1:],
        NKEY[:-1] + "5",
        NKEY.lower(),
        "5",
        "U" * 56,
        "U" + "1" * 55,
        PADDED_NKEY,
    ):
        problem = refused(convert.public_nkey("U", "user"), wrong)
        assert problem == "expected the public nkey of a user (U…)"


def test_a_public_nkey_of_any_kind_is_one_of_those_that_sign() -> None:
    assert convert.any_public_nkey(place(NKEY)) == NKEY
    assert refused(convert.any_public_nkey, "U" * 56) == "expected a public nkey"


def test_only_a_few_values_are_taken() -> None:
    taken = convert.only((False, "off"), why="only off")

    for text in ("false", "off", '"OFF"', "no"):
        taken(place(text))
    for text in ("true", "0", "on", "{}", '"false"'):
        assert refused(taken, text) == "only off"


def test_a_wait_is_a_duration_that_may_be_zero() -> None:
    for text in ("0", "0s", '"0ms"'):
        assert convert.wait(place(text)) == 0
    assert convert.wait(place("3s")) == 3 * NS_PER_S
    assert refused(convert.wait, "3") == "expected a duration, got 3 (write 3s for seconds)"
    for text in ("false", '""', '"-1s"'):
        assert refused(convert.wait, text).startswith("expected a duration, got ")


def test_an_interval_is_a_duration_and_a_number_is_deprecated() -> None:
    interval = convert.interval(7)

    for text in ("0", '"0s"'):
        assert interval(place(text)) == 7
    assert interval(place("3s")) == 3 * NS_PER_S
    number = place("3")
    assert interval(number) == 3 * NS_PER_S
    (told,) = number.notes.deprecated
    assert told.endswith("should be converted to a duration")
    assert refused(interval, "1.5").startswith("expected a duration, got 1.5")
    assert refused(interval, "-1").startswith("expected a duration above zero")


def test_an_empty_text_stands_for_the_default() -> None:
    assert convert.text_or("x")(place('""')) == "x"
    assert convert.text_or("x")(place("a")) == "a"
    assert refused(convert.text_or("x"), "1").startswith("expected a string")


def test_a_subject_to_publish_on_has_no_wildcards() -> None:
    assert convert.literal_subject(place("a.b")) == "a.b"
    assert refused(convert.literal_subject, '"a.*"') == (
        'expected a subject without wildcards, got "a.*"'
    )
    assert not convert.is_literal_subject("a..b")


def test_one_of_a_few_words_knows_no_case() -> None:
    assert convert.one_of("line", "link")(place("LINK")) == "link"
    assert refused(convert.one_of("line", "link"), "slip") == 'expected line or link, got "slip"'

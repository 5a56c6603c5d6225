"""Words of the nats.conf language. What each one means was measured on nats-server 2.15.1."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from leafnode.config.lexer import Kind, Lexer, Token
from leafnode.errors import ConfigError


def value_of(text: str) -> object:
    token = Lexer(text, "x.conf").value()
    assert token.kind is Kind.SCALAR
    return token.value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("-5", -5),
        ("010", 10),
        ("3k", 3_000),
        ("3K", 3_000),
        ("3kb", 3_072),
        ("3KB", 3_072),
        ("3ki", 3_072),
        ("3KiB", 3_072),
        ("3m", 3_000_000),
        ("3Mi", 3_145_728),
        ("3mib", 3_145_728),
        ("3g", 3_000_000_000),
        ("3gb", 3_221_225_472),
        ("3t", 3_000_000_000_000),
        ("3tib", 3_298_534_883_328),
        ("3p", 3_000_000_000_000_000),
        ("3pb", 3_377_699_720_527_872),
        ("3e", 3_000_000_000_000_000_000),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0" * 6000 + "7", 7),
    ],
)
def test_a_suffix_without_b_or_i_is_decimal_and_every_other_binary(text: str, number: int) -> None:
    assert value_of(text) == number


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "10e", "9" * 6000])
def test_a_number_beyond_64_bits_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="does not fit 64 bits"):
        value_of(text)


@pytest.mark.parametrize(("text", "number"), [("5.5", 5.5), ("-0.25", -0.25)])
def test_a_point_between_digits_makes_a_float(text: str, number: float) -> None:
    assert value_of(text) == number


def test_a_float_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="too large"):
        value_of("9" * 400 + ".0")


@pytest.mark.parametrize("text", ["true", "TRUE", "on", "On", "yes", "YES"])
def test_words_for_true_know_no_case(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize("text", ["false", "False", "off", "OFF", "no", "No"])
def test_words_for_false_know_no_case(text: str) -> None:
    assert value_of(text) is False


@pytest.mark.parametrize("text", ['"true"', "'5'", '"1k"', '"$HOME"'])
def test_quotes_make_a_string_of_anything(text: str) -> None:
    assert value_of(text) == text[1:-1]


@pytest.mark.parametrize(
    "text",
    [
        "2s",
        "1h30m",
        "1.5s",
        "5.",
        "-x",
        "1_000",
        "0x10",
        "1e3",
        "3kk",
        "1.2.3.4",
        "1.2.3.4:4222",
        "a:b",
        "a=b",
        "a{b",
        "a[b",
        "nats://h:1/",
        "a#b",
        "a//b",
        "#x",
        "//x",
        'a"b"',
        "x$EV",
        "é",
        ")",
    ],
)
def test_a_bare_word_is_a_string_up_to_a_blank_or_a_separator(text: str) -> None:
    assert value_of(text) == text
    assert value_of(text + " rest") == text
    assert value_of(text + ",rest") == text
    assert value_of(text + "]") == text


def test_a_date_in_zulu_form_is_a_date() -> None:
    assert value_of("2024-02-29T12:30:00Z") == datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


def test_a_date_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such date"):
        value_of("2023-02-29T12:30:00Z")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\tb\x41\"\\\n\r"', 'a\tbA"\\\n\r'),
        (r'"\xc3\xa9"', "é"),
        (r"a\x41b", "aAb"),
        (r"a\,b", "error"),
        ('"two\nlines"', "two\nlines"),
        (r"'a\nb'", r"a\nb"),
    ],
)
def test_escapes_hold_in_double_quotes_and_bare_words_only(text: str, value: str) -> None:
    if value == "error":
        with pytest.raises(ConfigError, match="a bad escape"):
            value_of(text)
    else:
        assert value_of(text) == value


@pytest.mark.parametrize("text", [r'"\q"', r'"\x4"', r'"\xzz"', r'"\x00"', r'"\/"', '"\\\n"'])
def test_an_unknown_escape_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a bad escape"):
        value_of(text)


def test_escapes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not make UTF-8"):
        value_of(r'"\xff"')


@pytest.mark.parametrize("text", ['"open', "'open", '"open\\"', '"open\\'])
def test_a_string_without_its_closing_quote_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no closing quote"):
        value_of(text)


@pytest.mark.parametrize("text", ["it's", "foo'"])
def test_a_quote_inside_a_bare_word_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a quote inside a bare value"):
        value_of(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(\n  abc\n)", "\n  abc\n"),
        ("( abc\n)\n", " abc\n"),
        ("(\na ) b\n )\n)\n", "\na ) b\n )\n"),
        ("(\r\na\r\n)\r\n", "\r\na\r\n"),
    ],
)
def test_a_block_string_ends_at_a_closing_mark_alone_on_a_line(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["(abc)", "(\nabc\n) x", "("])
def test_a_block_string_without_that_line_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the block string"):
        value_of(text)


def test_a_dollar_begins_a_variable() -> None:
    assert Lexer("$NAME,", "x").value() == Token(Kind.VARIABLE, "NAME", 0)


@pytest.mark.parametrize("text", ["$2a$11$abc/DEF.", "$2b$11$abc", "$2y$11$abc"])
def test_a_bare_bcrypt_hash_is_a_string(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "key"),
    [("name: x", "name"), ("name=x", "name"), ('"a b" x', "a b"), ("'a:b' x", "a:b")],
)
def test_a_key_ends_at_a_blank_a_separator_or_its_quote(text: str, key: str) -> None:
    assert Lexer(text, "x").key().value == key


def test_a_quoted_key_knows_no_escapes() -> None:
    assert Lexer(r'"a\x41": 1', "x").key().value == r"a\x41"


@pytest.mark.parametrize(
    "text", [": 1", "}", ",a: 1", ";a: 1", "a]: 1", "/x 1", "(a) 1", "a'b 1", ""]
)
def test_what_cannot_be_a_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a key"):
        Lexer(text, "x").key()


def test_a_brace_right_behind_a_key_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r'^x:1:10: put a space or ":" between the key and "\{"$'):
        Lexer("jetstream{", "x").key()


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ConfigError, match="x:2:2: a NUL byte"):
        Lexer("a\nb\0", "x")


def test_places_count_from_one_and_ignore_the_byte_order_mark() -> None:
    lexer = Lexer("\ufeffab\ncd\r\né", "x")

    assert lexer.place(1) == (1, 1)
    assert lexer.place(2) == (1, 2)
    assert lexer.place(4) == (2, 1)
    assert lexer.place(8) == (3, 1)
    assert lexer.place(9) == (3, 2)


@pytest.mark.parametrize(
    ("text", "rest", "line_ended"),
    [
        ("  x", "x", False),
        ("# a\nx", "x", True),
        ("// a\r\n\t# b\nx", "x", True),
        ("# last", "", False),
        ("/x", "/x", False),
        ("\rx", "x", True),
    ],
)
def test_comments_run_to_the_end_of_the_line(text: str, rest: str, line_ended: bool) -> None:
    lexer = Lexer(text, "x")

    assert lexer.skip_comments() is line_ended
    assert text[lexer.pos :] == rest

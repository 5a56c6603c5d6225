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
        "1_000",
        "0x10",
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


@pytest.mark.parametrize(
    "text", ["1e3", "-1.2.3.4:5", "1kbx", "-1e-3", "1m30s", "-1k2", "5#x", "5/x", "5:6"]
)
def test_a_word_of_digits_and_letters_is_a_string(text: str) -> None:
    assert value_of(text) == text
    assert value_of(text + "]") == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("1]", "1]"), ("5]6", "5]6"), ("1']", "1'"), ("1\\\\n", "1\\\n"), ("1k]", "1k")],
)
def test_the_mark_right_behind_digits_belongs_to_the_text(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(("text", "value"), [("1]", 1), ("-1]", -1), ("1k]", 1000), ("1.5]", 1.5)])
def test_but_in_an_array_it_closes_the_array(text: str, value: object) -> None:
    assert Lexer(text, "x").value(in_array=True).value == value


@pytest.mark.parametrize(
    "text",
    [
        "1.5s",
        "5.",
        "-x",
        "-",
        "-5x",
        "./x",
        ".5",
        "2024-01",
        "2024-01-31",
        "1-2",
        "1.2.3.4a",
        "-1.x",
    ],
)
def test_what_begins_like_a_number_and_is_none_needs_quotes(text: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.conf:1:1: put quotes around it"):
        value_of(text)


def test_a_path_in_an_array_needs_quotes() -> None:
    with pytest.raises(ConfigError, match="put quotes around a value of an array that begins with"):
        Lexer("/bin/sh", "x").value(in_array=True)


@pytest.mark.parametrize("text", ["1kbb", "2Mii", "3gbi"])
def test_a_size_of_no_unit_is_refused_where_nats_server_drops_the_entry(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a size like"):
        value_of(text)


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


@pytest.mark.parametrize("text", ["it's", "foo'x", "a'(", "$A'b"])
def test_a_quote_inside_a_bare_word_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a quote inside a bare value"):
        value_of(text)


@pytest.mark.parametrize(
    ("text", "value"), [("foo'", "foo"), ("true' ", "true"), ("$A'", "$A"), (r"a\tb';", "a\tb")]
)
def test_a_quote_behind_a_bare_word_ends_it_as_text(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(\n  abc\n)", "\n  abc\n"),
        ("( abc\n)\n", " abc\n"),
        ("(\na ) b\n )\n)\n", "\na ) b\n )\n"),
        ("(\r\na\r\n)\n", "\r\na\r\n"),
    ],
)
def test_a_block_string_ends_at_a_closing_mark_alone_on_a_line(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["(abc)", "(\nabc\n) x", "(", "(\na\n)\r\n"])
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
    assert Lexer(text, "x").key(in_map=False).value == key


def test_a_quoted_key_knows_no_escapes() -> None:
    assert Lexer(r'"a\x41": 1', "x").key(in_map=False).value == r"a\x41"


@pytest.mark.parametrize(
    ("text", "in_map"),
    [
        *((text, in_map) for text in (": 1", "}", "a]: 1", "/x 1", "") for in_map in (True, False)),
        (",a: 1", False),
        ("a;b: 1", False),
    ],
)
def test_what_cannot_be_a_key_is_refused(text: str, in_map: bool) -> None:
    with pytest.raises(ConfigError, match="expected a key"):
        Lexer(text, "x").key(in_map=in_map)


@pytest.mark.parametrize("text", [",a", ";a", "a,b", "(a)", "a'b"])
def test_other_marks_inside_a_key_of_a_block_belong_to_it(text: str) -> None:
    assert Lexer(text + ": 1", "x").key(in_map=True).value == text


def test_a_brace_right_behind_a_key_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r'^x:1:10: put a space or ":" between the key and "\{"$'):
        Lexer("jetstream{", "x").key(in_map=False)


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ConfigError, match="x:2:2: a NUL byte"):
        Lexer("a\nb\0", "x")


def test_a_byte_order_mark_is_refused() -> None:
    with pytest.raises(ConfigError, match="x:1:1: a byte order mark: save the file as UTF-8 with"):
        Lexer("\ufeffa: b", "x")


def test_places_count_from_one() -> None:
    lexer = Lexer("ab\ncd\r\né", "x")

    assert lexer.place(0) == (1, 1)
    assert lexer.place(1) == (1, 2)
    assert lexer.place(3) == (2, 1)
    assert lexer.place(7) == (3, 1)
    assert lexer.place(8) == (3, 2)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("  x", "x"),
        ("# a\nx", "x"),
        ("// a\r\n\t# b\nx", "x"),
        ("# last", ""),
        ("/x", "/x"),
        ("\rx", "x"),
        ("\u2028\x85x", "x"),
        ("\x1cx", "\x1cx"),  # a blank of Python, not of Go
    ],
)
def test_comments_run_to_the_end_of_the_line(text: str, rest: str) -> None:
    lexer = Lexer(text, "x")

    lexer.skip_comments()

    assert text[lexer.pos :] == rest

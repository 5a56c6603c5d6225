"""Texts to trees, as measured on nats-server 2.15.1; a name says where this one differs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.config.parser import Node, parse
from leafnode.errors import ConfigError


def plain(node: Node) -> Any:
    """Return the values of a tree without their places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def tree(text: str, env: dict[str, str] | None = None, files: dict[str, str] | None = None) -> Any:
    return plain(parse(text, "x.conf", env=env, read=reader(files or {})).root)


def reader(files: dict[str, str]) -> Any:
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    return read


@pytest.mark.parametrize("text", ["", "\n", " \t", "# x", "// x", "{}", "{", "{{}}"])
def test_an_empty_file_is_an_empty_block_where_nats_server_refuses_it(text: str) -> None:
    assert tree(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "a = b",
        "a b",
        "a\tb",
        "a\nb",
        '"a": "b"',
        "'a' 'b'",
        "a: b;",
        "a: b,",
        "a: b # c",
        "a: b // c",
        "{a: b}",
        '{"a":"b"}\n# end',
        "a: b\r\n",
        "# c\n\n  a: b",
    ],
)
def test_a_key_and_its_value_may_be_written_in_many_ways(text: str) -> None:
    assert tree(text) == {"a": "b"}


@pytest.mark.parametrize(
    "text",
    [
        "x {a: b, c: d}",
        "x {a: b; c: d}",
        "x {a: b\nc: d}",
        "x {a b,\n\n c d,}",
        "x:\t{a = b # c\nc d}",
    ],
)
def test_a_block_separates_entries_by_comma_semicolon_or_line(text: str) -> None:
    assert tree(text) == {"x": {"a": "b", "c": "d"}}


@pytest.mark.parametrize(
    "text", ["x [a, b]", "x: [a\nb]", "x [a,\nb,\n]", "x [a # c\n b]", "x [a, // c\n b # d\n]"]
)
def test_an_array_separates_values_by_comma_or_line(text: str) -> None:
    assert tree(text) == {"x": ["a", "b"]}


def test_inside_a_block_the_value_may_follow_on_the_next_line() -> None:
    assert tree("x {a:\nb\nc\n=\nd}") == {"x": {"a": "b", "c": "d"}}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a:\nb: c", "x.conf:1:3: expected a value, got the end of the line"),
        ("a", "x.conf:1:2: expected a value, got the end of the file"),
        ("a: b c: d", 'x.conf:1:6: expected a line end, "," or ";" after the value, got "c"'),
        ('a: "b"c', 'x.conf:1:7: expected a line end, "," or ";" after the value, got "c"'),
        ("x {a: b c: d}", 'x.conf:1:9: expected a line end, "," or "}" after the value, got "c"'),
        ("x [a b]", 'x.conf:1:6: expected a line end, "," or "]" after the value, got "b"'),
        ("x [a;b]", 'x.conf:1:5: expected a line end, "," or "]" after the value, got ";"'),
        ("x [a,,b]", 'x.conf:1:6: expected a value, got ","'),
        ("x {", 'x.conf:1:3: the block has no closing "}"'),
        ("x [a", 'x.conf:1:3: the array has no closing "]"'),
        ("x [a}", 'x.conf:1:5: expected a line end, "," or "]" after the value, got "}"'),
        ("a: b]", 'x.conf:1:5: expected a line end, "," or ";" after the value, got "]"'),
        ("}", 'x.conf:1:1: expected a key, got "}"'),
        ("a: b\n} # c", 'x.conf:2:1: expected a key, got "}"'),
        ("a: b\n}\n}", 'x.conf:2:1: expected a key, got "}"'),
        ("a: b}}}", 'x.conf:1:6: expected a key, got "}"'),
        ("{a: b} c", "x.conf:1:9: expected a value, got the end of the file"),
        ("{a:\nb}", "x.conf:1:4: expected a value, got the end of the line"),
        ("{{a: b} c: d}", 'x.conf:1:9: expected "," or "}" behind the braces, got "c"'),
        ("{{a: b}", 'x.conf:1:1: the block has no closing "}"'),
        ("x [a\n,b]", 'x.conf:2:1: expected a value, got ","'),
        ("a: b\n, c: d", 'x.conf:2:1: expected a key, got ","'),
        ("a: b;;", 'x.conf:1:6: expected a key, got ";"'),
        ("[1]", 'x.conf:1:1: expected a key, got "["'),
    ],
)
def test_an_error_says_where_and_what(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tree(text)

    assert str(caught.value) == error


def test_every_node_knows_the_place_of_its_key_or_of_itself() -> None:
    root = parse("a: 1\n  b {\n    c: [x,\n y]\n}", "dir/x.conf").root
    assert isinstance(root.value, dict)
    block = root.value["b"]
    assert isinstance(block.value, dict)
    array = block.value["c"]
    assert isinstance(array.value, list)

    assert (root.value["a"].line, root.value["a"].column) == (1, 1)
    assert (block.line, block.column) == (2, 3)
    assert (array.line, array.column) == (3, 5)
    assert [(node.line, node.column) for node in array.value] == [(3, 9), (4, 2)]
    assert array.value[1].file == "dir/x.conf"


def test_the_last_of_equal_keys_stands_and_the_first_is_warned_about() -> None:
    parsed = parse("a: 1\nb: 2\na: 3", "x.conf")

    assert plain(parsed.root) == {"b": 2, "a": 3}
    assert parsed.warnings == ('x.conf:3:1: "a" replaces the one of x.conf:1:1',)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: b}", ["1:5"]),
        ("a: b }", ["1:6"]),
        ("a: b\n}", ["2:1"]),
        ("a: b\n } \n", ["2:2"]),
        ("a: b,}", ["1:6"]),
        ("a: b}}", ["1:5", "1:6"]),
        ("a: b}\n}", ["1:5", "2:1"]),
        ("a: b} # c", ["1:5"]),
    ],
)
def test_a_closing_brace_too_many_is_warned_of(text: str, places: list[str]) -> None:
    parsed = parse(text, "x.conf")

    assert plain(parsed.root) == {"a": "b"}
    assert [one.partition(": ")[0] for one in parsed.warnings] == [f"x.conf:{p}" for p in places]


def test_what_follows_a_closing_brace_too_many_counts() -> None:
    assert tree("a: b} c: d") == {"a": "b", "c": "d"}


def test_warnings_are_bounded() -> None:
    most = limits.CONFIG_WARNINGS_MAX

    assert len(parse("a: 1\n" * (most + 1), "x.conf").warnings) == most
    assert len(parse("a: 1\n" * (most + 2), "x.conf").warnings) == most


# --- variables


def test_a_variable_comes_from_the_innermost_block_that_defined_it_before() -> None:
    assert tree("X: 1\na {X: 2, b {c: $X}}\nd: $X") == {
        "X": 1,
        "a": {"X": 2, "b": {"c": 2}},
        "d": 1,
    }


def test_a_variable_may_stand_for_a_block_or_an_array() -> None:
    assert tree("X {a: 1}\nY [1, 2]\nb: $X\nc [$Y]") == {
        "X": {"a": 1},
        "Y": [1, 2],
        "b": {"a": 1},
        "c": [[1, 2]],
    }


def test_the_file_goes_before_the_environment() -> None:
    assert tree("X: file\na: $X\nb: $Y", {"X": "env", "Y": "env"})["a"] == "file"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("abc", "abc"),
        ("5", 5),
        ("1kb", 1024),
        ("on", True),
        ('"a b"', "a b"),
        ("[1, 2]", [1, 2]),
        ("#1", "#1"),
        ("", ""),
        ("$OTHER", "other"),
        ("$2a$10$x", "$2a$10$x"),
    ],
)
def test_an_environment_value_is_parsed_like_a_value(text: str, value: object) -> None:
    assert tree("a: $X", {"X": text, "OTHER": "other"}) == {"a": value}


def test_an_environment_value_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"x.conf:1:4: the environment's value .* is not UTF-8"):
        tree("a: $X", {"X": "a\udcff"})


@pytest.mark.parametrize("text", ["a b", "it's", "a;b", '"a', "{", "$X", "$Y"])
def test_an_environment_value_that_is_no_value_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"x.conf:1:4: the environment's value .* \$X cannot"
    ) as err:
        tree("a: $X", {"X": text, "Y": "$X"})

    assert text not in str(err.value).replace("$X", "")


@pytest.mark.parametrize(
    "text", ["a: $X", "a: $X\nX: 1", "X: $X", "b {X: 1}\na: $X", "x: 1\na: $X", "a: $"]
)
def test_a_variable_that_is_not_defined_before_its_use_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="is not defined"):
        tree(text)


def test_who_reads_of_an_undefined_variable_learns_what_to_do() -> None:
    with pytest.raises(ConfigError) as caught:
        tree("NAME: $EDGE")

    assert str(caught.value) == (
        "x.conf:1:7: the variable $EDGE is not defined: set it in the environment or above in this "
        "file; a text that begins with $ needs quotes"
    )


def test_an_undefined_variable_behind_a_secret_key_is_not_named() -> None:
    with pytest.raises(ConfigError) as caught:
        tree("authorization { Password: $ecr3t }")

    assert "ecr3t" not in str(caught.value)


def test_a_definition_is_marked_as_used() -> None:
    root = parse("X: 1\nY: 2\na: $X", "x.conf").root
    assert isinstance(root.value, dict)

    assert root.value["X"].used
    assert not root.value["Y"].used


def test_variables_that_double_each_other_run_into_the_bound() -> None:
    lines = ["V0: [1, 1, 1, 1]"] + [f"V{i + 1}: [{', '.join([f'$V{i}'] * 10)}]" for i in range(40)]

    with pytest.raises(ConfigError, match="too many values"):
        tree("\n".join(lines))


# --- include


def test_an_include_puts_a_files_entries_where_it_stands() -> None:
    files = {"inc/a.conf": 'b: 1\ninclude "c.conf"', "inc/c.conf": "d: 2"}

    assert tree("include inc/a.conf", files=files) == {"b": 1, "d": 2}
    assert tree("x {\n include 'inc/a.conf'\n e: 3}", files=files) == {
        "x": {"b": 1, "d": 2, "e": 3}
    }
    assert tree('x {INCLUDE "inc/a.conf"; e 3}', files=files) == {"x": {"b": 1, "d": 2, "e": 3}}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a:; b: 1", {"a": "", "b": 1}),
        ("a ,\nb: 1", {"a": "", "b": 1}),
        ("a = ", {"a": ""}),
        ("a: }", {"a": ""}),
        ("{ a: }", {"a": ""}),
        ("m { a:; b ; }", {"m": {"a": "", "b": ""}}),
        ("m {\na:\n;\n}", {"m": {"a": ""}}),
        ("{ a: 1\n", {"a": 1}),
        ("{ a: 1,", {"a": 1}),
        ("{ m { a: 1 };", {"m": {"a": 1}}),
        ("{ a: 1 }\n}", {"a": 1}),
        ("a }", {"a": ""}),
        ("{ a }", {"a": ""}),
        ("{{ a: 1 # c\n", {"a": 1}),
        ("{{ a: 1 } # c", {"a": 1}),
        ("{{ a: 1 };", {"a": 1}),
        ("{{ a: 1 }, {b: 2\n}\n; c: 3 }", {"a": 1, "b": 2, "c": 3}),
        ("{}a: 1\n{b: 2} {c: 3}", {"a": 1, "b": 2, "c": 3}),
        ("a: 1\n{ b: 2 }\nc: 3", {"a": 1, "b": 2, "c": 3}),
        ("m {a: 1,,b: 2}", {"m": {"a": 1, ",b": 2}}),
        ("a: 1 / # c\n{ b: 2 /\n}", {"a": 1, "b": 2}),
        ("m {a: 1 / b: 2}\nn [1 / 2]", {"m": {"a": 1, "b": 2}, "n": [1, 2]}),
    ],
)
def test_a_value_may_be_left_out_and_so_may_the_end_of_the_outermost_block(
    text: str, values: dict[str, object]
) -> None:
    """As on nats-server; tests/conformance/test_config_language.py asks it."""
    assert tree(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a ",
        "a:\n",
        "a:\n;",
        "m { a: }",
        "m { a:",
        "[;]",
        "{ a: 1",
        "{ a: 1 # c",
        "{ a",
        "m {a ,}",
        "a: 1 / b: 2",
        "{ a: 1 }\n} }",
        "a:\xa01\n\xa0,",
        '"a"\x0b',
    ],
)
def test_but_not_everywhere(text: str) -> None:
    with pytest.raises(ConfigError):
        tree(text)


def test_a_block_without_its_end_that_is_taken_is_worth_a_warning() -> None:
    assert parse("\n{ a: 1\n", "x.conf").warnings == ('x.conf:2:1: the block has no closing "}"',)


@pytest.mark.parametrize("text", ["a: \u0663", "a: 1\u0663k", "a: -\u0663.5"])
def test_only_ten_digits_make_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a number with digits from 0 to 9"):
        tree(text)


def test_an_option_called_include_is_no_include() -> None:
    assert tree("include: foo") == {"include": "foo"}
    assert tree("include=foo") == {"include": "foo"}


def test_an_included_file_defines_variables_but_does_not_see_them() -> None:
    assert tree("include a\nb: $X", files={"a": "X: 1"}) == {"X": 1, "b": 1}
    with pytest.raises(ConfigError, match=r"^a:1:4: the variable \$X is not defined"):
        tree("X: 1\ninclude a", files={"a": "b: $X"})


def test_an_error_in_an_included_file_names_that_file() -> None:
    with pytest.raises(ConfigError, match=r"^inc/a:2:4: expected a value"):
        tree("\n\ninclude inc/a", files={"inc/a": "ok: 1\nb: ]"})


@pytest.mark.parametrize(
    ("text", "files", "error"),
    [
        ("include nope", {}, 'x.conf:1:9: cannot read "nope": No such file or directory'),
        ("include x.conf", {}, 'x.conf:1:9: "x.conf" includes itself'),
        ("include ./a", {"./a": "include b", "./b": "include a"}, "includes itself"),
        ("include [a]", {}, 'x.conf:1:9: expected a file to include, got "["'),
        ("include ", {}, "expected a file to include, got the end of the file"),
        ("include 'a", {}, "no closing quote"),
    ],
)
def test_an_include_that_cannot_be_followed_is_refused(
    text: str, files: dict[str, str], error: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tree(text, files=files)

    assert error in str(caught.value)


def test_includes_are_bounded_in_depth_and_number() -> None:
    depth = limits.CONFIG_INCLUDE_DEPTH_MAX
    chain = {f"f{i}": f"include f{i + 1}" for i in range(depth + 1)}

    assert tree("include f0", files=chain | {f"f{depth - 1}": "a: 1"}) == {"a": 1}
    with pytest.raises(ConfigError, match="included too deeply"):
        tree("include f0", files=chain)
    most = "include a\n" * limits.CONFIG_FILES_MAX
    assert tree(most, files={"a": ""}) == {}
    with pytest.raises(ConfigError, match="too many files"):
        tree(most + "include a", files={"a": ""})


def test_a_file_and_what_it_includes_are_bounded_together() -> None:
    half = "#" * (limits.CONFIG_BYTES_MAX // 2)
    main = "include a\ninclude a\n"

    assert tree(main, files={"a": half[len(main) :]}) == {}
    with pytest.raises(
        ConfigError, match=r"^x\.conf:2:9: the configuration is too large with it, "
    ):
        tree(main, files={"a": half})


def test_blocks_are_bounded_in_depth() -> None:
    deepest = limits.CONFIG_DEPTH_MAX - 1

    assert tree("a {" * 5 + "}" * 5)
    tree("a " + "[" * deepest + "]" * deepest)
    with pytest.raises(ConfigError, match="nested too deeply"):
        tree("a " + "[" * (deepest + 1) + "]" * (deepest + 1))
    with pytest.raises(ConfigError, match="nested too deeply"):
        tree("a {" * 100_000)


# --- properties

KEYS = st.text(st.characters(exclude_characters='"\0', exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-1e15, 1e15).map(lambda number: float(f"{number:.6f}"))
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_size=6,
)


def render(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "No"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        return '"' + escaped.replace("\t", "\\x09") + '"'
    if isinstance(value, list):
        return "[" + " \n ".join(map(render, value)) + " ]"
    return "{" + " ; ".join(f'"{key}" = {render(child)}' for key, child in value.items()) + "}"


@given(TREES)
def test_parsing_what_was_rendered_gives_it_back(values: dict[str, Any]) -> None:
    entries = "\n".join(f'"{key}": {render(value)} # c' for key, value in values.items())

    assert tree(entries) == values
    assert tree(render(values)) == values
    assert all(math.isfinite(n) for n in values.values() if isinstance(n, float))


MARKS = st.sampled_from(list("{}[]()\"'\\:=,;#/$-1Aé \n\r\t")) | st.sampled_from(
    ["//", "\\x4", "$A", "$2a$", "1k", "1.", "2024-", "include ", "include f"]
)


def outcome(text: str) -> Node | ConfigError:
    env = {"A": text, "B": "1"}
    try:
        return parse(text, "x.conf", env=env, read=reader({"f": text})).root
    except ConfigError as error:
        return error


@given(st.lists(MARKS, max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_gives_a_tree_or_a_config_error_of_one_line(text: str) -> None:
    found = outcome(text)

    if isinstance(found, ConfigError):
        assert found.line >= 1
        assert found.column >= 1
        assert "\n" not in str(found)
    else:
        assert isinstance(found.value, dict)

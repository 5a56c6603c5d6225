"""Whatever a configuration holds: options or one ConfigError, soon.

Everything that reads configuration is run together: lexer, parser, includes, variables, binding.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.config.bind import load
from leafnode.config.options import Options
from leafnode.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = [path.read_text() for path in sorted(CONFIGS.rglob("*.conf"))]
# A file of 64 MiB is allowed; what is tried here is far smaller, and a slow machine has its share.
CPU_S_MAX = 2.0
KEYS = [
    "listen",
    "port",
    "host",
    "server_name",
    "http",
    "authorization",
    "users",
    "user",
    "password",
    "permissions",
    "publish",
    "subscribe",
    "allow",
    "deny",
    "allow_responses",
    "max",
    "expires",
    "jetstream",
    "store_dir",
    "leafnodes",
    "remotes",
    "url",
    "uplink",
    "streams",
    "serial",
    "max_payload",
    "ping_interval",
    "include",
    "accounts",
    "exports",
    "imports",
    "tls",
    "nkey",
    "websocket",
    "operator",
    "resolver",
    "mappings",
    "cluster",
    "system_account",
    "token",
]
PIECES = [
    *"{}[]:=,;#\n\"'()\\$ ",
    *("//", "true", "no", "1", "-1", "1e9", "9" * 20, "4.5", "1K", "2s", '"a b"', "a.>", "0x1"),
    *("$A", "$PORT", "$2a$10$x", "include x", "include 'x'", "\0", "é", "\ufeff", "\r"),
]
TOKENS = st.sampled_from(KEYS) | st.sampled_from(PIECES)


def outcome(text: str | bytes, files: dict[str, str] | None = None) -> str:
    """Return the error, empty for a good file; anything else that is raised fails the test."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    held = {"x.conf": raw} | {name: part.encode() for name, part in (files or {}).items()}

    def read(path: str) -> str:
        if Path(path).name not in held:
            raise FileNotFoundError(2, "No such file or directory", path)
        return held[Path(path).name].decode()

    start = time.process_time()
    try:
        options = load("x.conf", {"A": "$A", "PORT": "4222"}, read=read)
        error = ""
        assert isinstance(options, Options)
    except ConfigError as err:
        error = str(err)
        assert "\n" not in error
        assert error.startswith(("x.conf:", *held))
    assert time.process_time() - start < CPU_S_MAX
    return error


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    outcome(data)


@given(st.lists(TOKENS, max_size=60), st.sampled_from(["", " "]))
def test_random_tokens(tokens: list[str], between: str) -> None:
    outcome(between.join(tokens), {"x": between.join(reversed(tokens))})


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_changed_example(example: str, data: st.DataObject) -> None:
    text = example
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 30))
        text = text[:at] + data.draw(TOKENS | st.text(max_size=4)) + text[at + gone :]

    outcome(text)


@given(st.sampled_from(EXAMPLES), st.binary(min_size=1, max_size=3), st.data())
def test_an_example_with_damaged_bytes(example: str, damage: bytes, data: st.DataObject) -> None:
    raw = example.encode()
    at = data.draw(st.integers(0, len(raw)))

    outcome(raw[:at] + damage + raw[at + len(damage) :])


@pytest.mark.parametrize("opening", ["{", "[", "a: {", "a: [", "[{a: ", "accounts {A {", "("])
@pytest.mark.parametrize("depth", [63, 64, 65, 5000, 100_000])
def test_blocks_within_blocks(opening: str, depth: int) -> None:
    outcome(opening * depth)
    outcome("x: " + opening * depth)
    closing = "".join({"{": "}", "[": "]"}.get(char, "") for char in reversed(opening))
    outcome("x: " + opening * depth + "1" + closing * depth)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("include x.conf", {}),
        ("include a", {"a": "include x.conf"}),
        ("include a", {"a": "include b", "b": "include a"}),
        ("a: {include a}", {"a": "b: {include a}"}),
        ("include a\ninclude a", {"a": "include b\ninclude b", "b": "include c\ninclude c"}),
        ("include nowhere", {}),
    ],
)
def test_files_that_include_each_other(text: str, files: dict[str, str]) -> None:
    assert outcome(text, files)


def test_more_includes_than_anybody_needs() -> None:
    files = {f"f{number}": f"include f{number + 1}\n" * 2 for number in range(30)}

    assert outcome("include f0", files)


@pytest.mark.parametrize(
    "text",
    [
        "A: $A",
        "A: $B\nB: $A",
        "A: [$A]",
        "A: {x: $A}\ny: $A",
        "x: $A",
        "x: $NOBODY",
        "A: [$B, $B]\nB: [$C, $C]\nC: [$A, $A]",
        "port: $A\nA: $PORT\nPORT: $A",
    ],
)
def test_variables_that_lead_to_each_other(text: str) -> None:
    assert outcome(text)


def test_variables_that_double_stop_at_the_bound() -> None:
    lines = ["V0: [1, 2]"] + [f"V{n}: [$V{n - 1}, $V{n - 1}]" for n in range(1, 40)]

    assert "x.conf:" in outcome("\n".join(lines) + "\nx: $V39")


@pytest.mark.parametrize("char", ['"', "'", "(", "#", "\\", "/", "$", ".", "-", "9", "a", " ", ":"])
def test_one_character_very_often(char: str) -> None:
    outcome(char * 100_000)
    outcome("port: " + char * 100_000)
    outcome(char.join("ab" * 20_000))

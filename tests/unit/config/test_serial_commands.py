"""The key commands of a serial port. Truth: docs/serial/commands.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.serial_commands import is_token, subject_problem
from leafnode.config.serial_stage_options import CommandOptions
from tests.unit.config.test_serial_framing import port, refused

if TYPE_CHECKING:
    from pathlib import Path


def commands(text: str, more: str = "framing: line") -> tuple[CommandOptions, ...]:
    return port(f"{more}\ncommands [ {text} ]").commands


def test_a_command_with_its_defaults() -> None:
    assert commands("{ subject: c.x }") == (CommandOptions("c.x"),)


def test_all_that_may_be_said_of_a_command() -> None:
    made = commands(
        "{ subject: 'c.{port}.x', send: 'V {volts}', payload: '(?P<volts>[0-9]{1,3})', "
        "line_end: \"\\n\", starts: ['V ', 'hex:15'], decode: true, echo: true, timeout: 5s }, "
        "{ subject: c.y, send: 'hex:FF 01', framed: false, answer: none }, "
        "{ subject: c.z, starts: OK, answer: frame }",
        "framing: line, codec: sics",
    )

    assert made == (
        CommandOptions(
            "c.{port}.x",
            b"V {volts}",
            "(?P<volts>[0-9]{1,3})",
            line_end=b"\n",
            starts=(b"V ", b"\x15"),
            decode=True,
            echo=True,
            timeout_ns=5 * NS_PER_S,
        ),
        CommandOptions("c.y", b"\xff\x01", framed=False, answer=False),
        CommandOptions("c.z", starts=(b"OK",)),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected at least one command"),
        ("{ send: X }", "expected subject"),
        ("{ subject: 'c.*' }", "without wildcards"),
        ("{ subject: 'c.{device}' }", "the only place it may have is {port}"),
        ("{ subject: '$SYS.x' }", "must not start with $SYS"),
        ("{ subject: _INBOX.x }", "must not start with _INBOX"),
        ("{ subject: c.x }, { subject: c.x }", 'the subject "c.x" stands twice'),
        ("{ subject: 'c.{port}' }, { subject: c.n }", 'the subject "c.n" stands twice'),
        ("{ subject: c.x, send: 'V {volts}' }", "{volts} is unknown"),
        ("{ subject: c.x, payload: '[0-9]+' }", "no (?P<name>"),
        ("{ subject: c.x, payload: '(?P<a>(a|a)*(a|a)*(a|a)*b)' }", "payload"),
        ('{ subject: c.x, framed: false, line_end: "\\n" }', "no place beside framed"),
        ("{ subject: c.x, answer: none, starts: X }", "expected an answer"),
        ("{ subject: c.x, answer: none, decode: true }", "expected an answer"),
        ("{ subject: c.x, answer: maybe }", "frame or none"),
        ("{ subject: c.x, decode: true }", "codec text knows no fields"),
        ("{ subject: c.x, timeout: 0s }", "a duration above zero"),
        ("{ subject: c.x, nothing: 1 }", "unknown field"),
    ],
)
def test_a_command_is_checked(text: str, problem: str) -> None:
    error = refused(f"framing: line\ncommands [ {text} ]")

    assert error.startswith("x.conf:3:"), error
    assert problem in error


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("framing: link, codec: json", "has messages for that"),
        ("framing: text_link", "has messages for that"),
        ("framing: vedirect", "is not for sending"),
        (
            "framing { type: length, start: AB, length_at: 3 }",
            "the length does not stand behind the start mark",
        ),
        (
            "framing { type: start_end, start: '/', end: '!', after_end: 6 }",
            "what stands behind the end mark is not known",
        ),
        (
            "framing { type: start_end, start: '/', end: '!', after_end: 6 }\n"
            "check { type: crc16_arc, form: hex, from: 0 }",
            "the check does not stand at the end",
        ),
        ("framing: line, check { type: sum8, at: 0 }", "the check does not stand at the end"),
    ],
)
def test_a_framing_that_cannot_be_sent_in(more: str, problem: str) -> None:
    assert problem in refused(f"{more}\ncommands [ {{ subject: c.x }} ]")


@pytest.mark.parametrize(
    ("framing", "command", "problem"),
    [
        ("raw, every: 12s", "timeout: 60s", "ends 12s behind its bytes: expected at most 4s"),
        ("raw, every: 12s", "timeout: 60s", "awaits that and up to 1s more, and none waits"),
        ("raw, every: 12s", "timeout: 60s", "more than 5s: set a shorter every, or answer: none"),
        ("idle, gap: 5s", "timeout: 60s", "more than 5s: set a shorter gap, or answer: none"),
        ("raw, every: 4001ms", "timeout: 60s", "at most 4s"),
        ("raw, every: 2s", "", "timeout: expected more than the 2s"),
        ("idle, gap: 3s", "timeout: 2s", "timeout: expected more than the 3s"),
        ("idle, chars: 1000", "timeout: 39s", "at most 4s"),  # 40 s at 300 baud
        ("idle, chars: 1000", "timeout: 39s", "more than 5s: set fewer chars, or answer: none"),
        ("raw, every: 1001ms, poll: P, poll_every: 5s", "timeout: 60s", "at most 1s"),
        (
            "idle, gap: 2s, poll: P, poll_every: 1500ms",
            "timeout: 60s",
            "at most 1s beside poll, which awaits its answer no longer: set a shorter gap",
        ),
    ],
)
def test_an_answer_that_time_ends_is_a_frame_before_anything_else_is_asked(
    framing: str, command: str, problem: str
) -> None:
    error = refused(
        f"framing {{ type: {framing} }}, baud: 300\ncommands [ {{ subject: c.x, {command} }} ]"
    )

    assert error.startswith("x.conf:3:"), error
    assert problem in error


@pytest.mark.parametrize(
    ("framing", "command"),
    [
        ("raw, every: 4s", "timeout: 4001ms"),
        ("idle, gap: 1s, poll: P, poll_every: 5s", "timeout: 2s"),
        ("raw, every: 60s", "answer: none"),
    ],
)
def test_an_answer_may_be_ended_by_time(framing: str, command: str) -> None:
    assert commands(f"{{ subject: c.x, {command} }}", f"framing {{ type: {framing} }}")


def test_a_function_of_ones_own_decodes_readings_alone(tmp_path: Path) -> None:
    module = tmp_path / "f.py"
    module.write_text("def decode(frame):\n    return {}\n")

    assert "for readings alone" in refused(
        f"framing: line, codec {{ type: exec, function: '{module}:decode' }}\n"
        "commands [ { subject: c.x, decode: true } ]"
    )


def test_whole_frames_may_be_sent_whatever_the_framing() -> None:
    (made,) = commands("{ subject: c.x, framed: false, send: ':4\\n' }", "framing: vedirect")

    assert not made.framed


def test_a_bus_has_commands_of_its_own() -> None:
    group = "{ name: g, every: 1s, registers [ { name: a, address: 0 } ] }"

    assert "no place beside modbus" in refused(
        f"modbus {{ slaves [ {{ name: m, address: 1, groups [ {group} ] }} ] }}\n"
        "commands [ { subject: c.x } ]"
    )


def test_subjects_and_tokens() -> None:
    assert subject_problem("a.b") == ""
    assert subject_problem("a..b")
    assert subject_problem("a b")
    assert [is_token(name) for name in ("a", "a-b", "a.b", "*", "a b", "")] == [
        *(True, True, False, False, False, False),
    ]

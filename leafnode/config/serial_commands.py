"""`commands` of a serial port: which subjects send what to its device, and what it answers.

Knows keys, places and patterns; not how anything is sent. Truth: docs/serial/commands.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.config import convert, pattern, pattern_cost, serial_bounds
from leafnode.config.octets import octets
from leafnode.config.place import Block, Place, Row
from leafnode.config.serial_check import size_of
from leafnode.config.serial_codec import KNOW_FIELDS
from leafnode.config.serial_stage_options import CommandOptions, FramingOptions
from leafnode.errors import quoted
from leafnode.go_time import format_duration
from leafnode.protocol.subject import is_internal

if TYPE_CHECKING:
    from leafnode.config.place import Given
    from leafnode.config.serial_options import SerialPort

PLACE: Final = re.compile(rb"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_UNFRAMED: Final = frozenset({"vedirect"})
_COMMANDS_MAX: Final = 64


def commands(place: Place) -> tuple[CommandOptions, ...]:
    made = tuple(_command(item) for item in place.items("commands"))
    if not made:
        raise place.error("expected at least one command, got an empty array")
    if len(made) > _COMMANDS_MAX:
        raise place.error(f"expected at most {_COMMANDS_MAX} commands")
    return made


def check(given: Given, port: SerialPort) -> None:
    """Raise where a command does not fit the port's framing, check or codec."""
    place = given.places.get("commands")
    if place is None:
        return
    if port.framing.type in convert.BOARD_FRAMINGS:
        raise place.error(f"framing {port.framing.type} has messages for that")
    if port.modbus is not None:
        raise place.error("has no place beside modbus, which has its own")
    seen: set[str] = set()
    for command, item in zip(port.commands, place.items("commands"), strict=True):
        subject = command.subject.replace("{port}", port.name)
        if problem := subject_problem(subject):
            raise item.error(f"subject: {problem}")
        if subject in seen:
            raise item.error(f"the subject {quoted(subject)} stands twice")
        seen.add(subject)
        if command.framed and (problem := _frame_problem(port)):
            raise item.error(f"{problem}: set framed to false, and send whole frames")
        if command.decode and port.codec.type not in KNOW_FIELDS:
            raise item.error(f"decode: codec {port.codec.type} knows no fields")
        if command.decode and port.codec.type == "exec":
            raise item.error("decode: the codec exec is for readings alone")
        if command.answer and (problem := _ending_problem(port, command)):
            raise item.error(problem)


def subject_problem(subject: str) -> str:
    """Say why nobody can send commands to this subject, or return ""."""
    if is_internal(subject.encode()):
        return f"a subject of commands must not start with {subject.partition('.')[0]}"
    if "{" in subject or "}" in subject:
        return "the only place it may have is {port}"
    if not convert.is_literal_subject(subject):
        return f"expected a subject without wildcards, got {quoted(subject)}"
    return ""


def is_token(name: str) -> bool:
    """Say whether this is one token of a subject."""
    return "." not in name and not subject_problem(f"x.{name}")


def _frame_problem(port: SerialPort) -> str:
    """Say why a frame of the port cannot be made out of a content, or return ""."""
    framing, check = port.framing, port.check
    if framing.type in _UNFRAMED:
        return f"framing {framing.type} is not for sending"
    if framing.type == "length" and framing.length_at != len(framing.start):
        return "the length does not stand behind the start mark"
    if check.type in {"none", "nmea"}:
        if framing.after_end:
            return "what stands behind the end mark is not known"
        return ""
    at = -framing.after_end if framing.after_end else None
    if check.at != at or (framing.after_end and size_of(check) != framing.after_end):
        return "the check does not stand at the end"
    return ""


def _ending_problem(port: SerialPort, command: CommandOptions) -> str:
    """Say why an answer that time ends may be taken for another one, or return ""."""
    framing = port.framing
    wait_ns, opening_ns = serial_bounds.COMMAND_WAIT_NS, serial_bounds.COMMAND_OPENING_NS
    most_ns = wait_ns - opening_ns
    why = (
        ", since the first command behind an opening awaits that and up to "
        f"{format_duration(opening_ns)} more, and none waits more than {format_duration(wait_ns)}"
    )
    if framing.poll:
        most_ns = min(serial_bounds.POLL_ANSWER_NS, framing.poll_every_ns)
        why = " beside poll, which awaits its answer no longer"
    ends_ns = framing.ends_ns(port.baud)
    ends, most = format_duration(ends_ns), format_duration(most_ns)
    if ends_ns > most_ns:
        instead = f"set {_shorter(framing)}, or answer: none"
        return f"an answer ends {ends} behind its bytes: expected at most {most}{why}: {instead}"
    if ends_ns >= command.timeout_ns:
        return f"timeout: expected more than the {ends} behind its bytes that end an answer"
    return ""


def _shorter(framing: FramingOptions) -> str:
    """Say by which option time ends a frame sooner."""
    if framing.type == "raw":
        return "a shorter every"
    return "a shorter gap" if framing.gap_ns else "fewer chars"


def _command(place: Place) -> CommandOptions:
    given = _COMMAND.read(place)
    given.need("subject", "subject, where commands are sent to")
    values = given.values
    names: tuple[str, ...] = ()
    if "payload" in values:
        values["payload"], names = values["payload"]
    if values.get("framed") is False and "line_end" in values:
        raise given.places["line_end"].error("has no place beside framed: false")
    if values.get("answer") is False:
        for key in ("starts", "decode", "echo"):
            if key in given.places:
                raise given.places[key].error(
                    "expected an answer, which answer: none does not have"
                )
    for name in PLACE.findall(values.get("send", b"")):
        if name != b"payload" and name.decode() not in names:
            raise given.places["send"].error(
                f"{{{name.decode()}}} is unknown: use {{payload}}, or a group of its pattern"
            )
    return CommandOptions(**values)


def _payload(place: Place) -> tuple[str, tuple[str, ...]]:
    """Return a pattern as it was understood, and the names of its groups."""
    text = convert.text(place)
    try:
        tree, names = pattern.parse(text)
        built = pattern_cost.automaton(tree)
        cost = pattern_cost.steps(built, serial_bounds.COMMAND_INPUT_MAX)
    except pattern.PatternError as err:
        raise place.error(f"{err.problem}, at character {err.at + 1}") from err
    if cost > serial_bounds.PATTERN_STEPS_MAX:
        raise place.error(
            f"a payload of {serial_bounds.COMMAND_INPUT_MAX} characters may take more than "
            f"{serial_bounds.PATTERN_STEPS_MAX} steps: let what follows a repetition differ from it"
        )
    return pattern.text(tree), names


def _answer(place: Place) -> bool:
    return convert.one_of("frame", "none")(place) == "frame"


_OCTETS: Final = octets(serial_bounds.POLL_BYTES_MAX)


def _starts(place: Place) -> tuple[bytes, ...]:
    if isinstance(place.node.value, str):
        return (_OCTETS(place),)
    return convert.list_of(_OCTETS, "beginnings of answers")(place)


_COMMAND: Final = Block(
    (
        Row(("subject",), "subject", convert.text),
        Row(("send",), "send", _OCTETS),
        Row(("payload",), "payload", _payload),
        Row(("framed",), "framed", convert.boolean),
        Row(("line_end",), "line_end", octets(8)),
        Row(("answer",), "answer", _answer),
        Row(("starts",), "starts", _starts),
        Row(("decode",), "decode", convert.boolean),
        Row(("echo",), "echo", convert.boolean),
        Row(("timeout",), "timeout_ns", convert.duration),
    )
)

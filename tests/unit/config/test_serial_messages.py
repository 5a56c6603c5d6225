"""`messages` of a serial port. Truth: docs/serial/messages.md."""

from __future__ import annotations

import pytest

from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.config.serial_stage_options import MessageOptions
from leafnode.errors import ConfigError
from tests.unit.config.test_serial_framing import port as whole
from tests.unit.config.test_serial_framing import refused as whole_refused

SUBJECT = "r.{device}.{name}"


def messages(text: str, framing: str = "link", subject: str = SUBJECT) -> MessageOptions:
    block = f"""serial {{ ports [ {{
      device: "/dev/ttyUSB0", name: p, framing: {framing}, subject: "{subject}"
      messages {{ {text} }} }} ] }}"""
    serial = bind(parse(block, "x.conf")).serial
    assert serial is not None
    return serial.ports[0].messages


def refused(text: str, framing: str = "link", subject: str = SUBJECT) -> str:
    with pytest.raises(ConfigError) as caught:
        messages(text, framing, subject)
    return str(caught.value)


def test_the_block_has_all_its_keys() -> None:
    given = messages(
        'subscribe: ["cmd.{device}.{name}", "cmd.all.{name}"], request: "svc.{name}", timeout: 2s'
    )

    assert given == MessageOptions(
        ("cmd.{device}.{name}", "cmd.all.{name}"), "svc.{name}", 2_000_000_000
    )


def test_one_template_needs_no_array() -> None:
    assert messages('subscribe: "cmd.{port}.{name}"').subscribe == ("cmd.{port}.{name}",)


def test_without_the_block_nothing_is_allowed() -> None:
    assert MessageOptions() == MessageOptions(subscribe=(), request="")


@pytest.mark.parametrize("key", ["subscribe", "request"])
@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("cmd", "expected one {name}"),
        ("cmd.{name}.x", "expected one {name}"),
        ("{name}", "expected one {name}"),
        ("cmd.{name}.{name}", "expected one {name}"),
        ("cmd{name}", "expected one {name}"),
        ("{device}.{name}", "expected a first token that the device does not choose"),
        ("$JS.API.{name}", "a subject of readings must not start with $JS"),
        ("_INBOX.{name}", "a subject of readings must not start with _INBOX"),
        ("cmd.*.{name}", "expected a subject without wildcards"),
        ("cmd..{name}", "expected a subject without wildcards"),
        ("cmd.{what}.{name}", "{what} is unknown"),
    ],
)
def test_what_stands_before_the_boards_word_is_the_configurations(
    key: str, template: str, problem: str
) -> None:
    error = refused(f'{key}: "{template}"')

    assert error.startswith("x.conf:3:")
    assert f"serial.ports[0].messages: {key}: {problem}" in error


def test_a_framing_without_boards_has_no_messages() -> None:
    error = refused('subscribe: "cmd.{name}"', framing="line", subject="r.p")

    assert "messages need framing link or text_link" in error


def test_a_text_link_has_them() -> None:
    assert messages('request: "svc.{name}"', framing="text_link").request == "svc.{name}"


def test_an_unknown_key_is_refused() -> None:
    assert 'serial.ports[0].messages: unknown field "publish"' in refused("publish: x")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("framing: link, boards: press-4", ("press-4",)),
        ("framing: text_link, boards: [uno, due_2]", ("uno", "due_2")),
        ("framing: link", ()),
    ],
)
def test_a_port_may_name_its_boards(text: str, names: tuple[str, ...]) -> None:
    assert whole(text).boards == names


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("boards: uno", "x.conf:2:1: ….boards: boards need framing link or text_link"),
        ("framing: link, boards: []", "….boards: expected at least one of names"),
        ("framing: link, boards: [a, a]", 'the name "a" stands twice'),
        ("framing: link, boards: 'a.b'", "….boards: expected 1 to 32 letters, digits, - and _"),
        ("framing: link, boards: [5]", "….boards"),
        (
            f"framing: link, boards: [{', '.join(f'b{n}' for n in range(65))}]",
            "….boards: expected at most 64 names",
        ),
    ],
)
def test_the_names_of_boards_are_checked(text: str, error: str) -> None:
    assert error in whole_refused(text)

"""`messages` and `boards` of a serial port: what its boards may subscribe to and ask, their names.

Knows templates; not boards. Truth: docs/serial/messages.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.config import convert, serial_bounds
from leafnode.config.place import Block, Row, no_duplicates
from leafnode.config.serial_stage_options import MessageOptions
from leafnode.errors import quoted
from leafnode.link.subject import is_name

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place
    from leafnode.config.serial_options import SerialPort

_NAME: Final = ".{name}"


def messages(place: Place) -> MessageOptions:
    return MessageOptions(**_MESSAGES.read(place).values)


def check_messages(given: Given, port: SerialPort) -> None:
    """Raise where a template of the port cannot be one, or its framing carries no messages."""
    place = given.places.get("messages")
    if place is None:
        return
    if port.framing.type not in convert.BOARD_FRAMINGS:
        raise place.error("messages need framing link or text_link")
    templates = [("subscribe", template) for template in port.messages.subscribe]
    if port.messages.request:
        templates.append(("request", port.messages.request))
    for key, template in templates:
        if problem := _problem(template, port):
            raise place.error(f"{key}: {problem}")


def boards(place: Place) -> tuple[str, ...]:
    """The names that boards of a port may have: one, or an array."""
    if isinstance(place.node.value, str):
        names: tuple[str, ...] = (convert.text(place),)
    else:
        names = convert.list_of(convert.text, "names of boards")(place)
        no_duplicates(place, list(names), "name")
    if len(names) > serial_bounds.BOARDS_MAX:
        raise place.error(f"expected at most {serial_bounds.BOARDS_MAX} names")
    for name in names:
        if not name.isascii() or not is_name(name.encode()):
            raise place.error(f"expected 1 to 32 letters, digits, - and _, got {quoted(name)}")
    return names


def check_boards(given: Given, port: SerialPort) -> None:
    """Raise where the framing's devices have no names."""
    if "boards" in given.places and port.framing.type not in convert.NAMING_FRAMINGS:
        raise given.places["boards"].error("boards need framing link or text_link")


def _problem(template: str, port: SerialPort) -> str:
    """Say what is wrong with a template, or return "".

    What stands before the board's own word is the configuration's: a board reaches neither `$JS.`
    nor anybody's inbox.
    """
    if not template.endswith(_NAME) or "{name}" in template.removesuffix(_NAME):
        return "expected one {name}, behind the last dot: what stands before is not the board's"
    return convert.template_problem(template, port.name, framing=port.framing.type)


def _templates(place: Place) -> tuple[str, ...]:
    if isinstance(place.node.value, str):
        return (convert.text(place),)
    return convert.list_of(convert.text, "subjects")(place)


_MESSAGES: Final = Block(
    (
        Row(("subscribe",), "subscribe", _templates),
        Row(("request",), "request", convert.text),
        Row(("timeout",), "timeout_ns", convert.duration),
    )
)

"""Plays every row of the text dialect's state table of docs/device-link.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from leafnode.bridge.framing.text_lines import sealed
from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.reading import Reading, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

LONG: Final = b"x" * 64
PAGE: Final = Path(__file__).parents[4] / "docs" / "device-link.md"


class Scene:
    """A framing in a state; what a board says is sealed where the state is CHECKED."""

    def __init__(self, state: str) -> None:
        self.framing = TextLinkFraming(name="p", msg_id_prefix=b"p.x", max_frame_bytes=64)
        self.framing.allows = lambda device, kind, subject: subject != "secret"
        self.framing.opened(0)
        self.framing.receive(b"\n", 0)  # the end of a line that began before
        self.now_ms = 0
        self.is_checked = state == "CHECKED"
        self.readings = self.given_up = 0
        if state != "UNKNOWN":
            self.say(b"hello uno 7", *[b"#20 pt t 1"] * 2, b"serve led")
            self.readings = 0
        self.heard()
        while (wait_ms := self.framing.next_timeout_ms(self.now_ms)) is not None:
            self.now_ms += wait_ms
            self.heard()  # the questions to who says nothing
        self.now_ms += 3_600_000

    def say(self, *lines: bytes) -> None:
        for line in lines:
            self.raw(sealed(line) if self.is_checked else line)

    def raw(self, line: bytes) -> None:
        self.framing.receive(line + b"\n", self.now_ms)
        while (event := self.framing.next_event()) is not None:
            if isinstance(event, Reading):
                self.readings += not event.wrong
                self.given_up += bool(event.wrong)

    def heard(self) -> list[str]:
        lines = self.framing.data_to_send(self.now_ms).decode().splitlines()
        return [line.partition("*")[0] for line in lines]

    def state(self) -> str:
        framing = self.framing
        if not framing._is_greeted:
            return "UNKNOWN"
        return "CHECKED" if framing._checks.is_on else "GREETED"

    def count(self, counter: str) -> int:
        if counter in {"readings", "given_up"}:
            return self.readings if counter == "readings" else self.given_up
        number: int = getattr(self.framing.counts(), counter)
        return number

    def answer(self) -> None:
        self.framing.request(1, "led", b"on")
        self.framing.data_to_send(self.now_ms)
        self.say(b"rep 1 done")


EVENTS: Final[dict[str, Callable[[Scene], object]]] = {
    "hello, a boot number": lambda s: s.raw(b"hello uno 8"),
    "the same hello without a checksum, three times in a row": lambda s: [
        s.raw(b"hello uno 8") for _ in range(3)
    ],
    "hello, a boot number, with a checksum": lambda s: s.raw(sealed(b"hello uno 8")),
    "hello of the same boot": lambda s: s.say(b"hello uno 7"),
    "hello without a boot number": lambda s: s.raw(b"hello uno"),
    "hello that cannot be": lambda s: s.say(b"hello a.b"),
    "pt or pub without a number": lambda s: s.say(b"pt t 1"),
    "pt or pub, the next number": lambda s: s.say(b"#21 pt t 1"),
    "pt or pub, a number left out": lambda s: s.say(b"#23 pt t 1"),
    "pt or pub, the last number again": lambda s: s.say(b"#20 pt t 1"),
    "pt or pub, a number far behind": lambda s: s.say(b"#12 pt t 1"),
    "pt that is no number": lambda s: s.say(b"pt t hot"),
    "pt that is no number, the next number": lambda s: s.say(b"#21 pt t hot"),
    "the same, three times": lambda s: s.say(*[b"#21 pt t hot"] * 3),
    "a wrong checksum": lambda s: s.raw(b"pt t 1*00"),
    "a line without a checksum": lambda s: s.raw(b"pt t 1"),
    "log": lambda s: s.say(b"log info x"),
    "sub or serve, allowed": lambda s: s.say(b"sub new"),
    "sub or serve, not allowed": lambda s: s.say(b"sub secret"),
    "unsub": lambda s: s.say(b"unsub led"),
    "req, allowed": lambda s: s.say(b"req 5 500 zone"),
    "req, not allowed": lambda s: s.say(b"req 5 500 secret"),
    "rep or err": lambda s: s.answer(),
    "noise": lambda s: s.raw(b">>> boot"),
    "a line that is too long": lambda s: s.raw(b"pub t " + b"x" * 64),
    "a numbered line that is too long, the next number": lambda s: s.say(b"#21 pub t " + LONG),
    "the same long line, three times": lambda s: s.say(*[b"#21 pub t " + LONG] * 3),
    "application: committed": lambda s: s.framing.committed(Receipt((b"uno", 7), 20)),
    "application: committed, of another boot": lambda s: s.framing.committed(
        Receipt((b"uno", 9), 20)
    ),
    "application: message": lambda s: s.framing.message(1, "led", b"on"),
    "application: request": lambda s: s.framing.request(1, "led", b"on"),
    "the port is lost, and opened again": lambda s: [
        s.framing.closed(),
        s.framing.opened(s.now_ms),
    ],
}


def rows() -> list[tuple[str, str, str]]:
    """Return (event, state, cell) of the table."""
    section = PAGE.read_text().split("\n### Gateway: the text dialect\n")[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    states = [head.removeprefix("in ") for head in cells[0][1:]]
    return [
        (row[0], state, cell)
        for row in cells[1:]
        for state, cell in zip(states, row[1:], strict=True)
    ]


def test_the_table_and_the_events_are_the_same() -> None:
    assert {event for event, _, _ in rows()} == set(EVENTS)


@pytest.mark.parametrize(("event", "state", "cell"), rows())
def test_the_framing_does_what_the_table_says(event: str, state: str, cell: str) -> None:
    rest, _, counter = cell.replace("`", "").partition(" · ")
    said, _, next_state = rest.partition(" → ")
    scene = Scene(state)
    assert scene.state() == state
    before = scene.count(counter) if counter else 0

    EVENTS[event](scene)

    assert scene.heard() == ([] if said == "nothing" else said.split(", "))
    assert scene.state() == next_state
    if counter:
        assert scene.count(counter) > before

"""The serial block. Truth: docs/serial.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leafnode.config import serial as serial_module
from leafnode.config import (
    serial_check,
    serial_codec,
    serial_commands,
    serial_framing,
    serial_line,
    serial_mapping,
    serial_messages,
    serial_modbus,
)
from leafnode.config.bind import bind, load
from leafnode.config.parser import parse
from leafnode.config.place import Block
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import CodecOptions, FramingOptions
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.options import Options

DEVICE = "/dev/serial/by-id/usb-1"
DOCS = Path(__file__).parents[3] / "docs"
# With tables of keys.
MODULES = (
    serial_module,
    serial_commands,
    serial_line,
    serial_mapping,
    serial_messages,
    serial_modbus,
)
VARIANTS = (serial_check, serial_codec, serial_framing)  # with tables by type


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value).removeprefix("x.conf:")


def test_a_serial_port_has_all_its_keys() -> None:
    serial = options(
        f"""jetstream: on
        serial {{ account: "$G", ports [
          {{ device: "{DEVICE}", name: scale, subject: "r.{{port}}" }}
          {{ device: "/dev/ttyACM0", name: press, subject: "r.{{port}}.{{device}}.{{name}}",
             baud: 9600, framing: link, codec: json, max_frame: 2KB, stream: R }}
          {{ device: "/dev/ttyS1", name: csv, subject: r.csv, codec: csv, fields: [a, b],
             keep_first: true }}
        ] }}"""
    ).serial

    assert serial == SerialOptions(
        (
            SerialPort(DEVICE, "scale", "r.{port}"),
            SerialPort(
                "/dev/ttyACM0",
                "press",
                "r.{port}.{device}.{name}",
                baud=9600,
                framing=FramingOptions("link", max_frame_bytes=2048),
                codec=CodecOptions("json"),
                stream="R",
            ),
            SerialPort(
                "/dev/ttyS1",
                "csv",
                "r.csv",
                framing=FramingOptions(keep_first=True),
                codec=CodecOptions("csv", ("a", "b")),
            ),
        )
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name: a, subject: b", "serial.ports[0]: expected device"),
        ("device: /a, subject: b", "serial.ports[0]: expected name"),
        ("device: /a, name: b", "serial.ports[0]: expected subject"),
        ("device: /a, name: 'b.c', subject: d", "ports[0].name: expected a port name without"),
        (
            "device: /a, name: b, subject: 'c.*'",
            "ports[0].subject: expected a subject without wild",
        ),
        ("device: /a, name: b, subject: 'c.{name}'", "ports[0].subject: {device} and {name} need"),
        ("device: /a, name: b, subject: c, baud: 0", "baud: expected a baud rate from 1 to"),
        (
            "device: /a, name: b, subject: c, framing: slap",
            'framing: expected "slip", or another word',
        ),
        (
            "device: /a, name: b, subject: c, codec: xml",
            "codec: expected text or raw or json or csv",
        ),
        (
            "device: /a, name: b, subject: c, codec: csv",
            "expected fields, the names of the columns",
        ),
        (
            "device: /a, name: b, subject: c, fields: [x]",
            "fields: expected codec csv or struct beside",
        ),
        (
            "device: /a, name: b, subject: c, codec: csv, fields: [x, x]",
            'the field "x" stands twice',
        ),
        ("device: /a, name: b, subject: c, max_frame: 0", "max_frame: expected a size from 1 to"),
        (
            "device: /a, name: b, subject: c, framing: link, keep_first: true",
            "keep_first: framing link has no keep_first",
        ),
        (
            "device: /a, name: b, subject: c}, {device: /a, name: d, subject: e",
            'serial.ports[1]: the device "/a" stands twice',
        ),
        (
            "device: /a, name: b, subject: c}, {device: /d, name: b, subject: e",
            'serial.ports[1]: the name "b" stands twice',
        ),
    ],
)
def test_a_serial_port_is_checked(text: str, error: str) -> None:
    assert error in refused(f"serial {{ ports [ {{ {text} }} ] }}")


def test_a_serial_block_needs_ports() -> None:
    assert "serial: expected ports" in refused("serial {}")
    assert "serial.ports: expected at least one port" in refused("serial { ports: [] }")


@pytest.mark.parametrize(
    ("text", "control"),
    [("", "local"), ("control: local", "local"), ("control: ALL", "all"), ("control: off", "off"),
     ("control: 'off'", "off"), ("control: false", "off")],
)  # fmt: skip
def test_requests_to_ports_may_come_from_here_from_everywhere_or_from_nowhere(
    text: str, control: str
) -> None:
    port = "ports [ { device: /dev/x, name: p, subject: s.p } ]"
    serial = options(f"serial {{ {text}\n {port} }}").serial

    assert serial is not None
    assert serial.control == control
    assert "control: expected local or all or off" in refused(f"serial {{ control: on\n {port} }}")


# --- documentation

KEYS = sorted(
    {
        key
        for module in MODULES
        for table in vars(module).values()
        if isinstance(table, Block)
        for row in table.rows
        for key in row.keys
    }
    | {
        key
        for module in VARIANTS
        for rows in module.TABLES.values()
        for row in rows
        for key in row.keys
    }
)
WORDS = sorted({word for module in VARIANTS for word in module.TABLES})


@pytest.mark.parametrize("word", WORDS)
def test_every_type_is_documented(word: str) -> None:
    assert any(f"`{word}`" in page.read_text() for page in DOCS.glob("serial/*.md"))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    pages = [DOCS / "serial.md", *DOCS.glob("serial/*.md")]
    assert any(f"`{key}`" in page.read_text() for page in pages)


EXAMPLES = sorted((Path(__file__).parents[3] / "configs" / "examples").glob("serial-*.conf"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path) -> None:
    loaded = load(str(path), {})

    assert loaded.serial is not None
    assert loaded.serial.ports


@pytest.mark.parametrize("page", ["modbus.md", "commands.md"])
def test_what_a_page_shows_is_valid(page: str) -> None:
    text = (DOCS / "serial" / page).read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ports = []
    for block in blocks:
        if "serial {" in block:
            whole = block
        elif block.startswith("modbus"):
            whole = f"serial {{ ports [ {{ device: /d, name: n, subject: s\n{block} }} ] }}"
        else:
            whole = f"serial {{ ports [ {block} ] }}"
        serial = options(whole).serial
        assert serial is not None
        ports += serial.ports

    assert len(ports) == len(blocks) == 2

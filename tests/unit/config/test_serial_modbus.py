"""The block modbus of a serial port. Truth: docs/serial/modbus.md."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.modbus_options import (
    BusCommandOptions,
    Group,
    ModbusOptions,
    Register,
    Slave,
    Write,
)
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

REGISTERS = "registers [ { name: a, address: 0 } ]"
GROUP = f"{{ name: g, every: 1s, {REGISTERS} }}"
SLAVE = f"{{ name: m, address: 1, groups [ {GROUP} ] }}"


def port(text: str, *, subject: str = "s.{device}.{name}", before: str = "") -> SerialPort:
    whole = (
        f"{before}\nserial {{ ports [ {{ device: /d, name: n, subject: {subject!r}\n{text} }} ] }}"
    )
    serial = bind(parse(whole, "x.conf")).serial
    assert serial is not None
    return serial.ports[0]


def refused(text: str, **more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        port(text, **more)
    return str(caught.value).replace("serial.ports[0].modbus", "…")


def bus(text: str) -> ModbusOptions:
    options = port(f"modbus {{ {text} }}").modbus
    assert options is not None
    return options


def registers(text: str, slave: str = "") -> tuple[Register, ...]:
    group = f"{{ name: g, every: 1s, registers [ {text} ] }}"
    (made,) = bus(f"slaves [ {{ name: m, address: 1, {slave} groups [ {group} ] }} ]").slaves
    return made.groups[0].registers


def test_a_bus_with_its_defaults() -> None:
    group = Group("g", NS_PER_S, (Register("a", "holding", 0),))

    assert bus(f"slaves [ {SLAVE} ]") == ModbusOptions((Slave("m", 1, (group,)),))


def test_all_that_may_be_said_of_a_bus() -> None:
    options = bus(
        f"slaves [ {SLAVE} ], timeout: 300ms, retries: 0, gap: 10ms, backoff: 2s, "
        "backoff_max: 60s, echo: true"
    )

    assert (options.timeout_ns, options.retries) == (300 * NS_PER_MS, 0)
    assert (options.gap_ns, options.echo) == (10 * NS_PER_MS, True)
    assert (options.backoff_ns, options.backoff_max_ns) == (2 * NS_PER_S, 60 * NS_PER_S)


def test_registers() -> None:
    made = registers(
        '{ name: a, address: 0x10, type: u32, scale: 0.1, offset: -1, digits: 1, unit: "V" }, '
        "{ name: b, address: 2, type: string, length: 5, word_order: big }, "
        '{ address: 3, type: bits, bits: [run, "", fault], byte_order: little }, '
        "{ name: c, table: coil, address: 4 }, "
        '{ name: d, table: input, address: 5, type: i16, absent: "0x8000" }',
        "word_order: little,",
    )

    assert made == (
        Register("a", "holding", 16, "u32", 2, big_words=False, scale=0.1, offset=-1, digits=1,
                 unit="V"),
        Register("b", "holding", 2, "string", 3),
        Register("", "holding", 3, "bits", big_words=False, big_bytes=False,
                 bits=("run", "", "fault")),
        Register("c", "coil", 4, "bit"),
        Register("d", "input", 5, "i16", big_words=False, absent=0x8000),
    )  # fmt: skip
    assert made[2].fields == ("run", "fault")


def test_a_variable_may_hold_the_map_of_several_slaves() -> None:
    options = port(
        "modbus { slaves [ { name: m, address: 1, groups [ { name: g, every: 1s, registers: $map }"
        " ] }, { name: n, address: 2, groups [ { name: g, every: 1s, registers: $map } ] } ] }",
        before="map: [ { name: a, address: 0 }, { name: b, address: 1 } ]",
    ).modbus

    assert options is not None
    one, other = options.slaves
    assert one.groups == other.groups


def test_units_come_to_the_mapping_whose_own_stand_above() -> None:
    made = port(
        "modbus { slaves [ { name: m, address: 1, groups [ { name: g, every: 1s, registers [ "
        "{ name: a, address: 0, unit: V }, { name: b, address: 1, unit: A } ] } ] } ] }\n"
        "mapping { fields { a { deadband: 0.5 }, b { unit: mA } } }"
    )

    units = {field.name: (field.unit, field.deadband) for field in made.mapping.fields}
    assert units == {"a": ("V", 0.5), "b": ("mA", None)}
    assert (made.framing.type, made.codec.type, made.codec.fields) == ("modbus", "json", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("slaves []", "expected at least one slave"),
        ("timeout: 1s", "expected slaves"),
        (f"slaves [ {SLAVE}, {SLAVE} ]", 'the slave "m" stands twice'),
        (f"slaves [ {SLAVE}, {SLAVE.replace('name: m', 'name: n')} ]", 'the address "1" stands'),
        (f"slaves [ {SLAVE.replace('address: 1', 'address: 248')} ]", "an address"),
        (f"slaves [ {SLAVE.replace('address: 1', 'address: 0')} ]", "address 0 is all slaves"),
        ("slaves [ { name: m, address: 1, groups [] } ]", "expected at least one group"),
        ("slaves [ { name: m, address: 1 } ]", "expected groups"),
        (f"slaves [ {SLAVE.replace(GROUP, f'{GROUP}, {GROUP}')} ]", 'the group "g" stands twice'),
        (f"slaves [ {SLAVE.replace('every: 1s,', '')} ]", "needs every"),
        (f"slaves [ {SLAVE} ], backoff: 60s", "….backoff: expected a backoff"),
        (f"slaves [ {SLAVE} ], backoff: 5s, backoff_max: 1s", "….backoff_max: expected"),
        (f"slaves [ {SLAVE} ], baud: 5", 'unknown field "baud"'),
    ],
)
def test_a_bus_is_checked(text: str, problem: str) -> None:
    error = refused(f"modbus {{ {text} }}")

    assert error.startswith("x.conf:3:"), error
    assert problem in error


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected at least one register"),
        ("{ name: a }", "expected address"),
        ("{ address: 1 }", "expected name"),
        ("{ name: a, address: 65536 }", "a number of 16 bits"),
        ("{ name: a, address: 65535, type: u32 }", "its last register is behind 65535"),
        ("{ name: a, address: 1, type: u8 }", "u16 or i16"),
        ("{ name: a, address: 1, type: string }", "expected length"),
        ("{ name: a, address: 1, length: 4 }", "only a string has a length"),
        ("{ name: a, address: 1, type: string, length: 4, scale: 2 }", "is no number"),
        ("{ address: 1, type: bits }", "expected bits"),
        ("{ address: 1, type: bits, bits: ['', ''] }", "1 to 32 names"),
        ("{ name: a, address: 1, bits: [x] }", "expected type bits"),
        ("{ name: a, address: 1, table: coil, type: u16 }", "is one bit"),
        ("{ name: a, address: 1, table: discrete, word_order: big }", "is one bit"),
        ("{ name: a, address: 1, table: coil, unit: V }", "is one bit"),
        ("{ name: a, address: 1, absent: 0x10000 }", "expected 16 bits"),
        ("{ name: a, address: 1, scale: 0 }", "other than zero"),
        ("{ name: a, address: 1 }, { name: a, address: 2 }", 'the field "a" stands twice'),
        ("{ name: a, address: 1, type: f32, max_read: 1 }", "unknown field"),
    ],
)
def test_registers_are_checked(text: str, problem: str) -> None:
    group = f"{{ name: g, every: 1s, registers [ {text} ] }}"
    error = refused(f"modbus {{ slaves [ {{ name: m, address: 1, groups [ {group} ] }} ] }}")

    assert problem in error


def test_a_value_fits_into_one_request() -> None:
    group = "{ name: g, every: 1s, registers [ { name: a, address: 0, type: u64 } ] }"
    error = refused(
        f"modbus {{ slaves [ {{ name: m, address: 1, max_read: 3, groups [ {group} ] }} ] }}"
    )

    assert "takes more than max_read" in error


def test_a_name_has_one_unit() -> None:
    slave = (
        "{ name: %s, address: %d, groups [ { name: g, every: 1s, "
        "registers [ { name: a, address: 0, unit: %s } ] } ] }"
    )
    error = refused(f"modbus {{ slaves [ {slave % ('m', 1, 'V')}, {slave % ('n', 2, 'mV')} ] }}")

    assert '"a" has two units' in error


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("framing: line", "has no place beside modbus"),
        ("check: sum8", "has no place beside modbus"),
        ("codec: json", "has no place beside modbus"),
        ("keep_first: true", "has no place beside modbus"),
        ("max_frame: 100", "has no place beside modbus"),
        ("preset: sics", "has no place beside modbus"),
        ("messages { request: 'a.{name}' }", "messages need framing link or text_link"),
    ],
)
def test_what_has_no_place_beside_it(text: str, problem: str) -> None:
    assert problem in refused(f"modbus {{ slaves [ {SLAVE} ] }}\n{text}")


def test_a_subject_may_name_what_a_bus_has_and_nothing_else() -> None:
    text = f"modbus {{ slaves [ {SLAVE} ] }}"

    assert port(text, subject="s.{port}.{device}.{field}").subject
    assert port(text, subject="s.{a}").subject
    assert "is no field of the codec" in refused(text, subject="s.{b}")


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    error = refused(f"modbus {{ slaves [ {SLAVE} ] }}")

    assert error == "x.conf:3:1: …: needs pymodbus: pip install 'pymodbus>=3.11,<4'"


# --- commands

COMMANDS = 'commands { subject: "cmd.{port}.{device}.{name}" }'


def writes(text: str, slave: str = "") -> tuple[Write, ...]:
    (made,) = bus(
        f"{COMMANDS}, slaves [ {{ name: m, address: 1, {slave} writes [ {text} ] }} ]"
    ).slaves
    return made.writes


def test_what_may_be_written() -> None:
    made = writes(
        "{ name: speed, address: 1, type: i16, scale: 0.1, min: 0, max: 50.5 }, "
        "{ name: set, address: 2, type: f32, multiple: true }, "
        "{ name: lamps, table: coil, address: 0, count: 8 }",
        "word_order: little,",
    )

    assert made == (
        Write(
            Register("speed", "holding", 1, "i16", scale=0.1, big_words=False), least=0, most=50.5
        ),
        Write(Register("set", "holding", 2, "f32", 2, big_words=False), multiple=True),
        Write(Register("lamps", "coil", 0, "bit"), count=8),
    )


def test_commands_and_groups_that_are_read_only_when_asked() -> None:
    group = GROUP.replace("every: 1s,", "")
    options = bus(
        f"commands {{ subject: 'c.{{device}}.{{name}}', timeout: 1s }}, turnaround: 50ms, "
        f"slaves [ {{ name: m, address: 1, groups [ {group} ] }} ]"
    )

    assert options.commands == BusCommandOptions("c.{device}.{name}", NS_PER_S)
    assert options.slaves[0].groups[0].every_ns == 0
    assert options.turnaround_ns == 50 * NS_PER_MS


def test_all_slaves_may_be_told_something() -> None:
    (all_of_them,) = bus(
        f"{COMMANDS}, slaves [ {{ name: all, address: 0, writes [ {{ name: a, address: 1 }} ] }} ]"
    ).slaves

    assert (all_of_them.address, all_of_them.groups) == (0, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{ address: 1 }", "expected name"),
        ("{ name: a.b, address: 1 }", "expected one token"),
        ("{ name: 'a*', address: 1 }, { name: '*', address: 2 }", "expected one token"),
        ("{ name: a, address: 1, table: input }", "only a coil or a holding register"),
        ("{ name: a, address: 1, table: discrete }", "only a coil or a holding register"),
        ("{ name: a, address: 1, type: bits, bits: [x] }", "unknown field"),
        ("{ name: a, address: 1, table: coil, max: 1 }", "only a number has a range"),
        ("{ name: a, address: 1, min: 5, max: 4 }", "expected no less than min"),
        ("{ name: a, address: 1, type: u64, count: 31 }", "expected at most 123"),
        ("{ name: a, table: coil, address: 1, count: 1969 }", "values"),
        ("{ name: a, address: 65535, count: 2 }", "none behind 65535"),
        ("{ name: a, address: 1 }, { name: a, address: 2 }", "two have the subject"),
    ],
)
def test_writes_are_checked(text: str, problem: str) -> None:
    error = refused(
        f"modbus {{ {COMMANDS}, slaves [ {{ name: m, address: 1, writes [ {text} ] }} ] }}"
    )

    assert problem in error, error


def test_a_group_and_a_write_have_different_names() -> None:
    slave = f"{{ name: m, address: 1, groups [ {GROUP} ], writes [ {{ name: g, address: 1 }} ] }}"

    assert 'two have the subject "cmd.n.m.g"' in refused(
        f"modbus {{ {COMMANDS}, slaves [ {slave} ] }}"
    )


def test_nothing_may_be_written_without_a_subject_for_it() -> None:
    slave = "{ name: m, address: 1, writes [ { name: a, address: 1 } ] }"

    assert "writes need commands" in refused(f"modbus {{ slaves [ {slave} ] }}")
    for subject in ("$SYS.{device}", "_INBOX.{name}", "a.*", "a.{field}"):
        error = refused(f"modbus {{ commands {{ subject: '{subject}' }}, slaves [ {slave} ] }}")
        assert "commands: " in error

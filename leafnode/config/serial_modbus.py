"""`modbus` of a serial port: its slaves, their groups and registers, and the rules among them.

Knows keys and values; not how anything is asked. Truth: docs/serial/modbus.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from leafnode.config import convert, serial_bounds, serial_commands
from leafnode.config.modbus_options import (
    BusCommandOptions,
    Group,
    ModbusOptions,
    Register,
    Slave,
    Write,
)
from leafnode.config.octets import pattern_of
from leafnode.config.place import Block, Place, Row, no_duplicates
from leafnode.config.serial_mapping import number, number_but_zero
from leafnode.config.serial_stage_options import (
    CodecOptions,
    FieldOptions,
    FramingOptions,
    MappingOptions,
)
from leafnode.errors import quoted

if TYPE_CHECKING:
    from leafnode.config.place import Given
    from leafnode.config.serial_options import SerialPort

# How many registers a number takes.
_SIZES: Final = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
_WORDS: Final = (*_SIZES, "string", "bits")
_TABLES: Final = ("coil", "discrete", "input", "holding")
_BIT_TABLES: Final = frozenset({"coil", "discrete"})
_OF_WORDS: Final = (
    *("type", "length", "word_order", "byte_order", "scale", "offset"),
    *("digits", "unit", "absent", "bits"),
)
_STRING_BYTES_MAX: Final = 248
_OTHERS: Final = ("framing", "check", "codec", "fields", "max_frame_bytes", "keep_first")


def modbus(place: Place) -> ModbusOptions:
    given = _MODBUS.read(place)
    given.need("slaves", "slaves, an array of those that are asked")
    options = ModbusOptions(**given.values)
    if options.backoff_ns > options.backoff_max_ns:
        where = given.places.get("backoff_max_ns") or given.places["backoff_ns"]
        raise where.error("expected a backoff that is no longer than backoff_max")
    _check_asked(options, given)
    _need_library(place)
    return options


def _check_asked(options: ModbusOptions, given: Given) -> None:
    """Check what only commands can reach."""
    for slave, place in zip(options.slaves, given.places["slaves"].items("slaves"), strict=True):
        if options.commands is None and slave.writes:
            raise place.error("writes need commands beside slaves, which say where they are sent")
        for group in slave.groups:
            if options.commands is None and not group.every_ns:
                problem = f"the group {quoted(group.name)} needs every, how often it is read"
                raise place.error(problem)


def check(port: SerialPort, given: Given) -> None:
    """Check where commands are sent, once the port's name is known."""
    if port.modbus is None or port.modbus.commands is None:
        return
    place = given.places["modbus"]
    subjects: set[str] = set()
    for slave in port.modbus.slaves:
        names = [group.name for group in slave.groups]
        names += [write.register.name for write in slave.writes]
        for name in names:
            subject = port.modbus.commands.subject.replace("{port}", port.name)
            subject = subject.replace("{device}", slave.name).replace("{name}", name)
            if problem := serial_commands.subject_problem(subject):
                raise place.error(f"commands: {problem}")
            if subject in subjects:
                raise place.error(f"commands: two have the subject {quoted(subject)}")
            subjects.add(subject)


def fold(given: Given) -> None:
    """Put what modbus means for framing, codec and mapping of its port into them."""
    values = given.values
    options: ModbusOptions = values["modbus"]
    for key in _OTHERS:
        if key in given.places:
            raise given.places[key].error("has no place beside modbus, which has its own")
    values["framing"] = FramingOptions("modbus")
    registers = [
        register
        for slave in options.slaves
        for group in slave.groups
        for register in group.registers
    ]
    names = tuple(dict.fromkeys(name for register in registers for name in register.fields))
    values["codec"] = CodecOptions("json", fields=names)
    mapping: MappingOptions = values.get("mapping", MappingOptions())
    values["mapping"] = replace(mapping, fields=_with_units(mapping.fields, registers, given))


def _with_units(
    fields: tuple[FieldOptions, ...], registers: list[Register], given: Given
) -> tuple[FieldOptions, ...]:
    """Return the options of fields with the units that the registers have."""
    units: dict[str, str] = {}
    for register in registers:
        for name in register.fields:
            if units.setdefault(name, register.unit) != register.unit:
                problem = f"{quoted(name)} has two units: give the registers two names"
                raise given.places["modbus"].error(problem)
    own = {field.name for field in fields}
    made = [one if one.unit else replace(one, unit=units.get(one.name, "")) for one in fields]
    return (
        *made,
        *(
            FieldOptions(name, unit=unit)
            for name, unit in units.items()
            if unit and name not in own
        ),
    )


def _need_library(place: Place) -> None:
    from importlib.util import find_spec

    if find_spec("pymodbus") is None:
        raise place.error("needs pymodbus: pip install 'pymodbus>=3.11,<4'")


def _slaves(place: Place) -> tuple[Slave, ...]:
    slaves = tuple(_slave(item) for item in place.items("slaves"))
    if not slaves:
        raise place.error("expected at least one slave, got an empty array")
    no_duplicates(place, [slave.name for slave in slaves], "slave")
    no_duplicates(place, [str(slave.address) for slave in slaves], "address")
    return slaves


def _slave(place: Place) -> Slave:
    given = _SLAVE.read(place)
    given.need("name", "name, one token that subjects and status may use")
    given.need("address", "address, 1 to 247, or 0 for all")
    if "writes" not in given.values:
        given.need("groups", "groups, an array of registers that are read together")
    values = given.values
    if not values["address"] and "groups" in values:
        raise given.places["groups"].error("address 0 is all slaves: nobody answers")
    # Orders that stand here hold for all registers that have none of their own.
    orders: dict[str, bool] = {key: values.pop(key) for key in _ORDERS if key in values}
    groups = tuple(
        Group(
            group.name,
            group.every_ns,
            tuple(_register(item, table, orders) for item in items),
        )
        for group, table, items in values.pop("groups", ())
    )
    writes = tuple(_write(item, orders) for item in values.pop("writes", ()))
    slave = Slave(**values, groups=groups, writes=writes)
    if slave.groups:
        for group, where in zip(slave.groups, given.places["groups"].items("groups"), strict=True):
            _check_group(group, slave, where)
    return slave


def _write(place: Place, orders: dict[str, bool]) -> Write:
    given = _WRITE.read(place)
    own = {key: given.values.pop(key) for key in _WRITE_KEYS if key in given.values}
    register = _checked(_register_of(given, "holding", orders), given)
    if not serial_commands.is_token(register.name):
        raise given.places["name"].error("expected one token, which a subject can have")
    if register.table not in {"coil", "holding"}:
        raise given.places["table"].error("only a coil or a holding register can be written")
    if register.type in {"bits"}:
        raise given.places["type"].error("bits cannot be written one by one")
    write = Write(register, **own)
    for key in ("least", "most"):
        if key in own and (register.table == "coil" or register.type == "string"):
            raise given.places[key].error("only a number has a range")
    if write.least is not None and write.most is not None and write.least > write.most:
        raise given.places["most"].error("expected no less than min")
    size = register.size * write.count
    most = _WRITE_BITS_MAX if register.table == "coil" else _WRITE_REGISTERS_MAX
    if size > most or register.address + size > 1 << 16:
        raise given.places["count"].error(f"expected at most {most}, and none behind 65535")
    return write


def _check_group(group: Group, slave: Slave, place: Place) -> None:
    names = [name for register in group.registers for name in register.fields]
    if len(names) > serial_bounds.READING_FIELDS_MAX:
        raise place.error(f"expected at most {serial_bounds.READING_FIELDS_MAX} fields")
    for name in names:
        if names.count(name) > 1:
            raise place.error(f"the field {quoted(name)} stands twice")
    for register in group.registers:
        if register.table not in _BIT_TABLES and register.size > slave.max_read:
            raise place.error(f"{quoted(register.name)} takes more than max_read registers")


def _groups(place: Place) -> list[tuple[Group, str, list[Place]]]:
    """Return groups without registers, their table, and where their registers stand."""
    groups = [_group(item) for item in place.items("groups")]
    if not groups:
        raise place.error("expected at least one group, got an empty array")
    if len(groups) > serial_bounds.MODBUS_GROUPS_MAX:
        raise place.error(f"expected at most {serial_bounds.MODBUS_GROUPS_MAX} groups")
    no_duplicates(place, [group.name for group, _, _ in groups], "group")
    return groups


def _group(place: Place) -> tuple[Group, str, list[Place]]:
    given = _GROUP.read(place)
    given.need("name", "name, one token that subjects may use")
    given.need("registers", "registers, an array")
    registers = given.values["registers"]
    if not registers:
        raise given.places["registers"].error("expected at least one register, got an empty array")
    group = Group(given.values["name"], given.values.get("every_ns", 0), ())
    return group, given.values.get("table", "holding"), registers


def _register(place: Place, table: str, orders: dict[str, bool]) -> Register:
    given = _REGISTER.read(place)
    return _checked(_register_of(given, table, orders), given)


def _register_of(given: Given, table: str, orders: dict[str, bool]) -> Register:
    given.need("address", "address, 0 to 65535 as on the wire: 40001 is holding 0")
    values: dict[str, Any] = {"table": table, **orders, **given.values}
    length = values.pop("length", None)
    if values["table"] in _BIT_TABLES:
        for key in _OF_WORDS:
            if (where := given.places.get(_FIELDS.get(key, key))) is not None:
                raise where.error("a coil or discrete input is one bit and has none of it")
        values.pop("big_words", None)
        values.pop("big_bytes", None)
        values["type"] = "bit"
    kind = values.setdefault("type", "u16")
    if kind == "bits":
        given.need("bits", "bits, the names from the lowest bit on")
        values.setdefault("name", "")
        values["size"] = -(-len(values["bits"]) // 16)
    elif "bits" in values:
        raise given.places["bits"].error("expected type bits beside it")
    if kind != "bits":
        given.need("name", "name, what the field is called")
    if kind == "string":
        given.need("length", "length, in bytes")
        values["size"] = -(-length // 2)
    elif length is not None:
        raise given.places["length"].error("only a string has a length")
    values.setdefault("size", _SIZES.get(kind, 1))
    return Register(**values)


def _checked(register: Register, given: Given) -> Register:
    if register.type in {"string", "bits"}:
        for key in ("scale", "offset", "digits", "absent"):
            if key in given.places:
                raise given.places[key].error(f"type {register.type} is no number")
    if register.absent is not None and register.absent >= 1 << 16 * register.size:
        raise given.places["absent"].error(f"expected {16 * register.size} bits")
    if register.address + register.size > 1 << 16:
        raise given.places["address"].error("its last register is behind 65535")
    return register


def _items(place: Place) -> list[Place]:
    return list(place.items("registers"))


def _write_items(place: Place) -> list[Place]:
    items = list(place.items("writes"))
    if len(items) > serial_bounds.MODBUS_GROUPS_MAX:
        raise place.error(f"expected at most {serial_bounds.MODBUS_GROUPS_MAX} writes")
    return items


def _commands(place: Place) -> BusCommandOptions:
    given = _COMMANDS.read(place)
    given.need("subject", "subject, like cmd.{port}.{device}.{name}")
    return BusCommandOptions(**given.values)


def _field_name(place: Place) -> str:
    name = convert.text(place)
    if len(name) > serial_bounds.FIELD_NAME_CHARS_MAX:
        raise place.expected(f"at most {serial_bounds.FIELD_NAME_CHARS_MAX} characters")
    return name


def _bit_names(place: Place) -> tuple[str, ...]:
    items = place.items("names of bits")
    names = ["" if item.node.value == "" else _field_name(item) for item in items]
    if not 1 <= len(names) <= 32 or not any(names):
        raise place.expected("1 to 32 names, one of which is not empty")
    return tuple(names)


def _is_big(place: Place) -> bool:
    return convert.one_of("big", "little")(place) == "big"


_ORDERS: Final = ("big_words", "big_bytes")
_FIELDS: Final = {"word_order": "big_words", "byte_order": "big_bytes"}
_ORDER_ROWS: Final = (
    Row(("word_order",), "big_words", _is_big),
    Row(("byte_order",), "big_bytes", _is_big),
)
_REGISTER: Final = Block(
    (
        *_ORDER_ROWS,
        Row(("name",), "name", _field_name),
        Row(("table",), "table", convert.one_of(*_TABLES)),
        Row(("address",), "address", pattern_of(16)),
        Row(("type",), "type", convert.one_of(*_WORDS)),
        Row(("length",), "length", convert.number(1, _STRING_BYTES_MAX, "bytes")),
        Row(("scale",), "scale", number_but_zero),
        Row(("offset",), "offset", number),
        Row(("digits",), "digits", convert.number(0, 12, "digits")),
        Row(("unit",), "unit", convert.text),
        Row(("absent",), "absent", pattern_of(64)),
        Row(("bits",), "bits", _bit_names),
    )
)
_WRITE_KEYS: Final = ("count", "least", "most", "multiple")
_WRITE_REGISTERS_MAX: Final = 123  # of one request, as the protocol has it
_WRITE_BITS_MAX: Final = 1968
_WRITE: Final = Block(
    (
        *(row for row in _REGISTER.rows if row.field not in {"absent", "bits", "unit", "digits"}),
        Row(("count",), "count", convert.number(1, _WRITE_BITS_MAX, "values")),
        Row(("min",), "least", number),
        Row(("max",), "most", number),
        Row(("multiple",), "multiple", convert.boolean),
    )
)
_COMMANDS: Final = Block(
    (
        Row(("subject",), "subject", convert.text),
        Row(("timeout",), "timeout_ns", convert.duration),
    )
)
_GROUP: Final = Block(
    (
        Row(("name",), "name", convert.name_of("group name")),
        Row(("every",), "every_ns", convert.duration),
        Row(("table",), "table", convert.one_of(*_TABLES)),
        Row(("registers",), "registers", _items),
    )
)
_SLAVE: Final = Block(
    (
        *_ORDER_ROWS,
        Row(("name",), "name", convert.name_of("slave name")),
        Row(("address",), "address", convert.number(0, 247, "an address")),
        Row(("groups",), "groups", _groups),
        Row(("writes",), "writes", _write_items),
        Row(("coalesce",), "coalesce", convert.number(0, 125, "registers")),
        Row(("max_read",), "max_read", convert.number(1, 125, "registers")),
    )
)
_MODBUS: Final = Block(
    (
        Row(("slaves",), "slaves", _slaves),
        Row(("timeout",), "timeout_ns", convert.duration),
        Row(("retries",), "retries", convert.number(0, 10, "retries")),
        Row(("gap",), "gap_ns", convert.duration),
        Row(("backoff",), "backoff_ns", convert.duration),
        Row(("backoff_max",), "backoff_max_ns", convert.duration),
        Row(("echo",), "echo", convert.boolean),
        Row(("turnaround",), "turnaround_ns", convert.duration),
        Row(("commands",), "commands", _commands),
    )
)

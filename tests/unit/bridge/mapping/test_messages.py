"""Subject, headers and payload of a reading's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.bridge.mapping.messages import Field, Messages, with_receipt
from leafnode.bridge.mapping.template import HeaderTemplate
from leafnode.bridge.reading import BadReading, Reading, Receipt
from leafnode.clock import NS_PER_MS
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import MappingOptions
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.bridge.publication import Publication

READING = Reading(b"scale.boot.1", b"")
WALL_NS = 1_764_280_800_123 * NS_PER_MS  # 2025-11-27T22:00:00.123Z


def messages(
    *, units: dict[str, str] | None = None, max_payload_bytes: int = 1000, **options: object
) -> Messages:
    port = SerialPort("/dev/x", "scale", "s.{port}", mapping=MappingOptions(**options))  # type: ignore[arg-type]
    return Messages(port, units or {}, max_payload=lambda: max_payload_bytes)


def one_field(
    maker: Messages, name: str, value: object = 1, *, through: bytes = b""
) -> Publication:
    (made,) = maker.by_field(READING, [Field(b"s.t", name, value, through)], {}, WALL_NS)
    return made


def parts(body: bytes, header_size: int) -> tuple[dict[bytes, bytes], bytes]:
    return dict(header.parse(body[:header_size])), body[header_size:]


def test_bytes_are_published_as_they_are_with_id_and_port() -> None:
    made = messages().whole(b"s.scale", READING, b"21.5", None, WALL_NS)

    assert made.subject == b"s.scale"
    assert parts(made.body, made.header_size) == (
        {b"Nats-Msg-Id": b"scale.boot.1", b"Leafnode-Port": b"scale"},
        b"21.5",
    )


def test_fields_are_a_json_object() -> None:
    made = messages().whole(b"s", READING, {"t": 21.5, "u": "°C"}, {}, WALL_NS)

    assert parts(made.body, made.header_size)[1] == '{"t":21.5,"u":"°C"}'.encode()


def test_the_time_may_be_a_field_or_a_header() -> None:
    field = messages(timestamp="field").whole(b"s", READING, {"t": 1}, {}, WALL_NS)
    in_header = messages(timestamp="header").whole(b"s", READING, b"1", None, WALL_NS)

    assert parts(field.body, field.header_size)[1] == b'{"t":1,"time":"2025-11-27T22:00:00.123Z"}'
    assert parts(in_header.body, in_header.header_size)[0][b"Leafnode-Time"] == (
        b"2025-11-27T22:00:00.123Z"
    )


def test_units_and_configured_headers() -> None:
    made = messages(
        units={"t": "°C", "h": "%"}, headers=(("Site", "north"), ("Kind", "{type}"))
    ).whole(b"s", READING, {"t": 1, "h": 2}, {"type": "RMC"}, WALL_NS)

    headers = parts(made.body, made.header_size)[0]
    assert headers[b"Leafnode-Units"] == rb'{"t":"\u00b0C","h":"%"}'
    assert (headers[b"Site"], headers[b"Kind"]) == (b"north", b"RMC")


def test_units_are_those_of_the_fields_that_are_there() -> None:
    maker = messages(units={"t": "K", "h": "%"})

    def units(fields: dict[str, object]) -> bytes | None:
        made = maker.whole(b"s", READING, fields, {}, WALL_NS)
        return parts(made.body, made.header_size)[0].get(b"Leafnode-Units")

    assert units({"h": 1, "x": 2}) == b'{"h":"%"}'
    assert units({"t_min": 1, "t_max": 2}) == b'{"t":"K"}'
    assert units({"x": 2}) is None


def test_one_field_has_its_value_unit_and_an_id_behind_the_readings() -> None:
    made = one_field(messages(units={"t": "C"}, timestamp="field"), "t", 21.5)

    headers, payload = parts(made.body, made.header_size)
    assert payload == b'{"value":21.5,"unit":"C","time":"2025-11-27T22:00:00.123Z"}'
    assert headers[b"Nats-Msg-Id"] == b"scale.boot.1.t"


def test_a_name_of_a_field_cannot_end_the_header_of_its_id() -> None:
    made = one_field(messages(), "a\r\nX: é")

    assert (
        parts(made.body, made.header_size)[0][b"Nats-Msg-Id"] == b"scale.boot.1.a\\r\\nX:\\x20\\xe9"
    )


def test_two_fields_of_a_reading_have_two_ids_which_are_printable() -> None:
    names = [
        "a b",
        "a_b",
        "a.b",
        "a\tb",
        "a\\tb",
        "a\\x20b",
        "é",
        "\\xe9",
        "\x7f",
        "\ud800",
        "a\x00",
    ]
    made = [one_field(messages(), name) for name in names]
    ids = {parts(one.body, one.header_size)[0][b"Nats-Msg-Id"] for one in made}

    assert len(ids) == len(names)
    assert all(0x20 < byte < 0x7F for one in ids for byte in one)


def test_the_headers_of_a_reading_are_filled_once_for_all_its_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maker = messages(timestamp="header", headers=(("Kind", "{type}"),))
    filled: list[object] = []
    value = HeaderTemplate.value

    def counted(template: HeaderTemplate, reading: Reading, fields: dict[str, object]) -> bytes:
        filled.append(fields)
        return value(template, reading, fields)

    monkeypatch.setattr(HeaderTemplate, "value", counted)
    fields = [Field(b"s.a", "a", 1), Field(b"s.b", "b", 2)]

    first, last = maker.by_field(READING, fields, {"type": "RMC"}, WALL_NS)

    expected = {b"Leafnode-Time": b"2025-11-27T22:00:00.123Z", b"Kind": b"RMC"}
    assert parts(first.body, first.header_size)[0].items() >= expected.items()
    assert parts(last.body, last.header_size)[0].items() >= expected.items()
    assert filled == [{"type": "RMC"}]


def test_of_no_fields_nothing_is_made_nor_a_header_filled() -> None:
    assert messages(headers=(("Kind", "{device}"),)).by_field(READING, [], {}, WALL_NS) == []


def test_headers_and_payload_may_have_max_payload_and_no_byte_more() -> None:
    size = len(messages().whole(b"s", READING, b"1234", None, WALL_NS).body)

    assert messages(max_payload_bytes=size).whole(b"s", READING, b"1234", None, WALL_NS)
    with pytest.raises(BadReading, match="max_payload"):
        messages(max_payload_bytes=size).whole(b"s", READING, b"12345", None, WALL_NS)


def test_what_json_cannot_hold_is_bad() -> None:
    with pytest.raises(BadReading):
        messages().whole(b"s", READING, {"a": "\ud800"}, {}, WALL_NS)


def test_what_is_told_with_a_message_gives_way_to_max_payload_and_the_reading_does_not() -> None:
    def made(size: int) -> Publication:
        maker = messages(max_payload_bytes=size)
        return one_field(maker, "t", through=b"node1.77.41")

    size = len(made(1000).told()[1])

    assert made(size).through == b"node1.77.41"
    assert made(size - 1).through == b""


def test_the_last_message_has_the_receipt() -> None:
    one = messages().whole(b"s", READING, b"1", None, WALL_NS)

    first, last = with_receipt([one, one], Receipt((b"b", 1), 2))
    assert (first.receipt, last.receipt) == (None, Receipt((b"b", 1), 2))
    assert (first.is_kept, last.is_kept) == (True, True)  # the board says it all again
    assert with_receipt([one], Receipt((b"b", 1), 2)) == [
        one._replace(receipt=Receipt((b"b", 1), 2), is_kept=True)
    ]
    assert with_receipt([], Receipt((b"b", 1), 2)) == []

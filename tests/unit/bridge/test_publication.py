"""What is told with a message stands in its headers, and nowhere where nothing is told."""

from __future__ import annotations

from dataclasses import replace

from leafnode.bridge.publication import (
    Left,
    Publication,
    kept_as,
    lasting,
    left,
    nothing,
    place,
)
from leafnode.bridge.reading import Receipt
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import CodecOptions, MappingOptions
from leafnode.protocol import header

BLOCK = header.build([(b"Nats-Msg-Id", b"scale.x.7")])
PORT = SerialPort("/dev/x", "x", "s.{device}")
PLAIN = Publication(b"s.scale", len(BLOCK), BLOCK + b"21.5", None)


def test_a_message_with_which_nothing_is_told_goes_as_it_is() -> None:
    assert PLAIN.told() == (len(BLOCK), BLOCK + b"21.5")


def test_up_to_which_reading_all_is_stored_is_a_header_behind_the_others() -> None:
    size, body = PLAIN._replace(through=b"node1.77.41").told()

    assert header.parse(body[:size]) == [
        (b"Nats-Msg-Id", b"scale.x.7"),
        (b"Leafnode-Through", b"node1.77.41"),
    ]
    assert body[size:] == b"21.5"


def of(boot: int, seq: int) -> Publication:
    return PLAIN._replace(receipt=Receipt((b"uno", boot), seq), is_kept=True)


def test_what_its_board_keeps_is_parted_from_what_nobody_else_has() -> None:
    told = PLAIN._replace(through=b"uno.7.1")

    assert left([of(7, 1), told], "S") == Left([PLAIN], "S", kept=(of(7, 1),))


def test_what_two_entries_left_is_of_either_stream_where_they_name_two() -> None:
    older = Left([PLAIN], "T", kept=(of(7, 1),))
    newer = Left([PLAIN], "S", lost=1, kept=(of(7, 2),))

    assert newer.behind(older) == Left([PLAIN, PLAIN], "", 1, (of(7, 1), of(7, 2)))
    assert newer.behind(older._replace(stream="S")).stream == "S"


def test_all_fields_of_a_reading_with_a_boot_have_ids_that_last() -> None:
    field = PLAIN._replace(is_kept=True)
    kept = (field, of(7, 1), field, of(-1, 1), of(7, 2), field)

    assert lasting(kept, PORT, replace(PORT, baud=9600)) == (field, of(7, 1), of(7, 2))
    assert lasting(kept, PORT, replace(PORT, stream="S")) == ()
    gathers = replace(PORT, mapping=MappingOptions(every_ns=1))
    assert lasting(kept, gathers, gathers) == ()


def test_of_what_is_gathered_no_id_lasts() -> None:
    gathered = of(7, 5)._replace(life=(b"uno", 7))
    part = gathered._replace(receipt=None)

    kept = part, gathered, nothing(Receipt((b"uno", 7), 6), (b"uno", 7))
    assert lasting(kept, PORT, PORT) == ()


def test_a_message_that_is_kept_is_of_the_reading_whose_receipt_stands_behind_it() -> None:
    field = PLAIN._replace(is_kept=True)
    first, other, second = of(7, 1), of(8, 1), of(7, 2)

    found = kept_as([field, first, PLAIN, other, field, PLAIN, second])

    of_each = (first, first, PLAIN, other, second, PLAIN, second)
    assert found == [one.receipt for one in of_each]


def test_where_a_reading_is_found_again_hangs_on_names_of_fields_only_where_ids_have_them() -> None:
    whole = PORT
    fields = replace(whole, subject="s.{device}.{field}")

    for changed in ({"codec": CodecOptions("json")}, {"mapping": MappingOptions(select=("t",))}):
        assert place(replace(whole, **changed)) == place(whole)
        assert place(replace(fields, **changed)) != place(fields)
    assert place(replace(fields, baud=9600)) == place(fields)
    assert place(replace(whole, stream="S")) != place(whole)

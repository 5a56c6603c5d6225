"""Lines: CR, LF and CRLF end one, too long a line costs no more than its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.line import LineFraming
from leafnode.bridge.reading import Reading


def new_framing(*, max_frame_bytes: int = 8, keep_first: bool = True) -> LineFraming:
    return LineFraming(
        max_frame_bytes=max_frame_bytes, keep_first=keep_first, msg_id_prefix=b"scale.boot"
    )


def feed(framing: LineFraming, *chunks: bytes) -> list[bytes]:
    payloads = []
    for chunk in chunks:
        framing.receive(chunk, 0)
        while (event := framing.next_event()) is not None:
            assert isinstance(event, Reading)
            payloads.append(event.payload)
    return payloads


def test_cr_lf_and_crlf_end_a_line() -> None:
    assert feed(new_framing(), b"a\rb\nc\r\nd\n") == [b"a", b"b", b"c", b"d"]


def test_crlf_cut_in_two_is_one_end() -> None:
    assert feed(new_framing(), b"a\r", b"\nb\r\n") == [b"a", b"b"]


def test_an_empty_line_is_no_reading() -> None:
    assert feed(new_framing(), b"\r\n\n\n\ra\n") == [b"a"]


def test_a_line_without_its_end_is_no_reading_yet() -> None:
    framing = new_framing()

    assert feed(framing, b"21.", b"5") == []
    assert feed(framing, b"\n") == [b"21.5"]


def test_bytes_before_the_first_end_are_dropped_since_they_may_be_a_tail() -> None:
    assert feed(new_framing(keep_first=False), b"1.5\r\n21.6\r\n") == [b"21.6"]


def test_bytes_before_the_first_end_are_kept_where_the_option_says_so() -> None:
    assert feed(new_framing(keep_first=True), b"1.5\n21.6\n") == [b"1.5", b"21.6"]


def test_opening_the_port_again_forgets_half_a_line() -> None:
    framing = new_framing(keep_first=True)
    feed(framing, b"old\nhal")

    framing.opened(0)

    assert feed(framing, b"new\n") == [b"new"]


def test_opening_the_port_again_drops_the_first_piece_again() -> None:
    framing = new_framing(keep_first=False)
    assert feed(framing, b"x\na\n") == [b"a"]

    framing.opened(0)

    assert feed(framing, b"tail\nb\n") == [b"b"]


def test_a_line_of_the_maximum_is_a_reading() -> None:
    framing = new_framing(max_frame_bytes=8)

    assert feed(framing, b"12345678\n") == [b"12345678"]
    assert framing.counts().overlong == 0


def test_a_line_of_one_more_is_dropped_and_the_next_one_is_read() -> None:
    framing = new_framing(max_frame_bytes=8)

    assert feed(framing, b"123456789\nnext\n") == [b"next"]
    assert framing.counts().overlong == 1


def test_a_line_without_an_end_keeps_no_more_than_the_maximum() -> None:
    framing = new_framing(max_frame_bytes=8)

    feed(framing, *[b"x" * 4096] * 100)

    assert len(framing._buffer) <= 8
    assert framing.counts().overlong == 1
    assert feed(framing, b"x\nnext\n") == [b"next"]


def test_every_reading_has_an_id_of_its_own() -> None:
    framing = new_framing()
    framing.receive(b"same\nsame\n", 0)

    first, second = framing.next_event(), framing.next_event()

    assert first == Reading(b"scale.boot.1", b"same")
    assert second == Reading(b"scale.boot.2", b"same")


def test_ids_go_on_after_the_port_was_opened_again() -> None:
    framing = new_framing()
    feed(framing, b"a\n")

    framing.opened(0)
    framing.receive(b"b\n", 0)

    assert framing.next_event() == Reading(b"scale.boot.2", b"b")


def test_bytes_and_frames_are_counted() -> None:
    framing = new_framing()

    feed(framing, b"a\r\nb\r\nc")

    assert framing.counts()[:2] == (7, 2)


def test_nothing_is_sent_to_a_line_sensor() -> None:
    framing = new_framing()
    feed(framing, b"a\n")

    assert framing.data_to_send(0) == b""
    assert framing.next_timeout_ms(0) is None


STREAMS = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"1", b"22", b"x" * 8, b"y" * 9]),
    max_size=40,
).map(b"".join)


@given(st.one_of(STREAMS, st.binary(max_size=200)), st.booleans(), st.data())
def test_any_chunking_gives_the_same_readings_and_counts(
    stream: bytes, keep_first: bool, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = new_framing(keep_first=keep_first)
    cut = new_framing(keep_first=keep_first)

    assert feed(cut, *chunks) == feed(whole, stream)
    assert cut.counts() == whole.counts()


@given(STREAMS)
def test_readings_are_the_lines_that_python_sees(stream: bytes) -> None:
    lines = stream.replace(b"\r", b"\n").split(b"\n")[:-1]

    assert feed(new_framing(), stream) == [line for line in lines if 0 < len(line) <= 8]

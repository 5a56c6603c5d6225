"""Frames and answers on the pipes of a function. Truth: docs/serial/exec.md, "The process"."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge import port_bounds
from leafnode.bridge.exec import pipe
from leafnode.bridge.exec.pipe import Answer, Answers, PipeError

KINDS = st.sampled_from(
    [pipe.READY, pipe.FIELDS, pipe.BYTES, pipe.NOTHING, pipe.BAD, pipe.NOT_LOADED, pipe.LEAVING]
)


def written(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">cI", kind, len(body)) + body


def test_a_frame_has_its_size_before_it() -> None:
    assert pipe.request(b"abc") == b"\0\0\0\3abc"


@given(st.lists(st.tuples(KINDS, st.binary(max_size=40))), st.lists(st.integers(1, 9)))
def test_any_pieces_give_the_same_answers(told: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    data = b"".join(written(kind, body) for kind, body in told)
    answers, found = Answers(), []

    for size in [*cuts, max(1, len(data))]:
        found += answers.receive(data[:size])
        data = data[size:]

    assert found == [Answer(kind, body) for kind, body in told]


def test_the_largest_answer_is_taken_and_one_byte_more_is_not() -> None:
    most = port_bounds.EXEC_ANSWER_BYTES

    assert len(Answers().receive(written(b"B", bytes(most)))[0].body) == most
    with pytest.raises(PipeError, match=f"its answer has {most + 1} bytes"):
        Answers().receive(struct.pack(">cI", b"B", most + 1))


def test_what_is_no_answer_is_refused_before_more_of_it_is_kept() -> None:
    with pytest.raises(PipeError, match="no answer"):
        Answers().receive(b"Hello, I am a print statement")

"""The table of sentences is one that the codec can fill."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs.nmea_sentences import SENTENCES, Kind


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_type_has_three_letters_and_its_fields_different_names(kind: str) -> None:
    names = [name for name, what in SENTENCES[kind] if what is not Kind.UNIT]

    assert len(kind) == 3
    assert len(set(names)) == len(names)
    assert not {"talker", "type"} & set(names)


@pytest.mark.parametrize("kind", SENTENCES)
def test_what_repeats_is_last(kind: str) -> None:
    assert all(what is not Kind.REPEATED for _, what in SENTENCES[kind][:-1])

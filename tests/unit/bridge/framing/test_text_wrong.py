"""Causes of lines that are not taken: each has a counter, and words that people may act on."""

from __future__ import annotations

from pathlib import Path

from leafnode.bridge.framing.text_wrong import Wrong, WrongLines

PAGE = Path(__file__).parents[4] / "docs" / "device-link.md"


def test_each_cause_is_counted_apart_and_noise_in_bytes_alone() -> None:
    lines = WrongLines()
    for wrong in Wrong:
        if wrong is not Wrong.NOISE:
            lines.count(wrong)
    lines.count(Wrong.LONG)

    not_bad = {Wrong.NOISE, Wrong.LONG, Wrong.DOUBTED}  # the last is a line as it should be
    assert (lines.bad, lines.overlong) == (len(Wrong) - len(not_bad), 2)
    assert lines.counts() == {
        wrong.name.lower(): 1 + (wrong is Wrong.LONG) for wrong in Wrong if wrong is not Wrong.NOISE
    }


def test_each_cause_is_in_the_documentation_in_its_own_words() -> None:
    page = PAGE.read_text()

    for wrong in Wrong:
        if wrong is not Wrong.NOISE:
            assert f"| `text_{wrong.name.lower()}` | {wrong.value}" in page

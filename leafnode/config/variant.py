"""An option that is a word, or a block whose `type` is that word and that has options of its own.

Knows words and tables of keys; not what either does. Truth: docs/serial.md, "Stages".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.config.place import Block, Given, Row
from leafnode.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.config.place import Place

TYPE: Final = "type"
_WORDS_SHOWN_MAX: Final = 12
_LIKE_CHARS_MAX: Final = 40  # the search for a similar word is quadratic in its length


def variant(place: Place, tables: Mapping[str, tuple[Row, ...]]) -> Given:
    """Return what was given, with `type` among the values.

    Raises ConfigError for a type that no table is for, and for keys that its table does not have.
    """
    word = partial(word_of, words=tables)
    if not isinstance(place.node.value, dict):
        return Given(place, {TYPE: word(place)}, {TYPE: place})
    for written, node in place.entries().items():
        if written.lower() == TYPE:
            table = tables[word(place.child(TYPE, node))]
            return Block((Row((TYPE,), TYPE, word), *table)).read(place)
    raise place.error(f"expected a type: {_words(tables)}")


def word_of(place: Place, words: Mapping[str, object]) -> str:
    """A word that is a key of the mapping; for another one a similar key is named."""
    value = place.node.value
    word = value.lower() if isinstance(value, str) else ""
    if word in words:
        return word
    problem = _words(words)
    if near := _near(word, words):
        problem = f"{quoted(near)}, or another word that docs/serial.md leads to"
    raise place.expected(problem)


def _words(words: Mapping[str, object]) -> str:
    few = list(words)[:_WORDS_SHOWN_MAX]
    return " or ".join(few) + (" or another" if len(few) < len(words) else "")


def _near(word: str, words: Mapping[str, object]) -> str:
    from difflib import get_close_matches  # only a wrong file pays for it

    found = get_close_matches(word[:_LIKE_CHARS_MAX], words, n=1, cutoff=0.7)
    return found[0] if found else ""

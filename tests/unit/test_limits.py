"""leafnode.limits: every bound is positive, and each one is used somewhere."""

import re
from collections import Counter
from pathlib import Path

import leafnode
from leafnode import limits

PACKAGE = Path(leafnode.__file__).parent
NAMES = [name for name in vars(limits) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)]


def test_every_bound_is_a_number_that_is_not_negative() -> None:
    assert all(getattr(limits, name) >= 0 for name in NAMES)


def test_every_bound_is_used() -> None:
    # One pass over each file: to look for each name anew took a minute on a busy machine.
    words: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        words.update(re.findall(r"\b[A-Z][A-Z0-9_]+\b", path.read_text()))

    # Defined once; a second mention is a use, elsewhere or in a relation asserted beside it.
    unused = [name for name in NAMES if words[name] < 2]

    assert unused == []

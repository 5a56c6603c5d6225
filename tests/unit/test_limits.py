"""leafnode.limits: every bound is positive, and each one is used somewhere."""

import re
from pathlib import Path

import leafnode
from leafnode import limits

PACKAGE = Path(leafnode.__file__).parent
NAMES = [name for name in vars(limits) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)]


def test_every_bound_is_a_number_that_is_not_negative() -> None:
    assert all(getattr(limits, name) >= 0 for name in NAMES)


def test_every_bound_is_used() -> None:
    sources = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))

    # Defined once; a second mention is a use, elsewhere or in a relation asserted beside it.
    unused = [name for name in NAMES if len(re.findall(rf"\b{name}\b", sources)) < 2]

    assert unused == []

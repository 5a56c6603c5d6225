"""The names of CRCs; that their parameters are right is in tests/unit/bridge/checks/test_crc.py."""

from __future__ import annotations

from leafnode.config.crc_catalog import ALIASES, CATALOG


def test_an_alias_stands_for_a_name_and_is_none_itself() -> None:
    assert set(ALIASES.values()) <= set(CATALOG)
    assert not set(ALIASES) & set(CATALOG)


def test_a_name_says_its_width() -> None:
    assert all(name.startswith(f"crc{crc.width}_") for name, (crc, _) in CATALOG.items())


def test_no_two_names_are_the_same_crc() -> None:
    assert len({crc for crc, _ in CATALOG.values()}) == len(CATALOG)

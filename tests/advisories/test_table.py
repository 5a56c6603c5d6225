"""SECURITY.md: every advisory has its tests, and every test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conformance.transcript import read

TESTS = Path(__file__).parents[1]
TABLE = (TESTS.parent / "SECURITY.md").read_text()
ROWS = re.findall(r"^\| ([\d, -]+) \| [^|]+ \| (.+) \|$", TABLE, re.M)
# Those of nats-server up to June 2026 that are not about routes or gateways.
ADVISORIES = """
2020-26149 2020-26521 2020-26892 2020-28466 2021-3127 2021-32026 2022-24450 2022-26652 2022-28357
2022-29946 2022-42708 2022-42709 2023-46129 2023-47090 2025-30215 2026-16 2026-17 2026-18 2026-19
2026-20 2026-21 2026-22 2026-23 2026-24 2026-25 2026-26 2026-27 2026-27571 2026-27889 2026-28
2026-29785 2026-33215 2026-33216 2026-33217 2026-33218 2026-33219 2026-33222 2026-33223 2026-33246
2026-33247 2026-33248 2026-33249
"""


def exists(proof: str) -> bool:
    path, _, name = proof.partition("::")
    if not name:
        path, _, title = proof.partition(": ")
        return any(case.title.startswith(title) for case in read(TESTS / path))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse((TESTS / path).read_text())
    return any(isinstance(node, functions) and node.name == name for node in ast.walk(tree))


def test_every_advisory_is_there_once() -> None:
    named = [advisory for ids, _ in ROWS for advisory in ids.split(", ")]

    assert sorted(named) == sorted(ADVISORIES.split())


@pytest.mark.parametrize(("ids", "proofs"), ROWS)
def test_every_advisory_has_tests_that_exist(ids: str, proofs: str) -> None:
    names = re.findall(r"`([^`]+)`", proofs)

    assert names, ids
    assert [name for name in names if not exists(name)] == []

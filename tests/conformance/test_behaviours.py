"""behaviours.md: every behaviour has a proof, and every proof exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conformance.transcript import read

TESTS = Path(__file__).parents[1]
TABLE = (Path(__file__).parent / "behaviours.md").read_text()
ROWS = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \| [^|]+ \| (.+) \|$", TABLE, re.M)}
BEHAVIOURS = range(1, 123)
ACCEPTING_SIDE = range(85, 106)  # of leaf links: this server dials them
NOT_YET: set[int] = set()


def titles() -> list[str]:
    files = (TESTS / "conformance" / "transcripts").glob("*.txt")
    return [str(case) for file in files for case in read(file)]


def names(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_every_behaviour_is_there_once() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", TABLE, re.M)]

    assert numbers == list(BEHAVIOURS)
    assert sorted(ROWS) == list(BEHAVIOURS)


@pytest.mark.parametrize("number", BEHAVIOURS)
def test_every_behaviour_has_a_proof_that_exists(number: int) -> None:
    proofs = re.findall(r"`([^`]+)`", ROWS[number])

    assert proofs
    known = titles()
    for proof in proofs:
        path, _, name = proof.partition("::")
        exists = any(title.startswith(proof) for title in known) if not name else False
        assert exists or name in names(TESTS / path), proof


def test_only_what_cannot_apply_is_left_to_others() -> None:
    assert {number for number, text in ROWS.items() if "*not yet*" in text} == NOT_YET
    accepting = {number for number, text in ROWS.items() if "*accepting side*" in text}
    assert accepting <= set(ACCEPTING_SIDE)

"""A pytest plugin that writes one JSON line for each test: outcome, and what servers it started.

Runs in the environment of the suite under test, not in ours: standard library and pytest alone.
`SUITE_STARTS` is the file to which the stand-in for nats-server appends its command lines,
`SUITE_RESULTS` the file for the outcomes.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

STARTS: Final = Path(os.environ["SUITE_STARTS"])
RESULTS: Final = Path(os.environ["SUITE_RESULTS"])
CLUSTER_FLAGS: Final = ("--cluster", "-cluster", "--routes", "-routes")
CLUSTER_BLOCKS: Final = re.compile(r"^\s*(cluster|gateway)\b", re.MULTILINE)


def command_lines() -> list[list[str]]:
    """Every start of a server so far."""
    if not STARTS.exists():
        return []
    return [line.split("\t") for line in STARTS.read_text().splitlines()]


def is_clustered(command: list[str]) -> bool:
    """Say whether this server was to be one of several."""
    if any(word.startswith(CLUSTER_FLAGS) for word in command):
        return True
    files = [Path(word) for word in command if word.endswith((".conf", ".cfg"))]
    texts = [file.read_text(errors="replace") for file in files if file.is_file()]
    return any(CLUSTER_BLOCKS.search(text) for text in texts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Write the line of one test once it is over."""
    before = len(command_lines())
    item.stash[OUTCOME] = ["passed", ""]
    result = yield
    started = command_lines()[before:]
    outcome, message = item.stash[OUTCOME]
    line = {
        "test": item.nodeid,
        "outcome": outcome,
        "message": message,
        "servers": len(started),
        "cluster": any(map(is_clustered, started)),
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep the worst of set-up, call and tear-down."""
    report = yield
    if report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        item.stash[OUTCOME] = [report.outcome, crash.message[:300] if crash else ""]
    return report


OUTCOME: Final = pytest.StashKey[list[str]]()

"""leafnode.cli.store.options: times, and which stream is meant."""

import sqlite3
from pathlib import Path

import click
import pytest

from leafnode.cli.store.options import moment, picked
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.store.inspect import Inspection
from tests.sim.committer import open_store
from tests.sim.stored import SHORT, fill

OPTION = click.Option(["--since"])


@pytest.mark.parametrize(
    "text",
    ["2025-11-27", "2025-11-27T00:00:00", "2025-11-27T00:00:00Z", "2025-11-27T01:00:00+01:00"],
)
def test_a_time_may_be_short(text: str) -> None:
    assert moment(None, OPTION, text) == 1_764_201_600_000_000_000


def test_what_is_no_time_is_refused() -> None:
    assert moment(None, OPTION, None) is None
    with pytest.raises(click.BadParameter, match="'soon' is no time"):
        moment(None, OPTION, "soon")


def test_a_stream_of_several_accounts_has_to_be_chosen(tmp_path: Path) -> None:
    path = fill(tmp_path)
    world = open_store(tmp_path, SHORT)
    world.store.create_stream("B", "S", b"{}", 1, 1)
    world.close()

    with Inspection(path) as inspection:
        with pytest.raises(StoreError, match="choose with --account: A, B"):
            picked(inspection, "S", None)
        assert picked(inspection, "S", "B").stream.account == "B"


def test_a_damaged_stream_says_what_is_wrong(tmp_path: Path) -> None:
    path = fill(tmp_path)
    conn = sqlite3.connect(path)
    conn.execute("DELETE FROM segment_index")
    conn.commit()
    conn.close()

    with Inspection(path) as inspection, pytest.raises(StoreCorrupt, match="has no index"):
        picked(inspection, "S", None)

"""leafnode.clients.outbound: who is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.config.options import Options
from tests.sim.clients import ClientWorld

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("verbose", "lines"), [(False, 0), (True, 2)])
def test_the_system_account_is_traced_only_verbosely(
    verbose: bool, lines: int, traced: Callable[[], list[str]]
) -> None:
    options = Options(trace=True, trace_verbose=verbose, system_account="$G")
    client = ClientWorld(options).client()
    traced()

    client.says(b"PING\r\n")

    assert len(traced()) == lines


def test_without_the_option_nothing_is_traced(traced: Callable[[], list[str]]) -> None:
    ClientWorld(Options(debug=True)).client().says(b"PING\r\n")

    assert traced() == []

"""Our edges of the scenarios: JetStream in a domain of their own, account `A`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.nodes import OURS, dials, running
from tests.interop.scenarios.clusters import USERINFO

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.interop.nodes import Node

ACCOUNTS = "accounts { A { jetstream: enabled, users: [{user: a, password: a}] } }"


def running_edge(
    directory: Path, name: str, *hubs: Node, kind: str = OURS, accounts: str = ACCOUNTS
) -> AbstractContextManager[Node]:
    """An edge whose name is its domain, dialing these hubs."""
    jetstream = f'jetstream {{ store_dir: "{{dir}}/js", domain: {name} }}'
    link = dials(*hubs, userinfo=USERINFO, more="account: A")
    return running(kind, directory, name, f"{jetstream}\n{accounts}", leafnodes=link)

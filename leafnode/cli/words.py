"""The first words of `leafnode` that are commands of their own, and the module that runs each.

A process of one of them serves nobody: no signal of `--signal` is for it, and it cleans up when it
is interrupted. Each module has `run(argv, program) -> int`. Loads nothing: what starts first asks.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "device": "leafnode.cli.device.command",
    "port": "leafnode.cli.ports.command",
    "ports": "leafnode.cli.ports.listing",
    "sim": "leafnode.cli.sim.command",
    "store": "leafnode.cli.store.command",
}

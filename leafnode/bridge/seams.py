"""What every serial port works with, and has from whoever composes the bridge.

Knows names and types only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.bridge.devices import Devices
    from leafnode.bridge.port import FindPath, OpenSerial
    from leafnode.bridge.turns import PortTurns
    from leafnode.clock import Clock
    from leafnode.routing.account import Account
    from leafnode.routing.permissions import Permissions


@dataclass(frozen=True, slots=True)
class BridgeSeams:
    """What every port works with. `max_payload` returns the bytes of a message that are allowed
    now; `permissions` what the account allows who has no permissions of its own, None: everything.
    """

    account: Account
    clock: Clock
    random: Random
    open_serial: OpenSerial
    find_path: FindPath
    max_payload: Callable[[], int]
    permissions: Callable[[], Permissions | None] = lambda: None
    devices: Devices | None = None  # of all ports; a port alone has its own
    turns: PortTurns | None = None  # likewise
    bursts: PortTurns | None = None  # likewise

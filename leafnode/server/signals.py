"""Signals as nats-server uses them: INT and TERM stop, QUIT stops with status 2.

HUP, USR1 and USR2 mean reload, reopen and lame duck there; until they are built they are refused in
the log instead of ending the process, which is what the operating system would do.
Truth: nats-server 2.15.1 server/signal.go.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = logging.getLogger(__name__)

_STOPPING: Final = {signal.SIGINT: 0, signal.SIGTERM: 0, signal.SIGQUIT: 2}  # signal: exit status
_REFUSED: Final = {
    signal.SIGHUP: "reload is not supported yet: restart to apply a changed configuration",
    signal.SIGUSR1: "reopening the log file is not supported yet: rotate with copytruncate",
    signal.SIGUSR2: "lame duck mode is not supported yet: stop with SIGTERM",
}


def install(loop: asyncio.AbstractEventLoop, stop: Callable[[int], None]) -> None:
    """Call `stop` with the exit status on a signal that ends the server; log the others."""
    for number, status in _STOPPING.items():
        loop.add_signal_handler(number, _stopping, number, status, stop)
    for number, reason in _REFUSED.items():
        loop.add_signal_handler(number, log.warning, "Signal %s: %s", number.name, reason)


def _stopping(number: signal.Signals, status: int, stop: Callable[[int], None]) -> None:
    log.info("Trapped %s signal", number.name)
    stop(status)

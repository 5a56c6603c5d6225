"""Signals as nats-server uses them: INT and TERM stop, QUIT stops with status 2, HUP reloads, USR1
opens the log file anew, USR2 is lame duck mode.

Knows which signal asks for what; not how it is done. Truth: nats-server 2.15.1 server/signal.go.
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = logging.getLogger(__name__)

# What Go calls them, and so the log of nats-server.
_NAMES: Final = {
    signal.SIGINT: "interrupt",
    signal.SIGTERM: "terminated",
    signal.SIGQUIT: "quit",
    signal.SIGHUP: "hangup",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGUSR2: "user defined signal 2",
}
QUIT_STATUS: Final = 2


class Signalled(Protocol):
    """What a signal can ask of the server."""

    def stop(self, status: int = 0) -> None: ...

    def terminate(self) -> None: ...

    def reload_by_signal(self) -> None: ...

    def reopen_log(self) -> None: ...

    def enter_lame_duck_mode(self) -> None: ...


def install(loop: asyncio.AbstractEventLoop, server: Signalled) -> None:
    """From now on pass signals of this process to the server."""
    wanted: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGINT: server.stop,
        signal.SIGTERM: server.terminate,
        signal.SIGQUIT: lambda: server.stop(QUIT_STATUS),
        signal.SIGHUP: server.reload_by_signal,
        signal.SIGUSR1: server.reopen_log,
        signal.SIGUSR2: server.enter_lame_duck_mode,
    }
    for number, act in wanted.items():
        loop.add_signal_handler(number, _trapped, number, act)


def _trapped(number: signal.Signals, act: Callable[[], None]) -> None:
    log.info('Trapped "%s" signal', _NAMES[number])
    act()

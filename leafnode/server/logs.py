"""Log lines as nats-server writes them, so that tools which read its log read ours.

`[PID] YYYY/MM/DD HH:MM:SS.micros [INF] text`, to stderr or a file; colours only on a terminal.
Truth: nats-server 2.15.1 logger/log.go.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from leafnode.clients import trace

if TYPE_CHECKING:
    from leafnode.config.options import Options

_LABELS: Final = {
    trace.TRACE: "TRC",
    logging.DEBUG: "DBG",
    logging.INFO: "INF",
    logging.WARNING: "WRN",
    logging.ERROR: "ERR",
    logging.CRITICAL: "FTL",
}
_COLOURS: Final = {"TRC": 33, "DBG": 36, "INF": 32, "WRN": 33, "ERR": 31, "FTL": 31}


class NatsFormatter(logging.Formatter):
    """One line for a record; a traceback follows on lines of its own."""

    def __init__(self, *, logtime: bool, colours: bool) -> None:
        super().__init__()
        self._logtime = logtime
        self._colours = colours
        self._pid = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        label = _LABELS.get(record.levelno, record.levelname)
        mark = f"[\033[{_COLOURS.get(label, 0)}m{label}\033[0m]" if self._colours else f"[{label}]"
        stamp = ""
        if self._logtime:
            moment = time.localtime(record.created)
            micros = int(record.created % 1 * 1e6)
            stamp = f"{time.strftime('%Y/%m/%d %H:%M:%S', moment)}.{micros:06d} "
        # What comes from a peer may hold control characters: they must not forge a line.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        text = f"[{self._pid}] {stamp}{mark} {message}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def set_up(options: Options) -> None:
    """Send the log to stderr or `log_file`. Raises OSError when the file cannot be opened."""
    handler: logging.Handler
    if options.log_file:
        handler = logging.FileHandler(options.log_file, encoding="utf-8")
        colours = False
    else:
        handler = logging.StreamHandler(sys.stderr)
        colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(NatsFormatter(logtime=options.logtime, colours=colours))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if options.debug else logging.INFO)
    # -V alone shows the protocol and no debugging, as on nats-server.
    trace.log.setLevel(trace.TRACE if options.trace else logging.NOTSET)
    logging.getLogger("asyncio").setLevel(logging.WARNING)

"""Log lines as nats-server writes them, so that tools which read its log read ours.

`[PID] YYYY/MM/DD HH:MM:SS.micros [INF] text`, to stderr, a file or a syslog daemon; colours only on
a terminal. Truth: nats-server 2.15.1 logger/log.go, server/log.go.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from leafnode.clients import trace
from leafnode.clock import SystemClock
from leafnode.server.log_file import LogFile

if TYPE_CHECKING:
    from leafnode.config.options import Options
    from leafnode.server.syslog import Found

log = logging.getLogger(__name__)

_LABELS: Final = {
    trace.TRACE: "TRC",
    logging.DEBUG: "DBG",
    logging.INFO: "INF",
    logging.WARNING: "WRN",
    logging.ERROR: "ERR",
    logging.CRITICAL: "FTL",
}
_COLOURS: Final = {"TRC": 33, "DBG": 36, "INF": 32, "WRN": 33, "ERR": 31, "FTL": 31}


class PlainFormatter(logging.Formatter):
    """The text alone, in one line; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        # What comes from a peer may hold control characters: they must not forge a line.
        text = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class NatsFormatter(PlainFormatter):
    """Process, time and level before the text."""

    def __init__(self, *, logtime: bool, colours: bool, utc: bool = False) -> None:
        super().__init__()
        self._logtime = logtime
        self._colours = colours
        self._to_time = time.gmtime if utc else time.localtime
        self._pid = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        label = _LABELS.get(record.levelno, record.levelname)
        mark = f"[\033[{_COLOURS.get(label, 0)}m{label}\033[0m]" if self._colours else f"[{label}]"
        stamp = ""
        if self._logtime:
            moment = self._to_time(record.created)
            micros = int(record.created % 1 * 1e6)
            stamp = f"{time.strftime('%Y/%m/%d %H:%M:%S', moment)}.{micros:06d} "
        return f"[{self._pid}] {stamp}{mark} {super().format(record)}"


def set_up(options: Options, *, program: str = "leafnode") -> None:
    """Send the log where the options say, from the next line on; what was in use is closed.

    A file goes before a syslog daemon, and that before stderr, as on nats-server. Raises OSError,
    and then all stays as it was.
    """
    use(handler_of(options, program=program), options)


async def look_up(options: Options) -> Found | None:
    """Return where the log goes, if that is a remote daemon; for `handler_of`. Raises OSError."""
    if options.log_file or not options.remote_syslog:
        return None
    from leafnode.server.syslog import look_up

    return await look_up(options.remote_syslog)


def handler_of(options: Options, *, program: str, found: Found | None = None) -> logging.Handler:
    """Return what writes the lines. Raises OSError when it cannot be opened. Blocks."""
    handler: logging.Handler
    colours = False
    if options.log_file:
        handler = LogFile(
            options.log_file,
            size_limit_bytes=options.log_size_limit_bytes,
            max_files=options.log_max_files,
            wall_ns=SystemClock().wall_ns,
        )
    elif options.syslog or options.remote_syslog:
        from leafnode.server.syslog import Syslog

        handler = Syslog(options.remote_syslog, program, found)
        handler.setFormatter(PlainFormatter())
        return handler
    else:
        handler = logging.StreamHandler(sys.stderr)
        colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(
        NatsFormatter(logtime=options.logtime, colours=colours, utc=options.logtime_utc)
    )
    return handler


def use(handler: logging.Handler, options: Options) -> None:
    """Write with this handler from now on, and show what the options want shown."""
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [handler]
    for old in before:
        if isinstance(old.formatter, PlainFormatter):  # it is one of ours
            old.close()
    root.setLevel(logging.DEBUG if options.debug else logging.INFO)
    # -V alone shows the protocol and no debugging, as on nats-server.
    trace.log.setLevel(trace.TRACE if options.trace else logging.NOTSET)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def reopen() -> None:
    """Go on in a new log file of the same name; without a log file there is nothing to do."""
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, LogFile):
            log.info("File log re-open ignored, not a file logger")
            continue
        try:
            handler.reopen()
        except OSError as err:
            log.error("The log file could not be opened anew: %s", err)  # noqa: TRY400
        else:
            log.info("File log re-opened")

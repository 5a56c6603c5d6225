"""The command: flags, configuration, log, then the server; or a check, a version, a help text.

Exit status: 0 after an orderly stop, 1 when it could not start or failed, 2 after SIGQUIT. Truth:
nats-server 2.15.1 main.go; docs/configuration.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import sys
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from leafnode import __version__
from leafnode.cli.flags import HELP, FlagError, overlay, parse_flags
from leafnode.config.bind import load
from leafnode.config.options import Options
from leafnode.errors import ConfigError, LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.cli.flags import Flags

log = logging.getLogger("leafnode")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        flags = parse_flags(sys.argv[1:] if argv is None else argv)
        if flags.help:
            print(HELP, end="")
            return 0
        if flags.version:
            print(f"leafnode: v{__version__}")
            return 0
        options = _options(flags)
    except FlagError as err:
        print(f"leafnode: {err}", file=sys.stderr)
        if err.usage:
            print(HELP, end="", file=sys.stderr)
        return 1
    except ConfigError as err:
        print(err, file=sys.stderr)  # file:line:column first: editors jump there
        return 1
    if flags.check:
        return _report_check(flags)
    return _serve(options)


def _options(flags: Flags) -> Options:
    options = load(flags.config, os.environ) if flags.config else Options()
    return overlay(options, flags)


def _report_check(flags: Flags) -> int:
    if not flags.config:
        print("leafnode: must specify a configuration file to test", file=sys.stderr)
        return 1
    digest = hashlib.sha256(Path(flags.config).read_bytes()).hexdigest()
    print(
        f"leafnode: configuration file {flags.config} is valid (sha256:{digest})", file=sys.stderr
    )
    return 0


def _serve(options: Options) -> int:
    # The server and all it needs: not loaded for --version, --help and -t.
    from leafnode.clock import SystemClock
    from leafnode.server import logs, signals
    from leafnode.server.server import Seams, Server

    try:
        logs.set_up(options)
    except OSError as err:
        print(f"leafnode: log file {options.log_file}: {err.strerror}", file=sys.stderr)
        return 1

    async def run() -> int:
        server = Server(options, Seams(SystemClock(), SystemRandom(), secrets.token_bytes))
        signals.install(asyncio.get_running_loop(), server.stop)
        return await server.run()

    try:
        _write_pid(options)
        return asyncio.run(run())
    except (LeafnodeError, OSError) as err:  # before anything was served
        log.critical("%s", err)
        return 1
    except ExceptionGroup as group:
        # A task that must not end did, by a fault of ours.
        log.critical("Stopped by an internal fault", exc_info=group)
        return 1


def _write_pid(options: Options) -> None:
    if options.pid_file:
        Path(options.pid_file).write_text(str(os.getpid()))

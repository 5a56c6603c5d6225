"""The command: flags, configuration, log, then the server; or a check, a version, a help text.

Exit status: 0 after an orderly stop, 1 when it could not start or failed, 2 after SIGQUIT. Truth:
nats-server 2.15.1 main.go; docs/configuration.md.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from leafnode import __version__
from leafnode.cli import lean
from leafnode.cli.descriptors import hold_standard
from leafnode.cli.flags import COMMANDS, HELP, FlagError, overlay, parse_flags
from leafnode.cli.send_signal import send_signal
from leafnode.cli.words import WORDS
from leafnode.config.convert import EVERYWHERE, LOOPBACK
from leafnode.config.options import Options
from leafnode.errors import ConfigError, LeafnodeError, UnreadableError, file_problem
from leafnode.protocol.info import COMPATIBLE_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.cli.flags import Flags

log = logging.getLogger("leafnode")

NATS_SERVER: Final = "nats-server"  # called by this name it prints what suites look for
# What has no option path, either, and is no syntax error.
_NO_SYNTAX: Final = ("unknown field", "this byte is not UTF-8")


def main(argv: Sequence[str] | None = None, *, called: str | None = None) -> int:
    """Run the command and return its exit status. `called`: by which name, else argv[0]'s."""
    hold_standard()
    program = _program(sys.argv[0] if called is None else called)
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in WORDS and program != NATS_SERVER:
        status: int = import_module(WORDS[words[0]]).run(words[1:], program)
        return status
    try:
        flags = parse_flags(words)
        if flags.help:
            print(("\n" if program == NATS_SERVER else "") + _help(program), end="")
            return 0
        if flags.help_tls:
            from leafnode.cli.tls_flags import help_text

            print(help_text(), end="")
            return 0
        if flags.version:
            print(f"{program}: v{COMPATIBLE_VERSION if program == NATS_SERVER else __version__}")
            return 0
        if flags.signal:
            send_signal(flags.signal, program)
            return 0
        options = _options(flags, program)
    except FlagError as err:
        return _refuse_flags(err, program)
    except ConfigError as err:
        print(_shown(err, program), file=sys.stderr)
        return 1
    if flags.check:
        return _report_check(flags, program, options)
    return _serve(options, flags, program)


def _program(path: str) -> str:
    """Return the name that the command goes by: whoever starts `nats-server` expects one."""
    name = Path(path).name
    return name if name and not name.startswith("__main__") else "leafnode"


def _default_host(program: str) -> str:
    """Whoever starts `nats-server` expects it on every address, as the real one."""
    return EVERYWHERE if program == NATS_SERVER else LOOPBACK


def _help(program: str) -> str:
    commands = "" if program == NATS_SERVER else COMMANDS.format(program=program)
    return HELP.format(program=program, host=_default_host(program)) + commands


def _refuse_flags(err: FlagError, program: str) -> int:
    """Say what is wrong with the command line, in nats-server's way when called by that name."""
    as_nats = program == NATS_SERVER
    print(err if as_nats and err.usage else f"{program}: {err}", file=sys.stderr)
    if err.usage:
        usage = _help(program)
        print(f"\n{usage}" if as_nats else usage, end="", file=None if as_nats else sys.stderr)
    return 0 if as_nats and err.usage else 1


def _shown(err: ConfigError, program: str) -> str:
    """Say file:line:column first, where editors jump to it; nats-server says its name before."""
    if isinstance(err, UnreadableError):
        return f"{program}: {err}"
    if program != NATS_SERVER:
        return str(err)
    if err.path or err.problem.startswith(_NO_SYNTAX):
        return f"{program}: {err}"
    where = f"{err.file}:{err.line}:{err.column}"
    return f"{program}: {where}: Parse error on line {err.line}: '{err.problem}'"


def _options(flags: Flags, program: str) -> Options:
    host = _default_host(program)
    if flags.config:
        from leafnode.config.bind import load

        options = load(flags.config, os.environ, default_host=host)
    else:
        options = Options(host=host)
    return overlay(options, flags)


def _report_check(flags: Flags, program: str, options: Options) -> int:
    from leafnode.cli.check_files import FileProblemError, check_files

    try:
        check_files(options)
    except FileProblemError as err:
        print(f"{program}: {err}", file=sys.stderr)
        return 1
    if options.deprecated:
        # nats-server runs with such a file, and its check fails.
        print(f"{program}: " + "\n".join(options.deprecated), file=sys.stderr)
        return 1
    for warning in options.warnings if program != NATS_SERVER else ():
        print(f"{program}: warning: {warning}", file=sys.stderr)
    digest = options.config_digest
    print(f"{program}: configuration file {flags.config} is valid ({digest})", file=sys.stderr)
    return 0


def _no_log(err: OSError, options: Options) -> str:
    """Say why nothing can be logged, in nats-server's words."""
    if options.log_file:
        return f"error opening file: {file_problem(err, options.log_file)}"
    return err.strerror or str(err)


def _serve(options: Options, flags: Flags, program: str) -> int:
    # The server and all it needs: not loaded for --version, --help and -t.
    if options.operator is None:  # a resolver's URL may be https, which asyncio speaks
        lean.import_asyncio()
    import asyncio

    from leafnode.clock import SystemClock
    from leafnode.net.lookup import ServerLoop
    from leafnode.server import logs, signals
    from leafnode.server.pid_file import write_pid
    from leafnode.server.server import Seams, Server

    try:
        logs.set_up(options, program=program)
    except OSError as err:
        print(f"{program}: {_no_log(err, options)}", file=sys.stderr)
        return 1

    async def run() -> int:
        seams = Seams(
            SystemClock(),
            SystemRandom(),
            os.urandom,
            program=program,
            load=partial(_options, flags, program) if flags.config else None,
        )
        server = Server(options, seams)
        signals.install(asyncio.get_running_loop(), server)
        return await server.run()

    try:
        if options.pid_file:
            write_pid(options.pid_file)
    except OSError as err:
        log.critical("Could not write pidfile: %s", file_problem(err, options.pid_file))
        return 1
    try:
        with asyncio.Runner(loop_factory=ServerLoop) as runner:
            return runner.run(run())
    except (LeafnodeError, OSError) as err:  # before anything was served
        log.critical("%s", err)
        return 1
    except ExceptionGroup as group:
        # A task that must not end did, by a fault of ours.
        log.critical("Stopped by an internal fault", exc_info=group)
        return 1

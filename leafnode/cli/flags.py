"""Command-line flags as nats-server spells them, and how they are laid over a configuration.

Knows the flags' names and values; not files and not what an option does. Truth: nats-server 2.15.1
`--help` and Go's package flag: `-x`, `--x`, `--x=v`, `-x v` are the same, and `-p -1` is a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.config import convert
from leafnode.config.options import Authorization, HostPort, JetStreamOptions
from leafnode.errors import ConfigError, LeafnodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leafnode.config.options import Options

HELP: Final = """\
Usage: {program} [options]

Server Options:
    -a, --addr, --net <host>         Bind to host address (default: {host})
    -p, --port <port>                Use port for clients (default: 4222; -1: any free port)
    -n, --name
        --server_name <server_name>  Server name (default: auto)
    -P, --pid <file>                 File to store PID
    -m, --http_port <port>           Use port for http monitoring (on the host of the clients)
    -ms,--https_port <port>          Use port for https monitoring
    -c, --config <file>              Configuration file
    -t                               Test configuration and exit
    -sl,--signal <signal>[=<pid>]    Send signal to a {program} process (ldm, stop, quit, term,
                                     reopen, reload); <pid> is a PID or the path of a PID file
        --client_advertise <string>  Host and port that clients are told instead
        --ports_file_dir <dir>       Create <program>_<pid>.ports in this directory

Logging Options:
    -l, --log <file>                 File to redirect log output
    -T, --logtime                    Timestamp log entries (default: true)
        --logtime_utc                Timestamps in UTC instead of local time (default: false)
    -s, --syslog                     Log to the syslog daemon
    -r, --remote_syslog <addr>       Syslog server addr (udp://localhost:514)
    -D, --debug                      Enable debugging output
    -V, --trace                      Trace the raw protocol
    -VV                              Verbose trace (traces system account as well)
    -DV                              Debug and trace
    -DVV                             Debug and verbose trace (traces system account as well)
        --log_size_limit <limit>     Size in bytes at which the log file is rotated (default: never)
        --max_traced_msg_len <len>   Bytes shown of a traced message (default: 256)

JetStream Options:
    -js, --jetstream                 Enable JetStream functionality
    -sd, --store_dir <dir>           Set the storage directory

Authorization Options:
        --user <user>                User required for connections
        --pass <password>            Password required for connections
        --auth <token>               Authorization token required for connections

TLS Options:
        --tls                        Enable TLS, do not verify clients (default: false)
        --tlscert <file>             Server certificate file
        --tlskey <file>              Private key for server certificate
        --tlsverify                  Enable TLS, verify client certificates
        --tlscacert <file>           Client certificate CA for verification

Profiling Options:
        --profile <port>             Taken and not opened: there is no Go runtime to profile

Common Options:
    -h, --help                       Show this message
    -v, --version                    Show version
        --help_tls                   TLS help
"""
COMMANDS: Final = """
Commands:
    {program} device --help          Boards with this project's firmware: fill one, see what it says
    {program} store --help           Look into a store of messages, check it, copy it
    {program} ports --help           List the serial ports and who has them
    {program} port --help            Look at a serial port, lend it, find out what talks there
    {program} sim --help             Be a sensor on a serial line, to try without hardware
"""


class FlagError(LeafnodeError):
    """A command line that cannot be used. The command prints it behind `leafnode: ` and exits.

    `usage` asks for the help text behind it, as nats-server prints it for a malformed flag.
    """

    def __init__(self, problem: str, *, usage: bool = False) -> None:
        super().__init__(problem)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None where it said nothing."""

    config: str = ""
    check: bool = False
    version: bool = False
    help: bool = False
    host: str | None = None
    port: int | None = None
    server_name: str | None = None
    pid_file: str | None = None
    http_port: int | None = None
    https_port: int | None = None
    log_file: str | None = None
    logtime: bool | None = None
    debug: bool | None = None
    trace: bool | None = None
    jetstream: bool | None = None
    store_dir: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    signal: str | None = None
    client_advertise: HostPort | None = None
    ports_file_dir: str | None = None
    logtime_utc: bool | None = None
    syslog: bool | None = None
    remote_syslog: str | None = None
    trace_verbose: bool | None = None
    log_size_limit_bytes: int | None = None
    max_traced_msg_bytes: int | None = None
    prof_port: int | None = None
    help_tls: bool = False
    tls: bool | None = None
    tls_verify: bool | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca_cert: str | None = None


# Flags whose value replaces the option of the same name.
_PLAIN: Final = (
    *("host", "port", "server_name", "client_advertise", "pid_file", "ports_file_dir"),
    *("log_file", "log_size_limit_bytes", "syslog", "remote_syslog", "logtime", "logtime_utc"),
    *("debug", "trace", "trace_verbose", "max_traced_msg_bytes", "prof_port"),
)


def parse_flags(argv: Sequence[str]) -> Flags:
    """Return the flags of a command line without the command's own name. Raises FlagError."""
    values: dict[str, Any] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--" or len(word) < 2 or word[0] != "-":
            words = words if word == "--" else [word, *words]
            break
        _take(word, words, values)
    if words:
        _command(words[0], values)
    flags = Flags(**values)
    _check_together(flags)
    return flags


def overlay(options: Options, flags: Flags) -> Options:
    """Return the options with the flags laid over them: a flag wins over the file."""
    changes: dict[str, Any] = {
        name: value for name in _PLAIN if (value := getattr(flags, name)) is not None
    }
    changes |= _monitoring(options, flags)
    changes["jetstream"] = _jetstream(options, flags)
    changes["authorization"] = _authorization(options.authorization, flags)
    return _tls(replace(options, **changes), flags)


class _Flag(NamedTuple):
    """One flag: its names, the field it fills, what makes the value (None: a boolean flag)."""

    names: tuple[str, ...]
    field: str
    convert: Callable[[str], object] | None


def _take(word: str, rest: list[str], values: dict[str, Any]) -> None:
    """Enter one flag; its value is behind `=` or is the next word."""
    name, equals, given = word.removeprefix("-").removeprefix("-").partition("=")
    if not name or name.startswith("-"):
        raise FlagError(f"bad flag syntax: {word.partition('=')[0]}", usage=True)
    if name in _SEVERAL:
        values |= dict.fromkeys(_SEVERAL[name], _boolean(name, given) if equals else True)
        return
    flag = _BY_NAME.get(name)
    if flag is None:
        if name in _REFUSED:
            raise FlagError(f"flag -{name} is not supported: {_REFUSED[name]}")
        raise FlagError(f"flag provided but not defined: -{name}", usage=True)
    if flag.convert is None:
        values[flag.field] = _boolean(name, given) if equals else True
        return
    if not equals:
        if not rest:
            raise FlagError(f"flag needs an argument: -{name}", usage=True)
        given = rest.pop(0)
    try:
        values[flag.field] = flag.convert(given)
    except ValueError as err:
        # The text of a secret never gets here: secrets take any text but the empty one.
        if isinstance(err, _MalformedError):
            text = f'invalid value "{given}" for flag -{name}: {err}'
            raise FlagError(text, usage=True) from err
        raise FlagError(f"invalid value for flag -{name}: {err}") from err


def _command(word: str, values: dict[str, Any]) -> None:
    """Take `help` and `version`, which nats-server knows as words too."""
    if word.lower() not in {"help", "version"}:
        raise FlagError(f'unrecognized command: "{word}"')
    values[word.lower()] = True


def _check_together(flags: Flags) -> None:
    if flags.help or flags.version:
        return
    if flags.check and not flags.config:
        raise FlagError("must specify [-c, --config] option to check configuration file syntax")
    if flags.token is not None and flags.user is not None:
        raise FlagError("expected --auth or --user and --pass, not both")
    if (flags.user is None) != (flags.password is None):
        # nats-server lets in whoever knows the name, and with --pass alone everybody.
        raise FlagError("expected --user and --pass together")


def _monitoring(options: Options, flags: Flags) -> dict[str, HostPort | None]:
    """Return http and https, of which there can be one. Raises FlagError."""
    http = _on_port(options.http, flags.http_port, options, flags)
    https = _on_port(options.https, flags.https_port, options, flags)
    if http is not None and https is not None:
        raise FlagError(f"can't specify both HTTP ({http.port}) and HTTPs ({https.port}) ports")
    return {"http": http, "https": https}


def _on_port(
    current: HostPort | None, given: int | None, options: Options, flags: Flags
) -> HostPort | None:
    """Monitoring follows the clients' host, unless the file names a host of its own."""
    if given is None and current is None:
        return None
    port = current.port if given is None and current else given
    if not port:
        return None
    if current is not None and options.http_host_given:
        return HostPort(current.host, port)
    return HostPort(flags.host if flags.host is not None else options.host, port)


def _jetstream(options: Options, flags: Flags) -> JetStreamOptions | None:
    """A store_dir alone enables nothing, as on nats-server."""
    enabled = options.jetstream is not None if flags.jetstream is None else flags.jetstream
    if not enabled:
        return None
    found = options.jetstream or options.idle_jetstream or JetStreamOptions()
    jetstream = replace(found, enabled=True)
    return jetstream if flags.store_dir is None else replace(jetstream, store_dir=flags.store_dir)


def _authorization(options: Authorization, flags: Flags) -> Authorization:
    """A user or token of the command line stands alone: those of the file no longer hold."""
    if flags.token is not None:
        return Authorization(token=flags.token, timeout_ns=options.timeout_ns)
    if flags.user is not None and flags.password is not None:
        return Authorization(
            user=flags.user, password=flags.password, timeout_ns=options.timeout_ns
        )
    return options


def _tls(options: Options, flags: Flags) -> Options:
    """Lay the flags of TLS over it; what a file said of it is then left out."""
    given = (flags.tls, flags.tls_verify, flags.tls_cert, flags.tls_key, flags.tls_ca_cert)
    if given == (None,) * len(given):
        return options
    from leafnode.cli.tls_flags import TlsFlags, overlay_tls

    try:
        return overlay_tls(options, TlsFlags(*given))
    except LeafnodeError as err:
        raise FlagError(str(err)) from err


def _boolean(name: str, word: str) -> bool:
    if word in {"1", "t", "T", "true", "TRUE", "True"}:
        return True
    if word in {"0", "f", "F", "false", "FALSE", "False"}:
        return False
    raise FlagError(f'invalid boolean value "{word}" for -{name}: parse error', usage=True)


class _MalformedError(ValueError):
    """No number at all: nats-server's own reading of flags ends there, and shows the usage."""


def _number(word: str) -> int:
    """Return the number in a word that Go would read as one, of 64 bits. Raises ValueError."""
    octal = re.fullmatch(r"([+-]?)0(_?[0-7][0-7_]*)", word)
    digits = f"{octal[1]}0o{octal[2]}" if octal else word
    if not re.fullmatch(r"[+-]?[0-9a-zA-Z_]{1,80}", word):
        raise _MalformedError("parse error")
    try:
        number = int(digits, 0)
    except ValueError:
        raise _MalformedError("parse error") from None
    if not -(2**63) <= number < 2**63:
        raise _MalformedError("value out of range")
    return number


def _port(word: str) -> int:
    port = _number(word)
    if not -1 <= port <= convert.PORT_MAX:
        raise ValueError(f'expected a port from -1 to {convert.PORT_MAX}, got "{word}"')
    return port


def _client_port(word: str) -> int:
    return _port(word) or convert.CLIENT_PORT  # 0 is the default on nats-server


def _host(word: str) -> str:
    if convert.host_problem(word):
        raise ValueError(f'expected a host name or an address, got "{word}"')
    return word or convert.EVERYWHERE


def _server_name(word: str) -> str:
    if " " in word:
        raise FlagError("server name cannot contain spaces")
    if word and not convert.is_server_name(word):
        raise ValueError(f'expected a server name without blanks, * and >, got "{word}"')
    return word


def _advertised(word: str) -> HostPort | None:
    from leafnode.config.parser import Node
    from leafnode.config.place import Place

    try:
        return convert.advertised(Place(Node(word, "-client_advertise", 1, 1), ""))
    except ConfigError as err:
        raise ValueError(err.problem) from err


def _syslog_url(word: str) -> str:
    from leafnode.config.process import is_syslog_url

    if word and not is_syslog_url(word):
        raise ValueError(f'expected a URL like "udp://localhost:514", got "{word}"')
    return word


def _size(word: str) -> int:
    return max(0, _number(word))


def _text(word: str) -> str:
    if not word or not word.isprintable():
        raise ValueError("expected a text of one line that is not empty")
    return word


def _text_or_nothing(word: str) -> str:
    """Take nothing for a flag that is not given, as nats-server does."""
    return _text(word) if word else ""


_FLAGS: Final = (
    _Flag(("a", "addr", "net"), "host", _host),
    _Flag(("p", "port"), "port", _client_port),
    _Flag(("n", "name", "server_name"), "server_name", _server_name),
    _Flag(("P", "pid"), "pid_file", _text),
    _Flag(("m", "http_port"), "http_port", _port),
    _Flag(("ms", "https_port"), "https_port", _port),
    _Flag(("c", "config"), "config", _text_or_nothing),
    _Flag(("t",), "check", None),
    _Flag(("l", "log"), "log_file", _text),
    _Flag(("T", "logtime"), "logtime", None),
    _Flag(("D", "debug"), "debug", None),
    _Flag(("V", "trace"), "trace", None),
    _Flag(("sl", "signal"), "signal", _text_or_nothing),
    _Flag(("client_advertise",), "client_advertise", _advertised),
    _Flag(("ports_file_dir",), "ports_file_dir", _text),
    _Flag(("logtime_utc",), "logtime_utc", None),
    _Flag(("s", "syslog"), "syslog", None),
    _Flag(("r", "remote_syslog"), "remote_syslog", _syslog_url),
    _Flag(("log_size_limit",), "log_size_limit_bytes", _size),
    _Flag(("max_traced_msg_len",), "max_traced_msg_bytes", _size),
    _Flag(("tls",), "tls", None),
    _Flag(("tlsverify",), "tls_verify", None),
    _Flag(("tlscert",), "tls_cert", _text),
    _Flag(("tlskey",), "tls_key", _text),
    _Flag(("tlscacert",), "tls_ca_cert", _text),
    _Flag(("help_tls",), "help_tls", None),
    _Flag(("profile",), "prof_port", _port),
    _Flag(("js", "jetstream"), "jetstream", None),
    _Flag(("sd", "store_dir"), "store_dir", _text),
    _Flag(("user",), "user", _text),
    _Flag(("pass",), "password", _text),
    _Flag(("auth",), "token", _text),
    _Flag(("h", "help"), "help", None),
    _Flag(("v", "version"), "version", None),
)
# One word for several of them.
_SEVERAL: Final = {
    "DV": ("debug", "trace"),
    "VV": ("trace", "trace_verbose"),
    "DVV": ("debug", "trace", "trace_verbose"),
}
_BY_NAME: Final = {name: flag for flag in _FLAGS for name in flag.names}


def _each(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


_REFUSED: Final[dict[str, str]] = _each(
    "leafnode builds no cluster: point leafnodes.remotes at one",
    "routes cluster cluster_name no_advertise cluster_advertise connect_retries cluster_listen",
)

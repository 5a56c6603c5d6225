"""The options of the process around the server: log, files, lame duck, what it calls itself.

Knows their keys and values; not what writes a log. Truth: nats-server 2.15.1 server/opts.go,
measured; docs/configuration.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import convert
from leafnode.config.place import Place, Row

if TYPE_CHECKING:
    from leafnode.config.options import Options

LAME_DUCK_MIN_NS: Final = 30 * NS_PER_S  # nats-server server/opts.go
_INT64_MAX: Final = 2**63 - 1
_SYSLOG_URL: Final = re.compile(r"(udp|tcp)://[^\s/@]+:(?P<port>[0-9]{1,5})|unix://?/\S+", re.ASCII)


def is_syslog_url(value: str) -> bool:
    """Say whether a syslog server can be named like this."""
    found = _SYSLOG_URL.fullmatch(value)
    return found is not None and int(found["port"] or 0) <= convert.PORT_MAX


def _remote_syslog(place: Place) -> str:
    value = convert.text_or("")(place)
    if value and not is_syslog_url(value):
        raise place.expected('a URL like "udp://localhost:514"')
    return value


def _lame_duck_duration(place: Place) -> int:
    duration_ns = convert.duration(place)
    if duration_ns < LAME_DUCK_MIN_NS:
        value = place.node.value
        raise place.error(f"invalid lame_duck_duration of {value}, minimum is 30 seconds")
    return duration_ns


def _grace_period(place: Place) -> int:
    if place.node.value == "0s":
        return limits.LAME_DUCK_GRACE_PERIOD_NS
    return convert.duration(place)


def _tags(place: Place) -> tuple[str, ...]:
    """Tags know no case and stand once, as nats-server keeps them."""
    tags = convert.list_of(convert.text_or(""), "tags", may_be_empty=True)(place)
    return tuple(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))


def _metadata(place: Place) -> tuple[tuple[str, str], ...]:
    entries = place.entries()
    return tuple((key, convert.text(place.child(key, node))) for key, node in entries.items())


def _js_domains(place: Place) -> tuple[tuple[str, str], ...]:
    domain = convert.or_default("", convert.name_of("domain"))
    entries = place.entries()
    return tuple((name, domain(place.child(name, node))) for name, node in entries.items())


def js_domain_problem(options: Options) -> str:
    """Say what is wrong with the accounts of default_js_domain, or return ""."""
    accounts = {account.name: account for account in options.accounts}
    for name, _ in options.default_js_domains or ():
        if name == options.system_account:
            return f'system account "{name}" can not be in default_js_domain'
        account = accounts.get(name)
        if account is not None and account.jetstream is not None:
            return f'default_js_domain contains account name "{name}" with enabled JetStream'
        if account is None and name != "$G" and options.operator is None:
            return f'`default_js_domain` references non existing account "{name}"'
    return ""


def grace_problem(options: Options) -> str:
    """Say what is wrong between the two times of lame duck mode, or return ""."""
    if options.lame_duck_grace_period_ns >= options.lame_duck_duration_ns:
        return "expected lame_duck_grace_period to be shorter than lame_duck_duration"
    return ""


ROWS: Final = (
    Row(("server_tags",), "server_tags", _tags),
    Row(("server_metadata",), "server_metadata", _metadata),
    Row(("default_js_domain",), "default_js_domains", _js_domains),
    Row(("lame_duck_duration",), "lame_duck_duration_ns", _lame_duck_duration),
    Row(("lame_duck_grace_period",), "lame_duck_grace_period_ns", _grace_period),
    Row(("pid_file", "pidfile"), "pid_file", convert.text_or("")),
    Row(("ports_file_dir",), "ports_file_dir", convert.text_or("")),
    Row(("log_file", "logfile"), "log_file", convert.text_or("")),
    Row(
        ("logfile_size_limit", "log_size_limit"),
        "log_size_limit_bytes",
        convert.number(0, _INT64_MAX, "a size", below=0),
    ),
    Row(
        ("logfile_max_num", "log_max_num"),
        "log_max_files",
        convert.number(0, _INT64_MAX, "a count", below=0),
    ),
    Row(("syslog",), "syslog", convert.boolean),
    Row(("remote_syslog",), "remote_syslog", _remote_syslog),
    Row(("logtime",), "logtime", convert.boolean),
    Row(("logtime_utc",), "logtime_utc", convert.boolean),
    Row(("debug",), "debug", convert.boolean),
    Row(("trace",), "trace", convert.boolean),
    Row(("trace_verbose",), "trace_verbose", convert.boolean),
    Row(("trace_headers",), "trace_headers", convert.boolean),
    Row(
        ("max_traced_msg_len",),
        "max_traced_msg_bytes",
        convert.number(0, _INT64_MAX, "a size", below=0),
    ),
    Row(("prof_port",), "prof_port", convert.port),
    Row(
        ("prof_block_rate",), "prof_block_rate", convert.number(0, _INT64_MAX, "a number", below=0)
    ),
)

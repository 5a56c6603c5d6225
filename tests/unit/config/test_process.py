"""The options of the process: keys, units what is refused; measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.options import Options
from leafnode.config.parser import parse
from leafnode.errors import ConfigError


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return caught.value.problem


def test_every_key_fills_its_option() -> None:
    text = """
        server_tags: [A, "b", a]
        server_metadata { Place: hall }
        lame_duck_duration: "1m"
        lame_duck_grace_period: "5s"
        pid_file: p, ports_file_dir: d
        log_file: l, logfile_size_limit: 1KB, logfile_max_num: 3
        syslog: true, remote_syslog: "udp://localhost:514"
        logtime: false, logtime_utc: true
        debug: true, trace_verbose: true, max_traced_msg_len: 10
        default_js_domain { "$G": hub }
        prof_port: 6060, prof_block_rate: 1
    """

    assert options(text) == Options(
        server_tags=("a", "b"),
        server_metadata=(("Place", "hall"),),
        lame_duck_duration_ns=60 * NS_PER_S,
        lame_duck_grace_period_ns=5 * NS_PER_S,
        pid_file="p",
        ports_file_dir="d",
        log_file="l",
        log_size_limit_bytes=1024,
        log_max_files=3,
        syslog=True,
        remote_syslog="udp://localhost:514",
        logtime=False,
        logtime_utc=True,
        debug=True,
        trace=True,
        trace_verbose=True,
        max_traced_msg_bytes=10,
        default_js_domains=(("$G", "hub"),),
        prof_port=6060,
        prof_block_rate=1,
    )


def test_the_other_spellings_are_the_same() -> None:
    assert options("pidfile: p\nlogfile: l\nlog_size_limit: 5\nlog_max_num: 2") == options(
        "pid_file: p\nlog_file: l\nlogfile_size_limit: 5\nlogfile_max_num: 2"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "lame_duck_duration: 5s",
            "invalid lame_duck_duration of 5s, minimum is 30 seconds",
        ),
        (
            "lame_duck_duration: 30s\nlame_duck_grace_period: 30s",
            "expected lame_duck_grace_period to be shorter than lame_duck_duration",
        ),
        (
            "default_js_domain { A: hub }",
            '`default_js_domain` references non existing account "A"',
        ),
        (
            "accounts { A { jetstream: enabled } }\ndefault_js_domain { A: hub }",
            'default_js_domain contains account name "A" with enabled JetStream',
        ),
        (
            'default_js_domain { "$SYS": hub }',
            'system account "$SYS" can not be in default_js_domain',
        ),
        (
            'remote_syslog: "http://x:1"',
            'expected a URL like "udp://localhost:514", got "http://x:1"',
        ),
    ],
)
def test_what_cannot_be_is_refused(text: str, wanted: str) -> None:
    assert problem(text) == wanted


def test_no_grace_period_is_the_default_one() -> None:
    assert options("lame_duck_grace_period: 0s") == options("lame_duck_grace_period: 10s")

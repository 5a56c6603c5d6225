"""Flags in Go's manner, and what they change, as measured on nats-server 2.15.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.cli.flags import HELP, FlagError, Flags, overlay, parse_flags
from leafnode.config.bind import bind
from leafnode.config.options import Authorization, HostPort, JetStreamOptions, Options, User
from leafnode.config.parser import parse

# Every flag of `nats-server --help` 2.15.1 that is not ours.
NOT_OURS = (
    "routes cluster cluster_name no_advertise cluster_advertise connect_retries cluster_listen"
)


def refused(*argv: str) -> FlagError:
    with pytest.raises(FlagError) as caught:
        parse_flags(argv)
    return caught.value


def laid_over(text: str, *argv: str) -> Options:
    return overlay(bind(parse(text, "x.conf")), parse_flags(argv))


def test_no_flags_say_nothing() -> None:
    assert parse_flags([]) == Flags()


@pytest.mark.parametrize(
    "argv", [["-p", "5"], ["--p", "5"], ["-p=5"], ["--port=5"], ["-port", "5"]]
)
def test_one_dash_or_two_and_blank_or_equals_are_the_same(argv: list[str]) -> None:
    assert parse_flags(argv) == Flags(port=5)


def test_every_supported_flag_has_its_field() -> None:
    argv = (
        "--addr 10.0.0.1 -p -1 -n edge -P pid -m 8222 -c x.conf -t -js -sd data -l log -T=false "
        "-D -V --user u --pass p"
    )

    assert parse_flags(argv.split()) == Flags(
        config="x.conf",
        check=True,
        host="10.0.0.1",
        port=-1,
        server_name="edge",
        pid_file="pid",
        http_port=8222,
        log_file="log",
        logtime=False,
        debug=True,
        trace=True,
        jetstream=True,
        store_dir="data",
        user="u",
        password="p",
    )
    assert parse_flags(["--auth", "t"]) == Flags(token="t")
    more = (
        "--client_advertise a:1 --ports_file_dir d --logtime_utc -s -r tcp://a:1 -VV "
        "--log_size_limit 5 --max_traced_msg_len 6 --profile 7"
    )
    assert overlay(Options(), parse_flags(more.split())) == Options(
        client_advertise=HostPort("a", 1),
        ports_file_dir="d",
        logtime_utc=True,
        syslog=True,
        remote_syslog="tcp://a:1",
        trace=True,
        trace_verbose=True,
        log_size_limit_bytes=5,
        max_traced_msg_bytes=6,
        prof_port=7,
    )


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (["--net", "h"], ["-a", "h"]),
        (["--server_name", "n"], ["-n", "n"]),
        (["--name", "n"], ["-n", "n"]),
        (["--pid", "f"], ["-P", "f"]),
        (["--http_port", "1"], ["-m", "1"]),
        (["--config", "f"], ["-c", "f"]),
        (["--log", "f"], ["-l", "f"]),
        (["--logtime"], ["-T"]),
        (["--jetstream"], ["-js"]),
        (["--store_dir", "d"], ["-sd", "d"]),
        (["--debug", "--trace"], ["-DV"]),
        (["--syslog"], ["-s"]),
        (["--remote_syslog", "udp://x:1"], ["-r", "udp://x:1"]),
        (["--signal", "ldm=1"], ["-sl", "ldm=1"]),
        (["-VV", "-D"], ["-DVV"]),
        (["--version"], ["-v"]),
        (["--help"], ["-h"]),
        (["help"], ["-h"]),
        (["version"], ["-v"]),
    ],
)
def test_a_long_flag_and_its_short_one_are_the_same(long: list[str], short: list[str]) -> None:
    assert parse_flags(long) == parse_flags(short)
    assert parse_flags(long) != Flags()


def test_the_last_of_a_flag_stands() -> None:
    assert parse_flags(["-p", "1", "-p", "2"]).port == 2
    assert parse_flags(["-DV", "-D=false"]) == Flags(debug=False, trace=True)
    assert parse_flags(["-DV=false"]) == Flags(debug=False, trace=False)


@pytest.mark.parametrize(
    ("word", "port"), [("0x10", 16), ("017", 15), ("0b11", 3), ("1_000", 1000), ("+5", 5)]
)
def test_a_number_may_be_written_as_go_reads_it(word: str, port: int) -> None:
    assert parse_flags(["-p", word]).port == port


def test_a_value_may_begin_with_a_dash() -> None:
    assert parse_flags(["-n", "-x"]).server_name == "-x"


@pytest.mark.parametrize("word", ["1", "t", "T", "true", "TRUE", "True"])
def test_a_boolean_takes_gos_words_for_true(word: str) -> None:
    assert parse_flags([f"-D={word}"]).debug is True


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-x"], "flag provided but not defined: -x"),
        (["--xx=5"], "flag provided but not defined: -xx"),
        (["-p"], "flag needs an argument: -p"),
        (["-p", "x"], 'invalid value "x" for flag -p: parse error'),
        (["-p", ""], 'invalid value "" for flag -p: parse error'),
        (["-p", str(2**63)], f'invalid value "{2**63}" for flag -p: value out of range'),
        (["-T=no"], 'invalid boolean value "no" for -T: parse error'),
        (["-D="], 'invalid boolean value "" for -D: parse error'),
        (["---p"], "bad flag syntax: ---p"),
        (["-=5"], "bad flag syntax: -"),
        (
            ["--log_size_limit", "1K"],
            'invalid value "1K" for flag -log_size_limit: parse error',
        ),
    ],
)
def test_a_malformed_flag_is_refused_with_the_usage(argv: list[str], text: str) -> None:
    error = refused(*argv)

    assert str(error) == text
    assert error.usage


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (
            ["-p", "70000"],
            'invalid value for flag -p: expected a port from -1 to 65535, got "70000"',
        ),
        (["-p", "-2"], 'invalid value for flag -p: expected a port from -1 to 65535, got "-2"'),
        (["-n", "a b"], "server name cannot contain spaces"),
        (
            ["-n", "a*"],
            'invalid value for flag -n: expected a server name without blanks, * and >, got "a*"',
        ),
        (["-a", "a/b"], 'invalid value for flag -a: expected a host name or an address, got "a/b"'),
        (["-l", ""], "invalid value for flag -l: expected a text of one line that is not empty"),
        (
            ["-r", "x"],
            'invalid value for flag -r: expected a URL like "udp://localhost:514", got "x"',
        ),
        (
            ["-r", "udp://x:99999"],
            'invalid value for flag -r: expected a URL like "udp://localhost:514", '
            'got "udp://x:99999"',
        ),
        (
            ["--client_advertise", "a:b"],
            'invalid value for flag -client_advertise: expected "host:port", got "a:b"',
        ),
        (["foo"], 'unrecognized command: "foo"'),
        (["-D", "false"], 'unrecognized command: "false"'),
        (["-"], 'unrecognized command: "-"'),
        (["--", "-D"], 'unrecognized command: "-D"'),
        (["-t"], "must specify [-c, --config] option to check configuration file syntax"),
        (["--user", "a"], "expected --user and --pass together"),
        (["--pass", "a"], "expected --user and --pass together"),
        (
            ["--auth", "a", "--user", "b", "--pass", "c"],
            "expected --auth or --user and --pass, not both",
        ),
        (
            ["--cluster_name=x"],
            "flag -cluster_name is not supported: "
            "leafnode builds no cluster: point leafnodes.remotes at one",
        ),
    ],
)
def test_a_command_line_that_cannot_work_is_refused_in_one_line(argv: list[str], text: str) -> None:
    error = refused(*argv)

    assert str(error) == text
    assert not error.usage


@pytest.mark.parametrize("name", NOT_OURS.split())
def test_every_other_flag_of_nats_server_is_refused_by_name(name: str) -> None:
    assert str(refused(f"-{name}", "x")).startswith(f"flag -{name} is not supported: ")


def test_two_dashes_end_the_flags() -> None:
    assert parse_flags(["-D", "--"]) == Flags(debug=True)


def test_version_and_help_need_no_other_flag_to_be_right() -> None:
    assert parse_flags(["-t", "-v"]).version


def test_secrets_are_neither_in_the_repr_nor_in_errors() -> None:
    flags = parse_flags(["--user", "u", "--pass", "c4n4ry"])

    assert "c4n4ry" not in repr(flags)
    assert "c4n4ry" not in repr(overlay(Options(), flags))
    assert "c4n4ry" not in str(refused("--auth", "c4n4ry\n"))
    assert "c4n4ry" not in repr(parse_flags(["--auth", "c4n4ry"]))


def test_the_help_names_every_flag_it_should() -> None:
    for name in (
        "-a, --addr, --net",
        "-js, --jetstream",
        "-DV",
        "--server_name",
        "-sd, --store_dir",
    ):
        assert name in HELP
    assert all(len(line) <= 100 for line in HELP.splitlines())
    assert HELP.format(program="nats-server", host="0.0.0.0").startswith(
        "Usage: nats-server [options]\n"
    )


# --- overlay


def test_without_flags_the_options_stay() -> None:
    options = bind(parse('http: "1.2.3.4:5"\njetstream {domain: d}\nport: 7', "x.conf"))

    assert overlay(options, Flags()) == options


def test_a_flag_wins_over_the_file() -> None:
    text = (
        'listen: "10.0.0.1:1"\nserver_name: a\npid_file: a\nlog_file: a\ndebug: on\nlogtime: on\n'
    )

    options = laid_over(
        text,
        "-a",
        "10.0.0.2",
        "-p",
        "2",
        "-n",
        "b",
        "-P",
        "b",
        "-l",
        "b",
        "-D=false",
        "-T=false",
        "-V",
    )

    assert options == Options(
        host="10.0.0.2",
        port=2,
        server_name="b",
        pid_file="b",
        log_file="b",
        debug=False,
        logtime=False,
        trace=True,
    )


def test_port_zero_is_the_default_and_an_empty_host_every_address() -> None:
    options = laid_over("port: 5", "-p", "0", "-a", "")

    assert (options.host, options.port) == ("0.0.0.0", 4222)


@pytest.mark.parametrize(
    ("text", "argv", "http"),
    [
        ("", "-m 8222", HostPort("127.0.0.1", 8222)),
        ("", "-m 8222 -a 10.0.0.1", HostPort("10.0.0.1", 8222)),
        ("host: 10.0.0.1", "-m 8222", HostPort("10.0.0.1", 8222)),
        ("http: 1", "-a 10.0.0.1", HostPort("10.0.0.1", 1)),
        ('http: "10.0.0.9:1"', "-a 10.0.0.1", HostPort("10.0.0.9", 1)),
        ('http: "10.0.0.9:1"', "-m 2 -a 10.0.0.1", HostPort("10.0.0.9", 2)),
        ('host: 10.0.0.9\nhttp: "10.0.0.9:1"', "-a 0.0.0.0", HostPort("10.0.0.9", 1)),
        ("http: 1", "-m 0", None),
        ("", "-m -1", HostPort("127.0.0.1", -1)),
        ("", "-p 5", None),
    ],
)
def test_monitoring_follows_the_host_unless_the_file_gave_it_one(
    text: str, argv: str, http: HostPort | None
) -> None:
    assert laid_over(text, *argv.split()).http == http


@pytest.mark.parametrize(
    ("text", "argv", "jetstream"),
    [
        ("", "-js", JetStreamOptions()),
        ("", "-js -sd d", JetStreamOptions(store_dir="d")),
        ("", "-sd d", None),
        ("jetstream {domain: x}", "-sd d", JetStreamOptions(store_dir="d", domain="x")),
        ("jetstream {domain: x}", "-js", JetStreamOptions(domain="x")),
        ("jetstream {domain: x}", "-js=false", None),
        ("store_dir: d", "", None),
        ("store_dir: d", "-js", JetStreamOptions(store_dir="d")),
        ("jetstream {enabled: false, domain: x}", "-js", JetStreamOptions(domain="x")),
    ],
)
def test_a_store_dir_alone_does_not_enable_jetstream(
    text: str, argv: str, jetstream: JetStreamOptions | None
) -> None:
    assert laid_over(text, *argv.split()).jetstream == jetstream


@pytest.mark.parametrize("argv", [["-n", ""], ["-r", ""], ["--log_size_limit", "-3"]])
def test_what_says_nothing_is_the_default(argv: list[str]) -> None:
    assert laid_over("", *argv) == laid_over("")


def test_a_login_of_the_command_line_replaces_those_of_the_file() -> None:
    text = "authorization { timeout: 5, users [ { user: a, password: b } ] }"
    kept = Authorization(users=(User("a", "b"),), timeout_ns=5_000_000_000)

    assert laid_over(text).authorization == kept
    assert laid_over(text, "--user", "c", "--pass", "d").authorization == Authorization(
        user="c", password="d", timeout_ns=5_000_000_000
    )
    assert laid_over(text, "--auth", "t").authorization == Authorization(
        token="t", timeout_ns=5_000_000_000
    )


# --- properties

WORDS = st.sampled_from(
    ["-", "--", "-p", "-D", "-DV", "-a", "-x", "--auth", "=", "-m=1", "-c", "f", "-1"]
)


def outcome(argv: list[str]) -> Flags | FlagError:
    try:
        return parse_flags(argv)
    except FlagError as error:
        return error


@given(st.lists(WORDS | st.text(max_size=8), max_size=8))
def test_any_command_line_gives_flags_or_a_flag_error(argv: list[str]) -> None:
    found = outcome(argv)

    if isinstance(found, Flags):
        assert isinstance(overlay(Options(), found), Options)
    else:
        assert str(found)


def test_https_has_a_port_of_its_own_and_does_not_stand_beside_http() -> None:
    assert overlay(Options(), parse_flags(["-ms", "8443"])).https == HostPort("127.0.0.1", 8443)
    with pytest.raises(FlagError, match=r"can't specify both HTTP \(1\) and HTTPs \(2\) ports"):
        overlay(Options(), parse_flags(["-m", "1", "--https_port", "2"]))


def test_a_configuration_and_a_signal_of_no_name_are_none() -> None:
    flags = parse_flags(["-c", "", "--signal="])

    assert not flags.config
    assert not flags.signal

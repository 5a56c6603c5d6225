"""Options outside of blocks, what must hold together, files. Keys as nats-server 2.15.1 has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import bind as bind_module
from leafnode.config import blocks
from leafnode.config.bind import bind, load, read_file
from leafnode.config.options import Authorization, HostPort, JetStreamOptions, Options
from leafnode.config.parser import parse
from leafnode.config.place import Block
from leafnode.errors import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
# Those in hub/ are for the real nats-server.
OURS = sorted(path for path in CONFIGS.rglob("*.conf") if path.parent.name != "hub")
ENVIRONMENT = {
    "LEAFNODE_NAME": "gw-7",
    "LEAFNODE_PASSWORD": "s3cret",
    "LEAFNODE_LINE_PASSWORD": "s3cret",
    "DASHBOARD_PASSWORD": "s3cret",
    "PLANT_PASSWORD": "p1",
    "OFFICE_PASSWORD": "p2",
    "ADMIN_PASSWORD": "p3",
}
HUB = 'leafnodes { remotes [ { url: "nats-leaf://hub" } ] }\n'


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value)


def test_an_empty_file_gives_the_defaults_on_loopback() -> None:
    assert options("") == Options()
    assert options("").host == "127.0.0.1"


def test_every_option_outside_of_blocks_is_bound() -> None:
    bound = options(
        """
        listen: "0.0.0.0:4333"
        server_name: edge-1
        http: 8333
        max_payload: 2MB
        max_control_line: 8k
        max_pending: 32MB
        max_conn: 10
        max_subs: 20
        ping_interval: 30
        ping_max: 3
        write_deadline: "5s"
        pid_file: "leafnode.pid"
        logfile: "leafnode.log"
        logtime: false
        debug: true
        trace: yes
        jetstream: enabled
        """
    )

    assert bound == Options(
        host="0.0.0.0",
        port=4333,
        server_name="edge-1",
        http=HostPort("0.0.0.0", 8333),
        max_payload_bytes=2 * limits.MIB,
        max_control_line_bytes=8000,
        max_pending_bytes=32 * limits.MIB,
        max_connections=10,
        max_subscriptions=20,
        ping_interval_ns=30_000_000_000,
        ping_max=3,
        write_deadline_ns=5_000_000_000,
        pid_file="leafnode.pid",
        log_file="leafnode.log",
        logtime=False,
        debug=True,
        trace=True,
        jetstream=JetStreamOptions(),
    )


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("port: -1", "127.0.0.1", -1),
        ("port: 0", "127.0.0.1", 4222),
        ("net: 10.0.0.1", "10.0.0.1", 4222),
        ("listen: 4333", "127.0.0.1", 4333),
        ("host: h\nlisten: 4333", "h", 4333),
        ('listen: "a:1"\nport: 2', "a", 2),
        ('port: 2\nlisten: "a:1"', "a", 1),
        ('listen: "a:1"\nhost: b', "b", 1),
        ('listen: ":1"', "0.0.0.0", 1),
    ],
)
def test_of_listen_host_and_port_the_last_mention_stands(text: str, host: str, port: int) -> None:
    assert (options(text).host, options(text).port) == (host, port)


@pytest.mark.parametrize(
    ("text", "http", "given_host"),
    [
        ("http: 8222", HostPort("127.0.0.1", 8222), False),
        ("http_port: 8222\nhost: 10.0.0.1", HostPort("10.0.0.1", 8222), False),
        ("monitor_port: -1", HostPort("127.0.0.1", -1), False),
        ('http: "127.0.0.1:8222"\nhost: 10.0.0.1', HostPort("127.0.0.1", 8222), True),
        ('http: ":8222"', HostPort("0.0.0.0", 8222), True),
        ("http: 8222\nhttp_port: 8223", HostPort("127.0.0.1", 8223), False),
        ("http_port: 0", None, False),
    ],
)
def test_monitoring_listens_where_clients_do_unless_it_has_a_host(
    text: str, http: HostPort | None, given_host: bool
) -> None:
    bound = options(text)

    assert bound.http == http
    assert bound.http_host_given is given_host


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("port: 70000", "x.conf:1:1: port: expected a port from -1 to 65535, got 70000"),
        ("port: -2", "x.conf:1:1: port: expected a port from -1 to 65535, got -2"),
        ('port: "4222"', 'x.conf:1:1: port: expected a port, got "4222"'),
        ("max_payload: 2s", 'x.conf:1:1: max_payload: expected a size, got "2s"'),
        ("max_payload: 1.5", "x.conf:1:1: max_payload: expected a size, got 1.5"),
        (
            "max_payload: -5",
            "x.conf:1:1: max_payload: expected a size from 1 to 999999999, got -5",
        ),
        ("debug: 1", "x.conf:1:1: debug: expected true or false, got 1"),
        (
            'server_name: "a b"',
            'x.conf:1:1: server_name: expected a server name without blanks, * and >, got "a b"',
        ),
        ("foo: 1", 'x.conf:1:1: unknown field "foo"'),
        ("sevrer_name: a", 'x.conf:1:1: unknown field "sevrer_name", did you mean "server_name"?'),
        (
            "accounts { A {} }\nsystem_account: B",
            "x.conf:2:1: system_account: error resolving system account: account missing",
        ),
        (
            "cluster { port: 6222 }",
            "x.conf:1:1: cluster: leafnode builds no cluster: point leafnodes.remotes at one",
        ),
        (
            "leafnodes {\n  reconnect: soon\n}",
            'x.conf:2:3: leafnodes.reconnect: expected a duration, got "soon"',
        ),
    ],
)
def test_an_error_names_place_path_and_what_came(text: str, error: str) -> None:
    assert refused(text) == error


@pytest.mark.parametrize(
    ("key", "highest"),
    [
        ("max_control_line", 2**31 - 1),
        ("port", 65535),
    ],
)
def test_a_number_is_taken_at_its_bound_and_refused_past_it(key: str, highest: int) -> None:
    options(f"{key}: {highest}")

    assert f"{key}: expected" in refused(f"{key}: {highest + 1}")


@pytest.mark.parametrize(
    "key",
    [
        "max_payload",
        "max_control_line",
        "max_pending",
        "max_subscriptions",
        "ping_interval",
        "ping_max",
        "write_deadline",
    ],
)
def test_zero_asks_for_the_default_as_on_nats_server(key: str) -> None:
    assert options(f"{key}: 0") == Options()


def test_a_control_line_larger_than_a_read_is_taken_as_that_with_a_warning() -> None:
    bound = options("max_control_line: 1MB")

    assert bound.max_control_line_bytes == 65_535
    assert bound.warnings == (
        "x.conf:1:1: max_control_line: taken as 65535, the most there is here",
    )
    assert options("max_control_line: 65535").warnings == ()


def test_no_limit_of_connections_and_payload_is_minus_one() -> None:
    assert options("max_connections: -1").connections_max == 2**31 - 1
    assert options("max_connections: 0").connections_max == 2**31 - 1
    assert options("max_connections: 7").connections_max == 7
    assert options("max_payload: -1").max_payload_bytes == options("").max_pending_bytes
    assert options("max_payload: -1\nmax_pending: 2MB").max_payload_bytes == 2 * limits.MIB


@pytest.mark.parametrize(
    "key",
    [
        *("server_name", "pid_file", "log_file", "ports_file_dir", "remote_syslog"),
        *("no_auth_user", "system_account", "http_base_path", "client_advertise"),
    ],
)
def test_an_empty_text_is_the_default_as_on_nats_server(key: str) -> None:
    assert options(f'{key}: ""') == Options()


def test_a_bare_number_of_seconds_is_taken_with_the_warning_of_nats_server() -> None:
    bound = options("ping_interval: 20\nleafnodes { reconnect: 3 }")

    assert bound.ping_interval_ns == 20 * NS_PER_S
    assert bound.deprecated == (
        'x.conf:1:1: invalid use of field "ping_interval": '
        "ping_interval should be converted to a duration",
        'x.conf:2:13: invalid use of field "reconnect": '
        "reconnect should be converted to a duration",
    )
    assert bound.warnings == ()


def test_an_empty_file_is_warned_of() -> None:
    assert options("# nothing").deprecated == ("x.conf: config has no values or is empty",)


def test_a_key_without_effect_is_warned_of() -> None:
    (warning,) = options("connect_error_reports: 5").warnings

    assert warning == (
        "x.conf:1:1: connect_error_reports: taken without effect: every failed dial is logged"
    )


def test_a_trace_of_headers_is_a_trace() -> None:
    assert options("trace_headers: true").trace
    assert options("trace_headers: true").trace_headers


# --- what must hold together


def test_max_payload_may_equal_max_pending_but_not_exceed_it() -> None:
    assert options("max_payload: 64MB").max_payload_bytes == 64 * limits.MIB
    assert refused("a: 1\nmax_payload: $a\nmax_pending: 1\nmax_payload: 2") == (
        "x.conf:4:1: max_payload: max_payload (2) cannot be higher than max_pending (1)"
    )
    assert refused("max_pending: 1k").startswith("x.conf:1:1: max_pending: max_payload (")


def test_an_uplink_needs_jetstream_a_hub_and_a_name() -> None:
    unnamed = "uplink { streams [ { stream: R } ] }\n"
    uplink = unnamed + "server_name: edge-1\n"

    problem = refused("jetstream: on\n" + HUB + unnamed)
    assert problem.startswith("x.conf:3:1: uplink: expected server_name")
    assert options("jetstream: on\n" + HUB + uplink).uplinks
    assert refused(HUB + uplink).startswith("x.conf:2:1: uplink: expected jetstream to be enabled")
    assert refused("jetstream: on\n" + uplink).startswith("x.conf:2:1: uplink: expected leafnodes")
    assert refused("jetstream: off\n" + HUB + uplink).startswith("x.conf:3:1: uplink: expected jet")


def test_the_stream_of_a_serial_port_needs_jetstream() -> None:
    serial = 'serial { ports [ { device: "/dev/x", name: p, subject: r.p, stream: R } ] }\n'

    assert options("jetstream: on\n" + serial).serial is not None
    assert "serial.ports[0].stream: expected jetstream" in refused(serial)


def test_the_store_gathers_commits_only_when_told_to_and_not_for_long() -> None:
    for text in ("", "store { commit_interval: 0 }", "store { commit_interval: 0s }"):
        assert options(text).store.commit_interval_ns == 0
    assert options("store { commit_interval: 250ms }").store.commit_interval_ns == 250_000_000
    assert options("").store.scrub_rate == 64 * 1024
    assert options("store { scrub_rate: 1MB }").store.scrub_rate == 1 << 20
    assert options("store { scrub_rate: 0 }").store.scrub_rate == 0
    assert "store.scrub_rate: expected bytes a second" in refused("store {scrub_rate: -1}")
    assert "store.commit_interval: expected at most 2s" in refused("store {commit_interval: 3s}")


def test_the_outermost_store_dir_belongs_to_jetstream() -> None:
    assert options("store_dir: a\njetstream {domain: d}").jetstream == JetStreamOptions("a", "d")
    assert "expected store_dir only once" in refused("store_dir: a\njetstream {store_dir: b}")


def test_an_empty_authorization_block_is_warned_about() -> None:
    bound = options("authorization {}")

    assert bound.authorization == Authorization()
    assert bound.warnings == (
        "x.conf:1:1: the authorization block is empty: everybody may connect",
    )


def test_a_key_given_twice_is_warned_about_and_the_last_one_stands() -> None:
    bound = options("port: 1\nport: 2")

    assert bound.port == 2
    assert bound.warnings == ('x.conf:2:1: "port" replaces the one of x.conf:1:1',)


def test_two_names_of_one_key_are_warned_about_and_the_last_one_stands() -> None:
    bound = options("host: a\nnet: b")

    assert bound.host == "b"
    assert bound.warnings == ('x.conf:2:1: net: replaces "host"',)


def test_a_variable_definition_is_no_option_but_an_unused_one_is_refused() -> None:
    assert options("P: 4333\nport: $P").port == 4333
    assert refused("Q: 4333\nport: 1") == 'x.conf:1:1: unknown field "Q"'


def test_a_json_file_is_a_configuration() -> None:
    bound = options('{"port": 4567, "jetstream": true,\n "http": "127.0.0.1:1"}\n')

    assert (bound.port, bound.jetstream) == (4567, JetStreamOptions())


# --- files


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_file_in_configs_loads_without_a_warning(path: Path) -> None:
    loaded = load(str(path), ENVIRONMENT)

    assert loaded.config_file == str(path)
    assert loaded.warnings == ()
    assert loaded.jetstream is None or loaded.jetstream.domain


def test_what_the_default_file_has_in_comments_loads_too() -> None:
    lines = (CONFIGS / "leafnode.conf").read_text().splitlines()
    blocks = [line.removeprefix("# ") for line in lines if line.startswith(("# ", "#"))]
    start = next(i for i, line in enumerate(blocks) if line.startswith("authorization"))
    uncommented = "\n".join(line for line in blocks[start:] if not line.startswith("---"))
    env = {"DASHBOARD_PASSWORD": "a", "SERVICE_PASSWORD": "b"}
    text = "server_name: edge-1\njetstream: on\n" + uncommented

    bound = bind(parse(text, "x.conf", env=env))

    assert bound.authorization.required
    assert bound.leafnodes is not None
    assert bound.uplinks
    assert bound.serial is not None


def test_the_default_file_listens_on_loopback_alone() -> None:
    loaded = load(str(CONFIGS / "leafnode.conf"), {})

    assert (loaded.host, loaded.port) == ("127.0.0.1", 4222)
    assert loaded.http == HostPort("127.0.0.1", 8222)
    assert loaded.jetstream == JetStreamOptions(store_dir="./data", domain="leafnode")


def test_an_include_is_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.conf").write_text("include b.conf\n")
    (tmp_path / "sub" / "b.conf").write_text("port: 4333\n")
    (tmp_path / "main.conf").write_text("include ./sub/a.conf\n")

    assert load(str(tmp_path / "main.conf"), {}).port == 4333


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^open .*nope\.conf: no such file"):
        load(str(tmp_path / "nope.conf"), {})
    with pytest.raises(ConfigError, match=r"^read .*: is a directory"):
        load(str(tmp_path), {})


def test_a_byte_that_is_not_utf_8_is_named_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"port: 1\nhost: \xff")

    with pytest.raises(ConfigError, match=r"x\.conf:2:7: this byte is not UTF-8"):
        load(str(path), {})
    path.with_name("main.conf").write_text("include x.conf")
    with pytest.raises(ConfigError, match=r'main\.conf:1:9: ".*x\.conf" is not UTF-8'):
        load(str(path.with_name("main.conf")), {})


def test_the_users_of_a_whole_fleet_are_read(tmp_path: Path) -> None:
    # nats-server has no bound of its own: such a file is ordinary, and what a variable repeats too.
    path = tmp_path / "x.conf"
    subjects = ", ".join(f'"site.{i}.>"' for i in range(60))
    users = "".join(
        f"{{user: device-{i}, password: '{i:0>700}', permissions: $RULES}}\n" for i in range(1_700)
    )
    path.write_text(f"RULES: {{publish: [{subjects}]}}\nauthorization {{users [{users}]}}")
    assert path.stat().st_size > limits.MIB

    read = load(str(path), {}).authorization.users

    assert len(read) == 1_700
    assert read[-1].user == "device-1699"


def test_a_file_is_read_up_to_its_bound_and_refused_past_it(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_bytes(b"#" * limits.CONFIG_BYTES_MAX)

    assert load(str(path), {}) == Options(config_file=str(path))
    path.write_bytes(b"#" * (limits.CONFIG_BYTES_MAX + 1))
    with pytest.raises(OSError, match="File too large"):
        read_file(str(path))
    with pytest.raises(
        ConfigError, match=r"^open .*: file too large, at most 67108864 bytes are read$"
    ):
        load(str(path), {})


# --- properties

CANARY = "c4n4ry"
SECRETS = f"""
jetstream: on
authorization {{ users [ {{ user: a, password: "{CANARY}" }} ] }}
leafnodes {{ remotes [
  {{ url: "nats://u:{CANARY}@hub" }}
  {{ url: "nats://hub", nkey: "{CANARY}" }}
  {{ url: "nats://hub2", seed: {CANARY} }}
] }}
"""


def outcome(text: str) -> str:
    try:
        return repr(bind(parse(text, "x.conf", env={"E": CANARY})))
    except ConfigError as error:
        return str(error)


@given(
    st.integers(0, SECRETS.count("\n")),
    st.sampled_from(["", "}", "x", "]", "port: no", "{", "x: $"]),
)
def test_whatever_is_wrong_with_a_file_its_secrets_are_not_shown(line: int, slip: str) -> None:
    # Whole lines only: a cut inside the quotes could make a key of a secret, and keys are shown.
    lines = SECRETS.split("\n")
    lines.insert(line, slip)

    assert CANARY not in outcome("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        "authorization { user: a, password: 5c4n4ry }",
        "authorization { password: c4n4ry }",
        "authorization: c4n4ry",
        "authorization { users: c4n4ry }",
        "authorization { users: [c4n4ry] }",
        "authorization { user: a, password: [c4n4ry] }",
        "authorization { user: a, password: c4n4ry, token: c4n4ry }",
        "authorization { user: a, pass: $c4n4ry }",
        "authorization { token: $c4n4ry }",
        "authorization { users [ { nkey: c4n4ry } ] }",
        'authorization { user: a, password: "c4n4ry\\n" }',
        "authorization { user: a, password: c4n4ry's }",
        "authorization { user: a, password: c4n4ry } x",
        "leafnodes { remotes: [ c4n4ry ] }",
        'leafnodes { remotes: [ { url: "nats://u:c4n4ry@h:x" } ] }',
        'leafnodes { remotes: [ { url: "nats://h", nkey: c4n4ry, creds: x } ] }',
        'leafnodes { remotes: [ { url: "nats://u:c4n4ry@h" }, { url: "nats://u:c4n4ry@h" } ] }',
    ],
)
def test_an_error_beside_a_secret_does_not_show_it(text: str) -> None:
    assert CANARY not in outcome(text)


@given(st.data())
def test_a_file_cut_and_pasted_at_random_gives_options_or_one_line(data: st.DataObject) -> None:
    text = (CONFIGS / "examples" / "edge-to-hub.conf").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 80)))
    piece = data.draw(
        st.sampled_from(["", "{", "}", "[", '"', ": ", "5", "true", "\n", "[[]]", "$X"])
    )

    found = outcome(text[:start] + piece + text[end:])

    assert "\n" not in found


def test_the_example_of_a_system_account_loads() -> None:
    options = load(str(CONFIGS / "examples" / "system-account.conf"), {})

    assert options.system_account == "SYS"
    assert {account.name for account in options.accounts} == {"SYS", "PLANT"}


def test_the_example_of_an_auth_callout_loads() -> None:
    path = str(CONFIGS / "examples" / "auth-callout.conf")
    options = load(path, {})

    callout = options.authorization.auth_callout
    assert callout is not None
    assert (callout.account, callout.auth_users) == ("AUTH", ("auth-service",))


# --- documentation

TABLES = [table for module in (bind_module, blocks) for table in vars(module).values()]
KEYS = sorted(
    {key for table in TABLES if isinstance(table, Block) for row in table.rows for key in row.keys}
)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in (CONFIGS.parent / "docs" / "configuration.md").read_text()


def test_a_pipe_is_no_configuration(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.conf"
    os.mkfifo(pipe)

    with pytest.raises(ConfigError, match="is not a regular file"):
        load(str(pipe), {})

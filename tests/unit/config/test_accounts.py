"""leafnode.config.accounts, through the whole binding; texts beside nats-server's are its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from leafnode.config.account_options import (
    AccountJetStream,
    AccountLimits,
    AccountOptions,
    Destination,
    LatencyOptions,
    Mapping,
    ResponseType,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.bind import bind, load
from leafnode.config.options import Options, PermissionsOptions, SubjectRules, User
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "configs" / "examples" / "accounts.conf"


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value)


def test_an_account_has_users_permissions_limits_and_jetstream() -> None:
    (account,) = options("""accounts { A {
        users [ {user: a, password: p}, {user: b, password: p, permissions: {publish: x}} ]
        default_permissions { publish: y }
        limits { max_conn: 1, max_subs: 2, max_pay: 1KB, max_leafs: 0 }
        jetstream { max_mem: 1KB, max_file: -1, streams: 3, consumers: 4, max_bytes: true
                    memory_max_stream_bytes: 5, disk_max_stream_bytes: 6, max_ack_pending: 7 }
        msg_trace { dest: traces, sampling: "50%" }
        nkey: AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV
    } }""").accounts

    assert account == AccountOptions(
        "A",
        users=(
            User("a", "p"),
            User("b", "p", permissions=PermissionsOptions(publish=SubjectRules(("x",)))),
        ),
        default_permissions=PermissionsOptions(publish=SubjectRules(("y",))),
        limits=AccountLimits(1, 2, 1024, 0),
        jetstream=AccountJetStream(
            max_memory_bytes=1024,
            max_streams=3,
            max_consumers=4,
            max_bytes_required=True,
            max_memory_stream_bytes=5,
            max_file_stream_bytes=6,
            max_ack_pending=7,
        ),
        trace_dest="traces",
        trace_sampling_percent=50,
    )


def test_names_alone_make_accounts() -> None:
    assert options("accounts: [A, B]").accounts == (AccountOptions("A"), AccountOptions("B"))


@pytest.mark.parametrize("text", ['"A"', "A", "3", "1.5", "yes", '""', "2026-01-02T03:04:05Z"])
def test_what_is_neither_a_block_nor_an_array_makes_no_accounts(text: str) -> None:
    found = options(f"accounts: {text}")

    assert found.accounts == ()
    assert [one.partition(": taken as")[0] for one in found.warnings] == ["x.conf:1:1: accounts"]


@pytest.mark.parametrize(
    ("word", "is_on"), [("enabled", True), ("true", True), ("disabled", False)]
)
def test_jetstream_of_an_account_is_switched_by_a_word(word: str, *, is_on: bool) -> None:
    (account,) = options(f"accounts {{ A {{ jetstream: {word} }} }}").accounts

    assert account.jetstream == (AccountJetStream() if is_on else None)


def test_a_variable_beside_accounts_is_no_account() -> None:
    bound = options("accounts { P: secret\n A { users [ {user: a, password: $P} ] } }")

    assert [account.name for account in bound.accounts] == ["A"]


def test_the_example_is_a_whole_file() -> None:
    env = {"PLANT_PASSWORD": "p1", "OFFICE_PASSWORD": "p2", "ADMIN_PASSWORD": "p3"}
    bound = load(str(EXAMPLE), env)

    plant, office, system = bound.accounts
    assert bound.system_account == system.name == "SYS"
    assert plant.stream_exports == (
        StreamExport("telemetry.>"),
        StreamExport("alarms.*", ("OFFICE",)),
    )
    assert plant.service_exports == (
        ServiceExport(
            "machine.*.state",
            ("OFFICE",),
            response_type=ResponseType.SINGLETON,
            threshold_ns=5_000_000_000,
            latency=LatencyOptions("latency.machine.state", 10),
        ),
    )
    assert office.stream_imports == (
        StreamImport("PLANT", "telemetry.>", prefix="plant"),
        StreamImport("PLANT", "alarms.*"),
    )
    assert office.service_imports == (
        ServiceImport("PLANT", "machine.*.state", to="state.press.$1"),
    )
    assert plant.mappings[1] == Mapping(
        "orders", (Destination("orders.v1", 90), Destination("orders.v2", 10))
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("accounts { $G {} }", 'x.conf:1:12: accounts.$G: "$G" is a Reserved Account'),
        (
            "accounts { A { nkey: AXXX } }",
            "x.conf:1:16: accounts.A.nkey: expected the public nkey of an account (A…)",
        ),
        ("accounts: [A, A]", "x.conf:1:12: accounts[0]: Duplicate Account Entry: A"),
        ("accounts { A { foo: 1 } }", 'x.conf:1:16: accounts.A: unknown field "foo"'),
        (
            "accounts { A { limits { max_conn: -2 } } }",
            "x.conf:1:25: accounts.A.limits.max_conn: expected a count from 0 to 2147483647, "
            "got -2",
        ),
        (
            "accounts {\n A { users [{user: u, password: a}] }\n"
            " B { users [{user: u, password: b}] }\n}",
            'x.conf:3:6: accounts.B.users: Duplicate user "u" detected',
        ),
        (
            "authorization { users [{user: u, password: a}] }\n"
            "accounts { B { users [{user: u, password: b}] } }",
            'x.conf:2:16: accounts.B.users: Duplicate user "u" detected',
        ),
        (
            "authorization { user: u, password: a }\n"
            "accounts { B { users [{user: v, password: b}] } }",
            "x.conf:2:16: accounts.B.users: Can not have a single user/pass and accounts",
        ),
        (
            "authorization { token: a }\naccounts { B { users [{user: v, password: b}] } }",
            "x.conf:2:16: accounts.B.users: Can not have a token and accounts",
        ),
        (
            "no_system_account: true\naccounts { A { exports [{service: q, latency: lat}] } }",
            'x.conf:2:1: accounts: Error adding service latency sampling for "q": '
            "system account not setup",
        ),
        (
            'jetstream: true\naccounts { "$SYS" { jetstream: enabled } }',
            "x.conf:2:21: accounts.$SYS.jetstream: Not allowed to enable JetStream on the system "
            "account",
        ),
        (
            'serial { account: X, ports [ {device: "/dev/x", name: p, subject: a} ] }',
            'x.conf:1:10: serial.account: expected the name of an account, got "X"',
        ),
        (
            "accounts { A { exports [{stream: a, accounts: [X]}] } }",
            'x.conf:1:1: accounts.A.exports: "X" account not defined for stream export',
        ),
        (
            "accounts {\n A {}\n B { imports [ {stream: {account: X, subject: a}} ] }\n}",
            'x.conf:3:16: accounts.B.imports: "X" account not defined for stream import',
        ),
        (
            "accounts {\n A { exports [{service: a}]\n"
            "  imports [ {service: {account: B, subject: a}} ] }\n"
            " B { exports [{service: a}]\n"
            "  imports [ {service: {account: A, subject: a}} ] }\n}",
            'x.conf:5:13: accounts.B.imports: Error adding service import "a": '
            "import forms a cycle",
        ),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(text: str, error: str) -> None:
    assert refused(text) == error


def test_a_configured_account_may_be_used_by_the_other_blocks() -> None:
    bound = options("""
        accounts { A {} }
        serial { account: A, ports [ {device: "/dev/x", name: p, subject: a} ] }
        leafnodes { remotes [ {url: "nats://h", account: A}, {url: "nats://i", account: "$SYS"} ] }
    """)

    assert bound.serial is not None
    assert bound.serial.account == "A"

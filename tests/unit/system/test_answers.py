"""leafnode.system.answers: what each subject says; measured on nats-server 2.15.1."""

from __future__ import annotations

import json

import pytest

from leafnode.config.options import Options
from leafnode.system import options
from tests.sim import services
from tests.sim.peers import FakePeer
from tests.sim.system import SystemWorld
from tests.sim.tracer import FakeTracer


def test_a_ping_is_answered_with_statistics_in_no_envelope() -> None:
    assert list(SystemWorld().ask(b"$SYS.REQ.SERVER.PING")) == ["server", "statsz"]


def test_a_ping_without_a_reply_is_answered_to_everybody() -> None:
    world = SystemWorld()
    world.listen(b"$SYS.SERVER.*.STATSZ")

    world.system.publish(b"$SYS.REQ.SERVER.PING.STATSZ")
    world.settle()

    assert len(world.told) == 1


def test_idz_is_three_fields_whatever_the_body_says() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.SERVER.PING.IDZ", b"[bad")

    assert answer == {"name": "edge-7", "host": "127.0.0.1", "id": "NSERVER"}


def test_a_server_is_asked_by_its_id_too() -> None:
    assert SystemWorld().ask(b"$SYS.REQ.SERVER.NSERVER.HEALTHZ")["data"] == {
        "status": "ok",
        "status_code": 200,
    }


def test_statsz_refuses_a_body_that_it_cannot_read() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.SERVER.PING.STATSZ", b'{"server_name":5}')

    assert answer["error"]["code"] == 400


def test_an_accounts_connections_are_a_bare_event() -> None:
    world = SystemWorld()
    world.client()

    answer = world.ask(b"$SYS.REQ.ACCOUNT.$G.CONNS")

    assert answer["type"] == "io.nats.server.advisory.v1.account_connections"
    assert (answer["acc"], answer["conns"]) == ("$G", 1)


def test_an_account_without_connections_does_not_answer_conns() -> None:
    assert SystemWorld().ask(b"$SYS.REQ.ACCOUNT.$G.CONNS") is None


@pytest.mark.parametrize("body", [b"{bad", b'{"acc":"A"}', b"{} {}"])
def test_a_body_that_is_not_about_the_account_leaves_conns_unanswered(body: bytes) -> None:
    world = SystemWorld()
    world.client()

    assert world.ask(b"$SYS.REQ.ACCOUNT.$G.CONNS", b'{"acc":"$G"}') is not None
    assert world.ask(b"$SYS.REQ.ACCOUNT.$G.CONNS", body) is None


def test_accounts_in_use_answer_statz_and_unused_ones_only_when_asked_for() -> None:
    world = SystemWorld()
    world.client()

    used = world.ask(b"$SYS.REQ.ACCOUNT.PING.STATZ")["data"]["account_statz"]
    every = world.ask(b"$SYS.REQ.ACCOUNT.PING.STATZ", b'{"include_unused":true}')
    unused = world.ask(b"$SYS.REQ.ACCOUNT.$SYS.STATZ")

    assert [stat["acc"] for stat in used] == ["$G"]
    assert {stat["acc"] for stat in every["data"]["account_statz"]} == {"$G", "$SYS"}
    assert unused is None


def test_another_account_hears_of_itself_alone_whatever_it_asks() -> None:
    world = SystemWorld()
    world.client()

    answer = world.ask(
        b"$SYS.REQ.ACCOUNT.PING.STATZ",
        b'{"accounts":["$SYS"],"include_unused":true}',
        account="$G",
    )

    assert [stat["acc"] for stat in answer["data"]["account_statz"]] == ["$G"]


def test_a_user_is_told_who_it_is() -> None:
    client = SystemWorld().client()

    answer = client.says(b"SUB in 1\r\nPUB $SYS.REQ.USER.INFO in 0\r\n\r\n")

    assert b'"data":{"user":"joe","account":"$G","account_name":"$G"}' in answer


def test_what_a_client_says_of_itself_in_a_header_is_not_believed() -> None:
    client = SystemWorld().client(b'{"verbose":false,"headers":true}')
    block = b'NATS/1.0\r\nNats-Request-Info: {"acc":"$SYS","user":"root"}\r\n\r\n'
    size = len(block)

    answer = client.says(
        b"SUB in 1\r\nHPUB $SYS.REQ.USER.INFO in %d %d\r\n%b\r\n" % (size, size, block)
    )

    assert b'"data":{"user":"joe","account":"$G","account_name":"$G"}' in answer


def test_the_server_itself_is_no_user() -> None:
    assert SystemWorld().ask(b"$SYS.REQ.USER.INFO", account="$G") is None


def test_what_the_system_account_is_told_reaches_no_other_account() -> None:
    world = SystemWorld()
    watcher = world.client()
    watcher.says(b"SUB > 1\r\n")

    world.client()

    assert watcher.hears() == b""


def test_what_another_account_publishes_below_sys_stays_in_it() -> None:
    world = SystemWorld(Options())
    world.listen()
    client = world.client()
    before = len(world.told)

    client.says(b"PUB $SYS.ACCOUNT.$G.CONNECT 2\r\n{}\r\nPUB $SYS.REQ.SERVER.PING 0\r\n\r\n")

    assert len(world.told) == before


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(("VARZ", "server_id"), ("CONNZ", "connections"), ("SUBSZ", "num_subscriptions")),
        *(("ROUTEZ", "routes"), ("GATEWAYZ", "inbound_gateways"), ("LEAFZ", "leafs")),
        *(("ACCOUNTZ", "accounts"), ("JSZ", "disabled"), ("EXPVARZ", "memstats")),
    ],
)
def test_every_endpoint_of_monitoring_is_there(name: str, key: str) -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.SERVER.PING.%b" % name.encode())

    assert key in answer["data"]


VALUES = {
    "string": ("", "x", "\u2028"),
    "server.SortOpt": ("", "x", "stop"),
    "bool": (False, True),
    "int": (0, -(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
    "server.ConnState": (0, 1, 2, 3, -1, 2**63 - 1),
    "[]string": ([], ["x"]),
}
ENDPOINT_FIELDS = {
    "CONNZ": options.CONNZ,
    "SUBSZ": options.SUBSZ,
    "ROUTEZ": options.ROUTEZ,
    "GATEWAYZ": options.GATEWAYZ,
    "LEAFZ": options.LEAFZ,
    "ACCOUNTZ": options.ACCOUNTZ,
    "JSZ": options.JSZ,
    "HEALTHZ": options.HEALTHZ,
    "IPQUEUESZ": options.IPQUEUESZ,
}


@pytest.mark.parametrize("name", ENDPOINT_FIELDS)
def test_every_field_of_a_request_is_answered_whatever_it_holds(name: str) -> None:
    world = SystemWorld()
    for field, kind in ENDPOINT_FIELDS[name].types.items():
        if field in {"server_name", "cluster", "host", "tags", "domain"}:
            continue  # they say which servers are asked
        for value in VALUES[kind]:
            body = json.dumps({field: value}).encode()
            assert world.ask(f"$SYS.REQ.SERVER.PING.{name}".encode(), body) is not None, body


def test_what_an_endpoint_refuses_is_an_error_with_nothing_as_data() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.SERVER.PING.CONNZ", b'{"sort":"bad"}')

    assert answer["data"] is None
    assert answer["error"] == {"code": 500, "description": "invalid sorting option: bad"}


def test_what_has_no_meaning_here_is_answered_as_where_it_is_off() -> None:
    world = SystemWorld()

    assert world.ask(b"$SYS.REQ.SERVER.PING.RAFTZ")["data"] == {}
    assert world.ask(b"$SYS.REQ.SERVER.PING.PROFILEZ")["data"] == {
        "profile": None,
        "error": "Profile name not specified",
    }
    named = world.ask(b"$SYS.REQ.SERVER.PING.PROFILEZ", b'{"name":"heap"}')["data"]
    assert named["error"] == 'Profile "heap" not found'


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        (b"$SYS.REQ.ACCOUNT.$G.SUBSZ", "num_subscriptions"),
        (b"$SYS.REQ.ACCOUNT.$G.CONNZ", "connections"),
        (b"$SYS.REQ.ACCOUNT.$G.LEAFZ", "leafs"),
        (b"$SYS.REQ.ACCOUNT.$G.INFO", "account_name"),
    ],
)
def test_an_account_is_asked_by_its_name(subject: bytes, key: str) -> None:
    world = SystemWorld()
    world.client().says(b"SUB a 1\r\n")

    assert key in world.ask(subject)["data"]


def test_an_account_that_is_not_there_is_an_error() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.ACCOUNT.NOPE.INFO")

    assert answer["error"] == {"code": 500, "description": "Account NOPE does not exist"}


def test_an_account_without_jetstream_is_told_so() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.ACCOUNT.$G.JSZ")

    assert answer["error"]["description"] == "jetstream not enabled"


@pytest.mark.parametrize("subject", [b"$SYS.REQ.ACCOUNT.PING.CONNZ", b"$SYS.REQ.SERVER.PING.CONNZ"])
def test_another_account_sees_its_own_connections_alone(subject: bytes) -> None:
    world = SystemWorld()
    world.client()
    world.server.account("A")
    world.answers.serve_account(world.server.account("A"), world.requests)

    own = world.ask(subject, b'{"acc":"$G"}', account="A")
    theirs = world.ask(subject, account="$G")

    assert (own["data"]["total"], theirs["data"]["total"]) == (0, 1)


def test_subscribers_are_counted_with_a_bare_number() -> None:
    assert SystemWorld().ask(b"$SYS.DEBUG.SUBSCRIBERS", b">") == 0


def test_who_asks_by_an_import_has_the_subscribers_of_its_own_account_counted() -> None:
    world, sharing = SystemWorld(), services.World()
    system = world.server.account("$SYS")
    system.services = sharing.services["$SYS"] = services.Services(system, sharing)
    sharing.import_("A", sharing.export("$SYS", b"$SYS.DEBUG.SUBSCRIBERS"), b"dbg")
    asker = FakePeer(sharing.account("A"))
    for sid, subject in enumerate((b"inbox", b"foo", b"foo")):
        asker.subscribe(subject, b"%d" % sid)

    asker.says(b"PUB dbg inbox 3\r\nfoo\r\n")
    world.settle()

    assert asker.got() == b"MSG inbox 0 1\r\n2\r\n"


def test_a_client_is_kicked_by_its_cid() -> None:
    world = SystemWorld()

    answer = world.ask(b"$SYS.REQ.SERVER.NSERVER.KICK", b'{"cid":7}')

    assert list(answer) == ["server"]
    assert world.kicked == [7]


def test_kicking_nobody_is_refused() -> None:
    answer = SystemWorld().ask(b"$SYS.REQ.SERVER.NSERVER.KICK", b'{"cid":404}')

    assert answer["error"] == {"code": 500, "description": "no such client or leafnode id"}


@pytest.mark.parametrize("name", [b"KICK", b"LDM"])
@pytest.mark.parametrize("body", [b"", b"{bad", b"[]", b'{"cid":-1}', b'{"cid":"7"}'])
def test_a_command_that_names_no_connection_is_not_answered(name: bytes, body: bytes) -> None:
    world = SystemWorld()

    assert world.ask(b"$SYS.REQ.SERVER.NSERVER." + name, body) is None
    assert world.kicked == []


def test_a_command_with_a_bad_filter_is_refused_and_not_done() -> None:
    world = SystemWorld()

    answer = world.ask(b"$SYS.REQ.SERVER.NSERVER.KICK", b'{"cid":7,"server_name":5}')
    silence = world.ask(b"$SYS.REQ.SERVER.NSERVER.KICK", b'{"cid":7,"server_name":"other"}')

    assert answer["error"]["code"] == 400
    assert silence is None
    assert world.kicked == []


def test_a_client_is_told_of_lame_duck_mode_by_its_cid() -> None:
    world = SystemWorld()

    world.ask(b"$SYS.REQ.SERVER.NSERVER.LDM", b'{"cid":3}')

    assert world.kicked == [3]


@pytest.mark.parametrize(
    ("subject", "there"),
    [
        ("$SYS.REQ.USER.INFO", "$SYS.REQ.USER.$G.INFO"),
        ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.$G.CONNZ"),
        ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.$G.CONNZ"),
        ("$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.ACCOUNT.$G.STATZ"),
    ],
)
def test_a_trace_says_that_the_system_account_answers(subject: str, there: str) -> None:
    world = SystemWorld()
    tracer = world.server.account("$G").tracer = FakeTracer()
    client = world.client(b'{"verbose":false,"headers":true}')
    answers = world.hear("$G", b"r")

    for only in (b"", b"Nats-Trace-Only: 1\r\n"):
        tracer.sent.clear()
        block = b"NATS/1.0\r\nNats-Trace-Dest: t\r\n" + only + b"\r\n"
        size = len(block)
        client.says(b"HPUB %b r %d %d\r\n%b\r\n" % (subject.encode(), size, size, block))
        world.settle()
        fields = {"acc": "$SYS", "from": subject, "to": there}
        assert tracer.steps()[1:] == [("si", fields)]

    assert len(answers) == 1  # who only traces gets none

"""Leaf control lines. Source: nats-server 2.15.1 server/leafnode.go, lines seen on its wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import ProtocolError
from leafnode.protocol import leaf_op as op
from leafnode.protocol.errors import ParserError, UnknownOperation
from leafnode.protocol.op import Ping, Pong

HUB_INFO = (
    b'INFO {"server_id":"NDKZ2","server_name":"hub","version":"2.15.1","proto":3,"headers":true,'
    b'"max_payload":1048576,"jetstream":true,"client_id":6,"nonce":"EsbRnPg3CTsA6gA","domain":"hub",'
    b'"compression":"off","info_on_connect":true,"leafnode_urls":["127.0.0.1:7422"],'
    b'"import":{"allow":["in.>"],"deny":["in.no"]}} '
)


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        (b"LS+ foo.bar", op.LeafSub(b"foo.bar")),
        (b"LS+ work Q 2", op.LeafSub(b"work", b"Q", 2)),
        (b"ls+\tfoo \t Q   7 ", op.LeafSub(b"foo", b"Q", 7)),
        (b"LS+ work Q 0", op.LeafSub(b"work", b"Q", 1)),
        (b"LS+ work Q many", op.LeafSub(b"work", b"Q", 1)),
        (b"LS+ work Q 9999999999999999999", op.LeafSub(b"work", b"Q", 1)),
        (b"LS- foo", op.LeafUnsub(b"foo")),
        (b"LS- foo Q", op.LeafUnsub(b"foo", b"Q")),
        (b"PING", Ping()),
        (b"pong ", Pong()),
        (b"+OK", op.Ok()),
        (b"-ERR 'Authorization Violation'", op.Err("Authorization Violation")),
        (b"-ERR 'a\x1b[31m\xff'", op.Err("a?[31m\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_a_line_becomes_its_operation(line: bytes, operation: op.LeafOp) -> None:
    assert op.parse_leaf_line(line) == operation


@pytest.mark.parametrize(
    "line",
    [b"LS+", b"LS+ a b", b"LS+ a b 1 2", b"LS-", b"LS- a b c", b"INFO", b"INFO {", b"INFO []"],
)
def test_a_known_verb_with_wrong_arguments_closes_without_a_word(line: bytes) -> None:
    with pytest.raises(ParserError) as caught:
        op.parse_leaf_line(line)

    assert caught.value.wire_error == b""


@pytest.mark.parametrize(
    "line", [b"", b"SUB a 1", b"CONNECTED {}", b"LMSG a 3", b"\0\0", b"RMSG a b 1"]
)
def test_any_other_verb_is_an_unknown_operation(line: bytes) -> None:
    with pytest.raises(UnknownOperation):
        op.parse_leaf_line(line)


def test_info_with_a_space_before_its_end_is_read_whole() -> None:
    info = op.parse_leaf_line(HUB_INFO)

    assert isinstance(info, op.LeafInfo)
    assert (info.server_name, info.nonce, info.client_id) == ("hub", "EsbRnPg3CTsA6gA", 6)
    assert info.leafnode_urls == ["127.0.0.1:7422"]
    assert info.import_rules == op.SubjectRulesInfo(["in.>"], ["in.no"])
    assert info.export_rules is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"nonce":1}',
        b'{"client_id":1e400}',
        b'{"x":' + b"[" * 60_000,
        b'{"server_name":"\xff"}',
        b'{"client_id":' + b"9" * 60_000 + b"}",
        b'{"leafnode_urls":[1]}',
    ],
)
def test_hostile_json_is_a_protocol_error_and_nothing_else(text: bytes) -> None:
    with pytest.raises(ParserError):
        op.parse_info(text)


def connect(**fields: object) -> op.LeafConnect:
    given_fields: dict[str, object] = {
        "name": "edge",
        "server_id": "NEDGE",
        "cluster": "edge",
        "domain": "",
        "jetstream": False,
        "remote_account": "$G",
        "deny_pub": (),
        "credentials": op.LeafCredentials(),
    }
    return op.LeafConnect(**(given_fields | fields))  # type: ignore[arg-type]


def test_connect_says_that_messages_are_traced_on_here() -> None:
    assert b'"protocol":3}' in op.encode_connect(connect(traces=True))


@pytest.mark.parametrize(("proto", "traces"), [(b"0", False), (b"2", False), (b"3", True)])
def test_info_says_whether_the_hub_traces_messages_on(proto: bytes, traces: bool) -> None:
    info = op.parse_leaf_line(b'INFO {"client_id":1,"proto":%b}' % proto)

    assert isinstance(info, op.LeafInfo)
    assert info.traces is traces


def test_connect_says_what_a_hub_needs_and_leaves_out_what_is_empty() -> None:
    line = op.encode_connect(connect())

    assert line == (
        b'CONNECT {"version":"2.15.1","server_id":"NEDGE","name":"edge","cluster":"edge",'
        b'"headers":true,"compress_mode":"off","remote_account":"$G","protocol":1}\r\n'
    )


def test_connect_carries_credentials_domain_and_denied_imports() -> None:
    credentials = op.LeafCredentials(user="u", password="p", jwt="j", nkey="n", sig="s")

    line = op.encode_connect(
        connect(domain="d", jetstream=True, deny_pub=("no.>",), credentials=credentials)
    )

    fields = json.loads(line.removeprefix(b"CONNECT "))
    wanted = {"user": "u", "pass": "p", "jwt": "j", "nkey": "n", "sig": "s", "domain": "d"}
    assert fields.items() >= (wanted | {"jetstream": True, "deny_pub": ["no.>"]}).items()


def test_no_secret_is_in_a_repr() -> None:
    credentials = op.LeafCredentials("u", "CANARY", "CANARY", "CANARY", "n", "CANARY")

    assert "CANARY" not in repr(connect(credentials=credentials))


@given(st.text(), st.text(), st.text())
def test_no_value_can_end_the_connect_line(name: str, user: str, password: str) -> None:
    credentials = op.LeafCredentials(user=user, password=password)

    line = op.encode_connect(connect(name=name, credentials=credentials))

    assert line.count(b"\n") == 1
    assert line.endswith(b"\r\n")
    assert json.loads(line.removeprefix(b"CONNECT "))["cluster"] == "edge"


def test_interest_lines_are_what_the_parser_reads() -> None:
    for sub in (op.LeafSub(b"a.*"), op.LeafSub(b"a.>", b"Q", 12)):
        line = op.encode_sub(sub.subject, sub.queue, sub.weight)
        assert op.parse_leaf_line(line.removesuffix(b"\r\n")) == sub
    for unsub in (op.LeafUnsub(b"a.*"), op.LeafUnsub(b"a.>", b"Q")):
        line = op.encode_unsub(unsub.subject, unsub.queue)
        assert op.parse_leaf_line(line.removesuffix(b"\r\n")) == unsub


@given(st.binary(max_size=80))
def test_any_line_is_an_operation_or_a_protocol_error(line: bytes) -> None:
    try:
        op.parse_leaf_line(line)
    except ProtocolError:
        return

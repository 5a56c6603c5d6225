"""The dialing side's state table, with the bytes of a hub. Source: nats-server 2.15.1
server/leafnode.go; order, timers and texts measured on its binary."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.errors import ProtocolError
from leafnode.limits import LEAF_CONTROL_LINE_BYTES, LEAF_OUTLIVED_NS, MAX_SUBJECT_TOKENS
from leafnode.protocol import leaf_events as s
from leafnode.protocol.errors import MaxControlLine, ParserError, StaleConnection, UnknownOperation
from leafnode.protocol.leaf_compression import Compression, UnsupportedCompression
from leafnode.protocol.leaf_dialer import DialingSession, LeafSettings
from leafnode.protocol.leaf_events import State
from leafnode.protocol.leaf_op import LeafCredentials

INFO = (
    b'INFO {"server_id":"NH","server_name":"hub","client_id":6,"nonce":"EsbRnPg3CTsA6gA",'
    b'"headers":true,"info_on_connect":true,"leafnode_urls":["127.0.0.1:7422"]} \r\n'
)
TLS_INFO = INFO.replace(b'"headers"', b'"tls_required":true,"headers"')
OLD_INFO = INFO.replace(b'"info_on_connect":true,', b"")
INFO2 = b'INFO {"server_name":"hub","connect_info":true,"remote_account":"APP","headers":true} \r\n'
ASYNC_INFO = b'INFO {"server_name":"hub","leafnode_urls":["10.0.0.2:7422"]} \r\n'

SETTINGS = LeafSettings(
    name="edge",
    server_id="NEDGE",
    account="$G",
    sign=lambda nonce: LeafCredentials(nkey="UKEY", sig=f"signed {nonce}"),
    loop_subject=b"$LDS.own",
    ping_interval_ns=2 * NS_PER_S,
    ping_max=2,
)


def session(**settings: object) -> DialingSession:
    one = DialingSession(replace(SETTINGS, **settings))  # type: ignore[arg-type]
    one.begin(0)
    return one


def linked(**settings: object) -> DialingSession:
    one = session(**settings)
    one.receive(INFO + INFO2, 0)
    one.events()
    one.data_to_send()
    return one


def test_the_first_info_is_answered_with_connect_and_nothing_before_it() -> None:
    one = session()
    before = one.data_to_send()

    one.receive(INFO, 0)

    assert before == b""
    line = one.data_to_send()
    assert line.startswith(b"CONNECT {")
    fields = json.loads(line.removeprefix(b"CONNECT "))
    assert (fields["name"], fields["cluster"], fields["nkey"]) == ("edge", "edge", "UKEY")
    assert fields["sig"] == "signed EsbRnPg3CTsA6gA"
    assert one.state is State.AWAIT_CONNECT_INFO
    assert one.events() == []


def test_the_second_info_links_and_what_follows_it_is_left_for_the_lane() -> None:
    one = session()

    one.receive(INFO + INFO2 + b"LS+ a\r\nLMSG b 1\r\n", 0)

    assert one.state is State.LINKED
    (event,) = one.events()
    assert isinstance(event, s.Linked)
    assert event.info.remote_account == "APP"
    assert one.take_rest() == b"LS+ a\r\nLMSG b 1\r\n"


def test_a_hub_that_does_not_answer_connect_is_linked_at_once() -> None:
    one = session()

    one.receive(OLD_INFO, 0)

    assert one.state is State.LINKED
    assert one.data_to_send().startswith(b"CONNECT {")


@given(st.lists(st.integers(1, 40), max_size=30))
def test_any_chunking_of_the_handshake_gives_the_same(sizes: list[int]) -> None:
    one = session()
    data = INFO + b"PING\r\n" + INFO2 + b"LS+ a\r\n"
    rest = b""

    for size in [*sizes, len(data)]:
        chunk, data = data[:size], data[size:]
        if one.state is State.LINKED:
            rest += chunk
        elif chunk:
            one.receive(chunk, 0)
            if one.state is State.LINKED:
                rest = one.take_rest()

    assert one.state is State.LINKED
    assert rest == b"LS+ a\r\n"
    assert one.data_to_send().endswith(b"}\r\nPONG\r\n")


def test_tls_is_started_when_the_hub_demands_it_and_connect_waits_for_it() -> None:
    one = session()

    one.receive(TLS_INFO, 0)
    in_clear = one.data_to_send()
    events = one.events()
    one.tls_started(0)

    assert in_clear == b""
    assert events == [s.StartTls()]
    assert one.data_to_send().startswith(b"CONNECT {")


def test_bytes_behind_the_info_that_demands_tls_are_refused() -> None:
    one = session()

    with pytest.raises(ParserError):
        one.receive(TLS_INFO + INFO2, 0)

    assert one.data_to_send() == b""


def test_a_remote_that_asks_for_tls_sends_nothing_in_clear_when_the_hub_offers_none() -> None:
    one = session(tls_wanted=True)

    one.receive(INFO, 0)

    (event,) = one.events()
    assert isinstance(event, s.Ended)
    assert "TLS" in event.reason
    assert one.data_to_send() == b""
    assert one.state is State.CLOSED


def test_a_remote_that_asks_for_tls_does_not_even_complain_in_clear() -> None:
    one = session(tls_wanted=True)

    one.fail(UnknownOperation())

    assert one.data_to_send() == b""


def test_tls_first_needs_no_second_handshake() -> None:
    one = session(tls_wanted=True, tls_first=True)

    one.receive(TLS_INFO, 0)

    assert one.data_to_send().startswith(b"CONNECT {")


def test_addresses_that_an_old_hub_told_before_tls_are_not_believed() -> None:
    one = session()
    one.receive(OLD_INFO.replace(b'"headers"', b'"tls_required":true,"headers"'), 0)
    one.events()

    one.tls_started(0)

    (event,) = one.events()
    assert isinstance(event, s.Linked)
    assert event.info.leafnode_urls is None


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (b'INFO {"client_id":5,"client_ip":"127.0.0.1","nonce":"x"}\r\n', "client port"),
        (b'INFO {"server_id":"R","nonce":"x"}\r\n', "not a leaf node port"),
        (b'INFO {"client_id":5,"leafnode_urls":["a:1"],"cluster":"a b","nonce":"x"}\r\n', "space"),
    ],
)
def test_a_wrong_port_or_cluster_is_named(info: bytes, words: str) -> None:
    one = session()

    one.receive(info, 0)

    (event,) = one.events()
    assert isinstance(event, s.Ended)
    assert words in event.reason
    assert b"CONNECT" not in one.data_to_send()


def test_keys_without_a_nonce_to_sign_end_the_link() -> None:
    one = session(signs_nonce=True)

    one.receive(INFO.replace(b"EsbRnPg3CTsA6gA", b""), 0)

    (event,) = one.events()
    assert isinstance(event, s.Ended)
    assert "nonce" in event.reason


def test_a_hub_without_info_is_left_after_the_first_info_timeout_without_a_word() -> None:
    one = session(first_info_timeout_ns=700 * NS_PER_MS)
    assert one.deadline_ns == 700 * NS_PER_MS

    one.timer_due(700 * NS_PER_MS - 1)
    early = one.events()
    one.timer_due(700 * NS_PER_MS)

    assert early == []
    (event,) = one.events()
    assert isinstance(event, s.Ended)
    assert one.data_to_send() == b""


def test_a_hub_that_does_not_answer_connect_in_time_is_told_so() -> None:
    one = session()
    one.receive(INFO, 0)
    one.data_to_send()

    one.timer_due(2 * NS_PER_S)

    assert one.data_to_send() == b"-ERR 'Stale Leaf Node Connection - Closing'\r\n"
    assert one.state is State.CLOSED


def test_the_first_ping_comes_after_a_second_and_pong_gives_the_round_trip_time() -> None:
    one = linked()
    assert one.deadline_ns == 1 * NS_PER_S

    one.timer_due(1 * NS_PER_S)
    one.receive_line(b"PONG", 1 * NS_PER_S + 3 * NS_PER_MS)

    assert one.data_to_send() == b"PING\r\n"
    assert one.rtt_ns == 3 * NS_PER_MS
    assert one.deadline_ns == 3 * NS_PER_S


def test_the_first_ping_is_spread_by_up_to_a_fifth() -> None:
    assert linked(ping_jitter=1.0).deadline_ns == 1_200 * NS_PER_MS


def test_ping_max_unanswered_pings_are_borne_and_the_next_one_ends_the_link() -> None:
    one = linked()
    one.timer_due(1 * NS_PER_S)
    one.timer_due(3 * NS_PER_S)
    assert one.data_to_send() == b"PING\r\nPING\r\n"

    one.timer_due(5 * NS_PER_S)

    assert one.data_to_send() == b"-ERR 'Stale Connection'\r\n"
    assert one.events() == [s.Ended("2 PINGs went unanswered", StaleConnection)]


def test_a_pong_that_nobody_asked_for_is_harmless() -> None:
    one = linked()

    one.receive_line(b"PONG", 5)

    assert one.rtt_ns == 0
    assert one.state is State.LINKED


def test_ping_is_answered_at_once() -> None:
    one = linked()

    one.receive_line(b"PING", 0)

    assert one.data_to_send() == b"PONG\r\n"


def test_interest_of_the_hub_comes_and_goes() -> None:
    one = linked()

    one.receive_line(b"LS+ work Q 3", 0)
    one.receive_line(b"LS- work Q", 0)

    assert one.events() == [s.InterestAdded(b"work", b"Q", 3), s.InterestRemoved(b"work", b"Q")]


@pytest.mark.parametrize("subject", [b"foo..bar", b"a.>.b", b"a." * MAX_SUBJECT_TOKENS + b"a"])
def test_an_invalid_subject_is_refused_and_the_link_lives(subject: bytes) -> None:
    one = linked()

    one.receive_line(b"LS+ " + subject, 0)

    assert one.data_to_send() == b"-ERR 'Invalid Subscription'\r\n"
    assert one.events() == []
    assert one.state is State.LINKED


def test_a_subject_of_the_most_tokens_is_taken() -> None:
    one = linked()
    subject = b"a." * (MAX_SUBJECT_TOKENS - 1) + b"a"

    one.receive_line(b"LS+ " + subject, 0)

    assert one.events() == [s.InterestAdded(subject, b"", 1)]


def test_our_own_loop_subject_ends_the_link_for_thirty_seconds() -> None:
    one = linked()

    one.receive_line(b"LS+ $LDS.own", 0)

    assert one.data_to_send() == (
        b'-ERR \'Loop detected for leafnode account="$G". '
        b"Delaying attempt to reconnect for 30s'\r\n"
    )
    assert one.delay_ns == 30 * NS_PER_S
    assert one.state is State.CLOSED


def test_a_foreign_loop_subject_is_interest_like_any_other() -> None:
    one = linked()

    one.receive_line(b"LS+ $LDS.other", 0)

    assert one.events() == [s.InterestAdded(b"$LDS.other", b"", 1)]


def test_an_error_of_the_hub_is_explained_and_does_not_close() -> None:
    one = session()
    one.receive(INFO, 0)

    one.receive(b"-ERR 'Authorization Violation'\r\n", 0)

    (event,) = one.events()
    assert isinstance(event, s.PeerError)
    assert event.text == "Authorization Violation"
    assert "credentials" in event.cause
    assert one.refused_text == "Authorization Violation"
    assert one.state is State.AWAIT_CONNECT_INFO


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [(b"remote leafnode has same cluster name", 30), (b"Authorization Violation", 0)],
)
def test_an_error_sets_how_long_to_wait(text: bytes, delay_s: int) -> None:
    one = linked()

    one.receive_line(b"-ERR '" + text + b"'", 0)

    assert one.delay_ns == delay_s * NS_PER_S


def test_a_complaint_about_one_subscription_does_not_explain_a_later_loss() -> None:
    one = linked()

    one.receive_line(b"-ERR 'maximum subscriptions exceeded'", 0)

    assert one.refused_text == ""


def test_an_error_that_a_link_outlives_does_not_explain_a_later_loss() -> None:
    """nats-server sends this one for the destination of a trace, and goes on."""
    one = linked()
    one.heard(0)
    one.receive_line(b"-ERR 'Permissions Violation for Publish to \"cmd.reboot\"'", 0)

    one.heard(LEAF_OUTLIVED_NS)
    assert one.refused_text.startswith("Permissions Violation")
    one.heard(LEAF_OUTLIVED_NS + 1)

    assert (one.refused_text, one.refused_cause) == ("", "")


def test_a_later_info_is_told_and_never_judged_like_the_first() -> None:
    one = linked()

    one.receive(b"", 0)
    one.receive_line(ASYNC_INFO.strip(), 0)

    (event,) = one.events()
    assert isinstance(event, s.InfoChanged)
    assert event.info.leafnode_urls == ["10.0.0.2:7422"]
    assert one.state is State.LINKED


def test_an_info_without_connect_info_does_not_link() -> None:
    one = session()
    one.receive(INFO, 0)

    one.receive(ASYNC_INFO, 0)

    assert one.state is State.AWAIT_CONNECT_INFO


def test_the_longest_line_is_read_and_one_byte_more_is_refused() -> None:
    line = b'INFO {"client_id":1,"leafnode_urls":["a:1"],"nonce":"x","pad":"%b"}\r\n'
    room = LEAF_CONTROL_LINE_BYTES - len(line % b"") + 1
    longest = session()

    longest.receive(line % (b"x" * room), 0)

    assert longest.state is State.LINKED
    with pytest.raises(MaxControlLine):
        session().receive(line % (b"x" * (room + 1)), 0)
    with pytest.raises(MaxControlLine):
        session().receive(b"x" * (LEAF_CONTROL_LINE_BYTES + 1), 0)


OPS = {
    "INFO": INFO,
    "TLS_INFO": TLS_INFO,
    "INFO2": INFO2,
    "ASYNC_INFO": ASYNC_INFO,
    "CONNECT": b'CONNECT {"name":"x"}\r\n',
    "PING": b"PING\r\n",
    "PONG": b"PONG\r\n",
    "OK": b"+OK\r\n",
    "ERR": b"-ERR 'Authorization Violation'\r\n",
    "LS+": b"LS+ a.*\r\n",
    "LS+Q": b"LS+ a.* q 2\r\n",
    "LS-": b"LS- a.*\r\n",
    "LDS": b"LS+ $LDS.own\r\n",
    "BAD": b"LS+ a b\r\n",
    "LMSG": b"LMSG a 1\r\nx\r\n",
    "garbage": b"\x00\xff\xfe garbage\r\n",
    "S2": b"\xff\x06\x00\x00S2sTwO\x00\r\n",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
}
EXPECTED = {
    State.AWAIT_INFO: {"INFO", "TLS_INFO", "INFO2", "ASYNC_INFO", "ERR"},
    State.AWAIT_CONNECT_INFO: {
        *("INFO", "TLS_INFO", "INFO2", "ASYNC_INFO", "ERR", "PING", "PONG", "OK"),
    },
    State.LINKED: set(OPS) - {"CONNECT", "BAD", "LMSG", "garbage", "S2", "HTTP"},
}
REACH = {State.AWAIT_INFO: b"", State.AWAIT_CONNECT_INFO: INFO, State.LINKED: INFO + INFO2}


@pytest.mark.parametrize("state", REACH)
@pytest.mark.parametrize("name", OPS)
def test_each_operation_in_each_state_is_taken_or_refused_as_the_table_says(
    state: State, name: str
) -> None:
    one = session()
    one.receive(REACH[state], 0)
    assert one.state is state

    refused = False
    try:
        feed(one, OPS[name])
    except ProtocolError:
        refused = True

    assert refused == (name not in EXPECTED[state])


@given(
    st.lists(
        st.sampled_from([*OPS.values(), b"", b"\r\n", b"TIMER", b"TLS"]) | st.binary(max_size=20),
        max_size=25,
    ),
    st.booleans(),
)
def test_a_hostile_hub_causes_protocol_errors_only_and_what_we_send_is_always_well_formed(
    steps: list[bytes], tls_wanted: bool
) -> None:
    one = session(tls_wanted=tls_wanted)
    now_ns = 0
    sent = b""

    for step in steps:
        now_ns += 300 * NS_PER_MS
        try:
            if step == b"TIMER":
                one.timer_due(now_ns)
            elif step == b"TLS" and one.state is State.AWAIT_TLS:
                one.tls_started(now_ns)
            else:
                feed(one, step, now_ns)
        except ProtocolError as error:
            one.fail(error)
            assert one.state is State.CLOSED
        sent += one.data_to_send()
        one.events()

    if tls_wanted and not one.encrypted:
        assert sent == b""
    lines = sent.split(b"\r\n")
    assert lines.pop() == b""
    assert sum(line.startswith(b"CONNECT {") for line in lines) <= 1
    assert all(line.startswith((b"CONNECT {", b"PING", b"PONG", b"-ERR '")) for line in lines)


def feed(one: DialingSession, data: bytes, now_ns: int = 0) -> None:
    """Give bytes to the handshake, or lines as the lane would cut them."""
    if one.state is not State.LINKED:
        one.receive(data, now_ns)
        data = one.take_rest() if one.state is State.LINKED else b""
    for line in data.split(b"\r\n"):
        if line:
            one.receive_line(line, now_ns)


# --- packing

PACKING = INFO.replace(b'"headers"', b'"compression":"s2_auto","headers"')
FAST = Compression("s2_fast")


def test_packing_is_agreed_to_in_clear_and_then_the_hub_greets_once_more() -> None:
    one = session(compression=FAST)

    one.receive(PACKING, 7)

    (agreed,) = one.events()
    assert isinstance(agreed, s.CompressionAgreed)
    told = json.loads(agreed.clear.removeprefix(b"INFO "))
    assert (agreed.level, told["compression"], told["server_name"]) == (
        *("s2_fast", "s2_fast"),
        "edge",
    )
    assert (one.data_to_send(), one.state) == (b"", State.AWAIT_INFO)

    one.receive(PACKING.replace(b'"nonce":"EsbRnPg3CTsA6gA",', b""), 8)

    fields = json.loads(one.data_to_send().removeprefix(b"CONNECT "))
    assert (fields["compress_mode"], fields["sig"]) == ("s2_fast", "signed EsbRnPg3CTsA6gA")
    assert one.compression == "s2_fast"


def test_packing_comes_behind_tls() -> None:
    one = session(compression=FAST)
    one.receive(PACKING.replace(b'"headers"', b'"tls_required":true,"headers"'), 0)
    assert one.events() == [s.StartTls()]

    one.tls_started(0)

    assert [type(event) for event in one.events()] == [s.CompressionAgreed]
    one.receive(PACKING, 0)
    assert one.data_to_send().startswith(b"CONNECT {")


@pytest.mark.parametrize(
    ("ours", "info", "told"),
    [
        ("off", PACKING, "off"),
        ("s2_fast", PACKING.replace(b"s2_auto", b"off"), "off"),
        ("s2_fast", INFO, "not supported"),
        ("off", INFO, "not supported"),
    ],
)
def test_where_one_side_does_not_want_it_nothing_is_packed(
    ours: str, info: bytes, told: str
) -> None:
    one = session(compression=Compression(ours))

    one.receive(info, 0)

    assert json.loads(one.data_to_send().removeprefix(b"CONNECT "))["compress_mode"] == told
    assert one.events() == []


def test_what_stands_behind_the_info_or_is_unknown_ends_it() -> None:
    with pytest.raises(ParserError, match="should be packed"):
        session(compression=FAST).receive(PACKING + b"x", 0)
    with pytest.raises(UnsupportedCompression):
        session(compression=FAST).receive(PACKING.replace(b"s2_auto", b"zip"), 0)


def test_a_hub_that_does_not_greet_once_more_is_left() -> None:
    one = session(compression=FAST)
    one.receive(PACKING, 5)
    one.events()

    assert one.deadline_ns == 5 + SETTINGS.first_info_timeout_ns
    one.timer_due(one.deadline_ns)

    assert one.state is State.CLOSED


def test_the_level_follows_the_round_trip_where_it_is_auto() -> None:
    one = session(compression=Compression("s2_auto"))
    one.receive(PACKING, 0)
    assert one.compression == "s2_uncompressed"
    one.receive(PACKING + INFO2, 0)
    one.events()
    one.data_to_send()
    assert one.deadline_ns is not None
    due_ns = one.deadline_ns
    one.timer_due(due_ns)

    one.receive_line(b"PONG", due_ns + 60 * NS_PER_MS)

    assert one.events() == [s.CompressionChanged("s2_better")]
    one.receive_line(b"PONG", due_ns + 61 * NS_PER_MS)
    assert one.events() == []

"""`uplink { … }`: keys, values, and what does not fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.options import Options, UplinkBudget, UplinkOptions, UplinkStream
from leafnode.config.parser import parse
from leafnode.config.uplink import url_without_user
from leafnode.errors import ConfigError

AROUND = "server_name: edge-1\njetstream: on\nleafnodes { remotes [ { url: 'nats://hub' } ] }\n"
TWO_HUBS = (
    "server_name: edge-1\njetstream: on\naccounts { A {}, B {} }\nleafnodes { remotes [\n"
    "{ urls: [ 'tls://me:s3cret@one:7000', 'tls://one-b' ], account: A }\n"
    "{ url: 'tls://two', account: A }\n"
    "{ url: 'tls://three', account: B } ] }\n"
)


def options(text: str) -> Options:
    return bind(parse(text, "x.conf"))


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        options(text)
    return str(caught.value).removeprefix("x.conf:")


def test_an_uplink_has_all_its_keys() -> None:
    uplinks = options(
        AROUND
        + """uplink { account: "$G", name: main, remote: "nats://hub:7422", dead_letter: DEAD
        max_rate: 20000, monthly_cap: 500MB, send_windows: ["02:00-04:00", "22:30-24:00"]
        send_above: 1MB, coalesce: 30s, coalesce_bytes: 64KB, time_zone: "Europe/Berlin"
        ledger_tokens: 2
        streams [
          { stream: A }
          { stream: B, hub_stream: C, domain: hub, subject_prefix: "edge.1.", window: 64KB,
            window_msgs: 10, ack_timeout: 3s, priority: 0, urgent: true, order: newest_first
            subject_transforms: [{ src: "ev.*", dest: "t.{{wildcard(1)}}" }] }
        ] }"""
    ).uplinks

    budget = UplinkBudget(
        max_rate_bytes=20_000,
        monthly_cap_bytes=500 * limits.MIB,
        send_windows=((120, 240), (1350, 0)),
        send_above_bytes=limits.MIB,
        coalesce_ns=30 * NS_PER_S,
        coalesce_bytes=64 * limits.KIB,
        time_zone="Europe/Berlin",
        ledger_tokens=2,
    )
    second = UplinkStream(
        "B",
        "C",
        "hub",
        "edge.1.",
        64 * limits.KIB,
        10,
        3 * NS_PER_S,
        priority=0,
        urgent=True,
        newest_first=True,
        subject_transforms=(("ev.*", "t.{{wildcard(1)}}"),),
    )
    assert uplinks == (
        UplinkOptions((UplinkStream("A"), second), "$G", "main", "nats://hub:7422", "DEAD", budget),
    )


def test_what_is_one_may_stand_without_an_array() -> None:
    (uplink,) = options(
        AROUND
        + """uplink { send_windows: "02:00-04:00", streams [
          { stream: A, subject_transforms: { src: "a.>", dest: "b.>" } } ] }"""
    ).uplinks

    assert uplink.budget.send_windows == ((120, 240),)
    assert uplink.streams[0].subject_transforms == (("a.>", "b.>"),)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "4:1: uplink: expected streams"),
        ("streams: []", "uplink.streams: expected at least one stream, got an empty array"),
        ("streams: [{}]", "uplink.streams[0]: expected stream, the name of a local stream"),
        ("streams: [{stream: ''}]", "uplink.streams[0].stream: expected a string"),
        ("streams: [{stream: 'a.b'}]", "uplink.streams[0].stream: expected a stream name without"),
        ("streams: [{stream: A}, {stream: A}]", 'uplink.streams[1]: the stream "A" stands twice'),
        ("streams: [{stream: A, window: 0}]", "window: expected a size from 1 to"),
        ("streams: [{stream: A, window_msgs: 0}]", "window_msgs: expected a count from 1 to"),
        ("streams: [{stream: A, ack_timeout: 0s}]", "ack_timeout: expected a duration above zero"),
        ("streams: [{stream: A, priority: 10}]", "priority: expected a priority from 0 to 9"),
        ("streams: [{stream: A, order: newest}]", "order: expected oldest_first or newest_first"),
        (
            "streams: [{stream: A, domain: hub, order: newest_first}]",
            "uplink.streams[0]: expected hub_stream beside order newest_first",
        ),
        (
            "streams: [{stream: A, hub_stream: B, order: newest_first}]",
            "uplink.streams[0]: expected domain beside order newest_first",
        ),
        ("streams: [{stream: A, urgent: 1}]", "urgent: expected true or false, got 1"),
        (
            "streams: [{stream: A, subject_prefix: edge}]",
            'expected a subject prefix without wildcards that ends with ".", got "edge"',
        ),
        (
            'streams: [{stream: A, subject_prefix: "$JS.API."}]',
            "a subject prefix must not start with $JS: it is no stream's",
        ),
        (
            "streams: [{stream: A, subject_prefix: _INBOX.}]",
            "a subject prefix must not start with _INBOX",
        ),
        (
            "streams: [{stream: A, subject_prefix: _INBOX_a.}]",
            "a subject prefix must not start with _INBOX_a: it is no stream's",
        ),
        ("streams: [{stream: A, rate: 5}]", 'uplink.streams[0]: unknown field "rate"'),
        (
            "streams: [{stream: A, subject_transforms: [{src: a}]}]",
            "4:53: uplink.streams[0].subject_transforms[0]: expected dest, what they become",
        ),
        (
            "streams: [{stream: A, subject_transforms: [{src: 'a.*', dest: 'b.$2'}]}]",
            "dest: invalid mapping destination: wildcard index out of range in $2: [2]",
        ),
        (
            "streams: [{stream: A, subject_transforms: [{src: 'a', dest: 'b.{{random(5)}}'}]}]",
            "dest: expected a transform that always gives the same subject",
        ),
        ("streams: [{stream: A}], max_rate: 0", "uplink.max_rate: expected a size from 1 to"),
        ("streams: [{stream: A}], monthly_cap: x", "uplink.monthly_cap: expected a size, got"),
        (
            "streams: [{stream: A}], send_windows: ['2:00-4:00']",
            'uplink.send_windows[0]: expected times of a day, like "02:00-04:00", got "2:00-4:00"',
        ),
        ("streams: [{stream: A}], send_windows: ['24:30-25:00']", "expected times of a day"),
        ("streams: [{stream: A}], send_windows: ['01:00-24:30']", "expected two different times"),
        ("streams: [{stream: A}], send_windows: ['01:00-01:00']", "expected two different times"),
        ("streams: [{stream: A}], send_windows: ['00:00-24:00']", "expected two different times"),
        (
            "streams: [{stream: A}], send_above: 1MB",
            "uplink.send_above: expected send_windows beside send_above",
        ),
        (
            "streams: [{stream: A}], coalesce_bytes: 1MB",
            "uplink.coalesce_bytes: expected coalesce beside coalesce_bytes",
        ),
        ("streams: [{stream: A}], time_zone: 'Mars/Base'", "uplink.time_zone: expected a time"),
        ("streams: [{stream: A}], ledger_tokens: 9", "ledger_tokens: expected a count from 1 to 8"),
        (
            "streams: [{stream: A}], dead_letter: A",
            "uplink.dead_letter: expected a stream that does not go upstream",
        ),
        (
            "streams: [{stream: A}], account: X",
            '4:34: uplink.account: expected the name of an account, got "X"',
        ),
        (
            "streams: [{stream: A}], remote: 'nats://elsewhere'",
            "uplink: expected remote to be a URL of a remote: nats://hub:7422",
        ),
    ],
)
def test_an_uplink_block_is_checked(text: str, error: str) -> None:
    assert error in refused(AROUND + f"uplink {{ {text} }}")


@pytest.mark.parametrize("name", ["$JS", "_INBOX", "_INBOX_a"])
def test_a_server_name_that_begins_subjects_at_the_hub_is_no_other_prefix_either(name: str) -> None:
    around = AROUND.replace("edge-1", f"'{name}.x'")
    problem = f"a subject prefix must not start with {name}: it is no stream's: set subject_prefix"

    assert refused(
        f"{around}uplink {{ streams: [{{stream: A, subject_prefix: a.}}, {{stream: B}}] }}"
    ) == (f"1:1: server_name: {problem}")
    assert options(f"{around}uplink {{ streams: [{{stream: A, subject_prefix: a.}}] }}").uplinks
    assert options(around).server_name == f"{name}.x"


def test_an_array_of_uplinks_goes_to_several_hubs() -> None:
    uplinks = options(
        TWO_HUBS
        + """uplink [
          { name: one, account: A, remote: "tls://one:7000", streams [ { stream: R } ] }
          { name: two, account: A, remote: "tls://two", streams [ { stream: R, domain: two } ] }
          { name: three, account: B, streams [ { stream: R } ] }
        ]"""
    ).uplinks

    assert [uplink.remote for uplink in uplinks] == ["tls://one:7000", "tls://two:7422", ""]


def test_two_hubs_may_have_the_same_names() -> None:
    stream = "streams [ { stream: R, hub_stream: AGG, domain: hub } ]"
    uplinks = options(
        TWO_HUBS
        + f"""uplink [
          {{ name: one, account: A, remote: "tls://one:7000", {stream} }}
          {{ name: two, account: A, remote: "tls://two", {stream} }}
        ]"""
    ).uplinks

    assert [uplink.streams[0].hub_stream for uplink in uplinks] == ["AGG", "AGG"]


ONE = 'name: one, account: A, remote: "tls://one:7000", streams [ { stream: R } ]'
OTHER_URL = 'name: two, account: A, remote: "tls://one-b", streams [ { stream: R } ]'


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[]", "uplink: expected at least one uplink, got an empty array"),
        (f"[{{ {ONE} }}, {{ streams [ {{ stream: R }} ] }}]", "uplink[1]: expected name: there"),
        (
            "[{ name: a, dead_letter: DA, streams [ { stream: Q }, { stream: DB } ] }, "
            "{ name: b, dead_letter: DB, streams [ { stream: DA } ] }]",
            "uplink[0]: expected dead letters that do not come back through other uplinks",
        ),
        (f"[{{ {ONE} }}, {{ {ONE} }}]", 'uplink[1]: the name "one" stands twice'),
        (
            f"[{{ {ONE} }}, {{ {ONE.replace('name: one', 'name: two')} }}]",
            'uplink[1]: the stream "R" goes to the same hub stream in the uplink "one"',
        ),
        (
            f"[{{ {ONE} }}, {{ {OTHER_URL} }}]",
            'uplink[1]: the stream "R" goes to the same hub stream in the uplink "one"',
        ),
        (
            "{ account: A, streams [ { stream: R } ] }",
            'expected remote, one of its URLs: the account "A" has several remotes',
        ),
        (
            "{ account: A, remote: 'tls://x', streams [ { stream: R } ] }",
            "expected remote to be a URL of a remote: tls://one:7000, tls://one-b:7422, tls://two:7422",
        ),
        ("{ streams [ { stream: R } ] }", 'expected a remote of the account "$G"'),
        (
            f"[{{ {ONE} }}, {{ {ONE.replace('one, account: A', 'two, account: C')} }}]",
            'uplink[1].account: expected the name of an account, got "C"',
        ),
    ],
)
def test_several_uplinks_are_told_apart(text: str, error: str) -> None:
    problem = refused(TWO_HUBS + f"uplink: {text}")

    assert error in problem
    assert "s3cret" not in problem


def test_a_url_is_named_without_its_user() -> None:
    assert url_without_user("tls://me:pass@hub:7422") == "tls://hub:7422"
    assert url_without_user("tls://hub:7422") == "tls://hub:7422"


def test_what_the_page_shows_is_valid() -> None:
    text = (Path(__file__).parents[3] / "docs" / "uplink.md").read_text()
    whole, *rights = re.findall(
        r"^```\n((?:server_name|permissions).*?)^```", text, re.MULTILINE | re.DOTALL
    )

    assert options(whole).uplinks
    assert len(rights) == 2
    for block in rights:
        text = f"authorization {{ users [ {{ user: a, password: b\n{block} }} ] }}"
        assert options(text).authorization.users[0].permissions

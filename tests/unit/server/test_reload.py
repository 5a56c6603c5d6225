"""The table of what may change live; texts as nats-server 2.15.1 server/reload.go has them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.listener_options import (
    LeafAuthorization,
    LeafListener,
    LeafUser,
    ListenerTls,
    Websocket,
    WebsocketAuthorization,
)
from leafnode.config.options import (
    AuthCalloutOptions,
    Authorization,
    HostPort,
    Idle,
    JetStreamOptions,
    LeafOptions,
    OperatorOptions,
    Options,
    ResolverOptions,
    User,
)
from leafnode.errors import ReloadError
from leafnode.protocol.leaf_compression import Compression
from leafnode.server.reload import RULES, Fixed, Part, changes, line

OLD = Options()


def refusal(old: Options, new: Options) -> str:
    with pytest.raises(ReloadError) as caught:
        changes(old, new)
    return str(caught.value)


def test_every_option_has_a_rule() -> None:
    assert {one.name for one in fields(Options)} == set(RULES)


def test_nothing_changed_is_nothing_to_do() -> None:
    assert changes(OLD, OLD) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"host": "0.0.0.0"}, "Host: old=127.0.0.1, new=0.0.0.0"),
        ({"port": 4333}, "Port: old=4222, new=4333"),
        ({"server_name": "b"}, "ServerName: old=, new=b"),
        ({"max_subscriptions": 5}, "MaxSubs: old=0, new=5"),
        ({"no_header_support": True}, "NoHeaderSupport: old=false, new=true"),
        ({"lame_duck_duration_ns": 40 * NS_PER_S}, "LameDuckDuration: old=2m0s, new=40s"),
        (
            {"default_js_domains": (("B", "y"), ("A", "x"))},
            "JsAccDefaultDomain: old=map[], new=map[A:x B:y]",
        ),
        ({"default_js_domains": ()}, "JsAccDefaultDomain: old=map[], new=map[]"),
        ({"max_subscriptions": -1}, "MaxSubs: old=0, new=-1"),
        ({"system_account": "S"}, "SystemAccount: old=, new=S"),
        (
            {"idle": (Idle("NoSublistCache", value=True, default=False),)},
            "NoSublistCache: old=false, new=true",
        ),
        (
            {"idle": (Idle("FeatureFlags", (("x", False),), ()),)},
            "FeatureFlags: old=map[], new=map[x:false]",
        ),
        (
            {"idle": (Idle("SyncInterval", 90 * NS_PER_S, 120 * NS_PER_S),)},
            "SyncInterval: old=2m0s, new=1m30s",
        ),
        (
            {"websocket": Websocket("h", 80)},
            "Websocket: old={host:0.0.0.0 port:0}, new={host:h port:80}",
        ),
    ],
)
def test_what_needs_a_restart_is_refused_by_name(change: dict[str, object], text: str) -> None:
    assert refusal(OLD, replace(OLD, **change)) == f"config reload not supported for {text}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"store_dir": "x"}, "jetstream storage directory"),
        ({"domain": "x"}, "JetStreamDomain: old=, new=x"),
    ],
)
def test_the_store_stays_where_it_is(change: dict[str, str], text: str) -> None:
    old = Options(jetstream=JetStreamOptions())
    new = Options(jetstream=replace(JetStreamOptions(), **change))

    assert refusal(old, new) == f"config reload not supported for {text}"


def test_a_refused_websocket_names_what_changed_and_no_secret() -> None:
    old = Options(websocket=Websocket(compression=True))
    own = WebsocketAuthorization(password="c4n4ry")
    new = Options(websocket=Websocket(compression=False, authorization=own))

    text = "Websocket: old={compression:true authorization}, new={compression:false authorization}"
    assert refusal(old, new) == f"config reload not supported for {text}"


def test_origins_of_a_websocket_may_come_in_another_order_and_no_others() -> None:
    old, new, other = (
        Options(websocket=Websocket(allowed_origins=origins))
        for origins in (("http://a", "http://b"), ("http://b", "http://a"), ("http://b:80",))
    )

    text = "Websocket: old={allowed_origins:[http://a http://b]}, "
    assert [change.field for change in changes(old, new)] == ["websocket"]
    assert refusal(old, other) == (
        f"config reload not supported for {text}new={{allowed_origins:[http://b:80]}}"
    )


PORT = LeafListener(host="127.0.0.1", port=7422, tls=ListenerTls())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"port": 7433}, 'field "Port": old=7422, new=7433'),
        ({"host": "::1"}, 'field "Host": old=127.0.0.1, new=::1'),
        ({"min_version": "2.9.0"}, 'field "MinVersion": old=, new=2.9.0'),
        ({"advertise": HostPort("a", 1)}, 'field "Advertise": old=, new=a:1'),
        ({"authorization": LeafAuthorization(account="A")}, 'field "Account": old=, new=A'),
        (
            {"authorization": LeafAuthorization(timeout_ns=5 * NS_PER_S)},
            'field "AuthTimeout": old=2, new=5',
        ),
        ({"authorization": LeafAuthorization(password="c4n4ry")}, 'field "Password"'),
        ({"authorization": LeafAuthorization(users=(LeafUser("a", "c4n4ry"),))}, 'field "Users"'),
        (
            {"tls": ListenerTls(verify_and_map=True)},
            'field "TLSMap": old=false, new=true',
        ),
    ],
)
def test_the_port_for_leafs_stays_as_it_is(change: dict[str, object], text: str) -> None:
    old = Options(leafnodes=LeafOptions(listener=PORT))
    new = Options(leafnodes=LeafOptions(listener=replace(PORT, **change)))  # type: ignore[arg-type]

    assert refusal(old, new) == f"config reload not supported for LeafNode: {text}"


def test_the_port_for_leafs_does_not_come_or_go_nor_does_isolation() -> None:
    none = Options()
    some = Options(leafnodes=LeafOptions(listener=PORT))
    isolating = Options(leafnodes=LeafOptions(listener=PORT, isolates=True))

    assert 'LeafNode: field "Host"' in refusal(none, some)
    assert 'LeafNode: field "Host"' in refusal(some, none)
    assert 'field "IsolateLeafnodeInterest": old=false, new=true' in refusal(some, isolating)


def test_compression_of_the_port_for_leafs_changes_live() -> None:
    old = Options(leafnodes=LeafOptions(listener=PORT))
    fast = replace(PORT, compression=Compression("s2_fast"))

    found = changes(old, Options(leafnodes=LeafOptions(listener=fast)))

    assert [change.field for change in found] == ["leafnodes"]


def test_certificates_of_the_port_for_leafs_change_live() -> None:
    first = replace(PORT, tls=ListenerTls(handshake_first=True))
    old = Options(leafnodes=LeafOptions(listener=PORT))
    new = Options(leafnodes=LeafOptions(listener=first))
    free = Options(leafnodes=LeafOptions(listener=replace(PORT, port=-1)))

    assert [change.field for change in changes(old, new)] == ["leafnodes"]
    assert [change.field for change in changes(old, free)] == ["leafnodes"]


USERS = Authorization(users=(User("a", "x"), User("b", "y")))


@pytest.mark.parametrize("port", [-1, 7422])
def test_a_port_for_leafs_that_was_not_there_is_refused(port: int) -> None:
    new = Options(leafnodes=LeafOptions(listener=replace(PORT, port=port)))

    with pytest.raises(ReloadError, match='LeafNode: field "Host": old=, new='):
        changes(Options(), new)


def test_what_becomes_of_fast_producers_is_said_as_by_nats_server() -> None:
    quick = Options(no_fast_producer_stall=True)

    [change] = changes(Options(), quick)

    assert line(change, quick) == "Reloaded: fast producers will not be stalled"
    assert line(change, Options()) == "Reloaded: fast producers will be stalled"


@pytest.mark.parametrize(("old", "new"), [("a", "b"), ("a", ""), ("", "a")])
def test_the_no_auth_user_stays_who_it_is(old: str, new: str) -> None:
    before = Options(authorization=USERS, no_auth_user=old)

    text = f"config reload not supported for NoAuthUser: old={old}, new={new}"
    assert refusal(before, replace(before, no_auth_user=new)) == text


def test_an_nkey_that_is_the_no_auth_user_stays_it_as_long_as_it_is_a_user() -> None:
    before = Options(authorization=Authorization(users=(User(nkey="U1"),)), no_auth_user="U1")

    assert "NoAuthUser" in refusal(before, replace(before, no_auth_user=""))


ASKED = AuthCalloutOptions("AK", ("s", "t"), account="AUTH")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (None, ASKED, "old=<nil>, new=&{AK AUTH [s t]  []}"),
        (ASKED, None, "old=&{AK AUTH [s t]  []}, new=<nil>"),
        (
            ASKED,
            replace(ASKED, xkey="XK", allowed_accounts=("A", "B")),
            "old=&{AK AUTH [s t]  []}, new=&{AK AUTH [s t] XK [A B]}",
        ),
    ],
)
def test_who_decides_on_logins_stays(
    old: AuthCalloutOptions | None, new: AuthCalloutOptions | None, text: str
) -> None:
    before, after = (Options(authorization=replace(USERS, auth_callout=one)) for one in (old, new))

    assert refusal(before, after) == f"config reload not supported for AuthCallout: {text}"


def test_how_long_it_may_take_to_decide_changes_live() -> None:
    before = Options(authorization=replace(USERS, auth_callout=ASKED))
    after = Options(authorization=replace(before.authorization, timeout_ns=5))

    assert [one.field for one in changes(before, after)] == ["authorization"]


def test_what_has_no_effect_may_be_said_with_its_default() -> None:
    said = Options(idle=(Idle("NoSublistCache", value=False, default=False),))

    assert changes(OLD, said) == []
    assert changes(said, OLD) == []


def test_the_no_auth_user_may_go_together_with_its_user() -> None:
    before = Options(authorization=USERS, no_auth_user="a")

    after = Options(authorization=Authorization(users=(User("b", "y"),)))

    assert [one.field for one in changes(before, after)] == ["authorization", "no_auth_user"]


def test_one_refused_option_refuses_those_that_could_change() -> None:
    assert "Port" in refusal(OLD, replace(OLD, debug=True, port=1))


def test_a_free_port_stays_the_one_that_was_taken() -> None:
    assert changes(OLD, replace(OLD, port=-1)) == []


def test_changes_come_in_the_order_of_acting() -> None:
    new = replace(
        OLD,
        max_connections=1,
        max_payload_bytes=5,
        debug=True,
        authorization=Authorization(token="t"),
    )

    parts = [change.live.part for change in changes(OLD, new)]

    assert parts == [Part.LOG, Part.LOGINS, Part.CLIENTS, Part.CONNECTIONS]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"max_payload_bytes": 5}, "Reloaded: max_payload = 5"),
        ({"debug": True}, "Reloaded: debug = true"),
        ({"ping_interval_ns": 90 * NS_PER_S}, "Reloaded: ping_interval = 1m30s"),
        ({"ping_interval_ns": 100 * NS_PER_MS}, "Reloaded: ping_interval = 100ms"),
        ({"write_deadline_ns": 3600 * NS_PER_S}, "Reloaded: write_deadline = 1h0m0s"),
        ({"http": HostPort("h", 1)}, "Reloaded: http = h:1"),
        ({"server_tags": ("a",)}, "Reloaded: tags"),
        ({"authorization": Authorization(token="c4n4ry")}, "Reloaded: authorization"),
    ],
)
def test_the_log_names_what_changed_and_no_secret(change: dict[str, object], text: str) -> None:
    new = replace(OLD, **change)

    assert [line(one, new) for one in changes(OLD, new)] == [text]


def test_refusals_can_show_their_values() -> None:
    shown = {name for name, rule in RULES.items() if isinstance(rule, Fixed)}

    assert not shown & {"authorization", "leafnodes", "tls"}


def test_what_is_preloaded_and_pinned_may_change_and_whom_the_server_trusts_may_not() -> None:
    trusted = OperatorOptions(operators=("a.jwt",), resolver=ResolverOptions())
    before = Options(operator=trusted)

    pinned = replace(trusted, preload=(("A", "eyJ"),), pinned_accounts=("A",))
    (change,) = changes(before, replace(before, operator=pinned))
    assert change.live.part is Part.RESOLVER
    for other in (replace(trusted, operators=("b.jwt",)), None):
        with pytest.raises(ReloadError, match="TrustedOperators"):
            changes(before, replace(before, operator=other))
    elsewhere = replace(trusted, resolver=ResolverOptions("url", url="http://h/"))
    (change,) = changes(before, replace(before, operator=elsewhere))
    assert change.live.part is Part.RESOLVER

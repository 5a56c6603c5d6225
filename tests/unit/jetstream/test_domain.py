"""The domain's mappings, measured on nats-server 2.15.1."""

from __future__ import annotations

from leafnode.jetstream.domain import DefaultDomain
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind, Outbox
from tests.unit.jetstream.test_imported import Imported
from tests.unit.jetstream.world import World


def test_the_prefixed_api_is_the_same_api() -> None:
    world = World(domain="D")

    assert world.api("INFO")["domain"] == "D"
    (answer,) = world.request("$JS.D.API.INFO")

    assert b'"domain":"D"' in answer.payload


def test_another_domain_has_nobody() -> None:
    assert World(domain="D").publish("$JS.E.API.INFO", b"", reply="r") == 0


def test_pulls_and_direct_gets_go_through_the_domain() -> None:
    world = World(domain="D")
    world.create_stream(allow_direct=True)
    world.create_consumer()
    world.publish("s.a", b"x")

    (pulled,) = world.request("$JS.D.API.CONSUMER.MSG.NEXT.S.C", b"1")
    (got,) = world.request("$JS.D.API.DIRECT.GET.S", b'{"seq":1,"no_hdr":true}')

    assert (pulled.payload, got.payload) == (b"x", b"x")


def test_keys_are_written_through_the_domain() -> None:
    world = World(domain="D")
    world.create_stream("KV_b", subjects=["$KV.b.>"])

    (answer,) = world.request("$JS.D.API.$KV.b.k", b"v")

    assert answer.payload == b'{"stream":"KV_b","domain":"D","seq":1}'


def test_a_mapped_subject_without_receiver_is_answered_with_503() -> None:
    world = World(domain="D")

    (answer,) = world.request("$JS.D.API.$KV.b.k", b"v")

    assert answer.block == b"NATS/1.0 503\r\nNats-Subject: $KV.b.k\r\n\r\n"


def test_nobody_else_gets_a_503() -> None:
    world = World(domain="D")
    world.client.no_responders = False
    assert world.request("$JS.D.API.$KV.b.k", b"v") == []
    world.client.no_responders = True
    world.client.kind = Kind.LEAF

    assert world.request("$JS.D.API.$KV.b.k", b"v") == []


def test_the_nine_subjects_are_what_a_hub_sees() -> None:
    world = World(domain="edge")

    subjects = sorted(
        subject for subject, _ in world.account.local_interest if subject.startswith(b"$JS.edge.")
    )

    assert subjects == [
        b"$JS.edge.API.$KV.>",
        b"$JS.edge.API.$OBJ.>",
        b"$JS.edge.API.ACCOUNT.>",
        b"$JS.edge.API.CONSUMER.>",
        b"$JS.edge.API.DIRECT.>",
        b"$JS.edge.API.INFO",
        b"$JS.edge.API.META.>",
        b"$JS.edge.API.SERVER.>",
        b"$JS.edge.API.STREAM.>",
    ]


def test_without_a_domain_nothing_is_mapped() -> None:
    assert all(
        subject.startswith((b"$JS.API", b"_INBOX")) for subject, _ in World().account.local_interest
    )


def test_an_account_without_jetstream_may_use_that_of_another_domain() -> None:
    account = Account("A", Outbox(lambda: None))
    elsewhere = DefaultDomain(account, "hub")
    elsewhere.open()
    heard: list[tuple[bytes, bytes]] = []
    account.subscribe(
        b"$JS.hub.API.>", lambda run: heard.extend((run.subject, m[0]) for m in run.messages)
    )

    account.publish(b"$JS.API.STREAM.INFO.S", b"", reply=b"reply")
    elsewhere.close()
    account.publish(b"$JS.API.INFO", b"", reply=b"reply")

    assert heard == [(b"$JS.hub.API.STREAM.INFO.S", b"reply")]


def test_a_circle_of_imports_through_the_domain_ends() -> None:
    world = Imported(domain="D")
    for here, other in (("$G", "U"), ("U", "$G")):
        export = world.sharing.export(other, b"$JS.D.API.>")
        world.sharing.import_(here, export, b"$JS.API.>")
    own = world.enable(world.user.account)
    own.recover(lambda: None)
    world.settle()
    passed: list[int] = []
    world.account.subscribe(b"$JS.API.INFO", lambda run: passed.append(len(run.passed)))

    answers = world.request("$JS.API.INFO")

    assert {b"account_info_response" in answer.payload for answer in answers} == {True}
    assert passed
    assert max(passed) <= 2

"""leafnode.server.accounts: what new options change for connected clients."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from leafnode.config.account_options import (
    AccountOptions,
    Destination,
    Mapping,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.bind import bind
from leafnode.config.import_check import ImportCheck
from leafnode.config.parser import parse
from leafnode.errors import WalkError
from leafnode.limits import CLIENTS_HELD_PER_TURN, FREED_WORK, PREPARATIONS_MAX, TURN_WORK
from leafnode.routing import parked
from leafnode.routing.imports import StreamImports
from leafnode.routing.services import Services
from leafnode.server import in_turns
from tests.sim.clients import ClientWorld, SimClient
from tests.sim.imports import Slices

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from leafnode.config.options import Options
    from leafnode.server.account_draft import Draft
    from leafnode.server.accounts import Accounts

USERS = """
accounts {
  E { users [ {user: e, password: p} ]
      exports [ {stream: "s.>"}, {service: q, latency: lat} ]
      %s }
  I { users [ {user: i, password: p} ]
      %s }
}
"""
IMPORTS = """imports [ {stream: {account: E, subject: "s.>"}, prefix: in}
                       {service: {account: E, subject: q}} ]"""


def options(exporter: str = "", importer: str = "") -> Options:
    return bind(parse(USERS % (exporter, importer), "x.conf"))


def login(world: ClientWorld, user: str) -> SimClient:
    return world.client(b'{"verbose":false,"user":"%b","pass":"p"}' % user.encode())


def test_the_global_and_the_system_account_are_always_there() -> None:
    world = ClientWorld()
    assert set(world.server.accounts) == {"$G", "$SYS"}
    assert world.server.account_set.world.system is world.server.accounts["$SYS"]

    world.server.account_set.apply(bind(parse("no_system_account: true", "x.conf")))
    assert set(world.server.accounts) == {"$G"}
    assert world.server.account_set.world.system is None

    world.server.account_set.apply(bind(parse("accounts [A]\nsystem_account: A", "x.conf")))
    assert set(world.server.accounts) == {"$G", "A"}


def test_a_draft_leaves_an_account_as_it_is() -> None:
    world = ClientWorld()
    account = world.server.account_set.account("$G")
    before = account.services
    account.services = None

    drafted = world.server.account_set._drafted(
        {"$G": AccountOptions("$G"), "N": AccountOptions("N")}
    )

    assert before is not None
    assert account.services is None
    assert drafted.accounts["N"].services is None


def test_a_user_is_in_its_account_alone() -> None:
    world = ClientWorld(options())
    exporter, importer = login(world, "e"), login(world, "i")
    importer.says(b"SUB > 1\r\n")

    exporter.says(b"PUB s.a 1\r\nx\r\n")

    assert importer.hears() == b""
    assert importer.handler.facts().account == "I"


def test_imports_come_and_go_for_connected_clients() -> None:
    world = ClientWorld(options())
    exporter, importer = login(world, "e"), login(world, "i")
    importer.says(b"SUB in.> 1\r\n")
    exporter.says(b"SUB q 9\r\n")

    world.server.account_set.apply(options(importer=IMPORTS))
    exporter.says(b"PUB s.a 1\r\nx\r\n")
    assert importer.hears() == b"MSG in.s.a 1 1\r\nx\r\n"
    importer.says(b"PUB q 1\r\nx\r\n")
    assert b"\r\nx\r\n" in exporter.hears()

    world.server.account_set.apply(options())
    exporter.says(b"PUB s.a 1\r\nx\r\n")
    importer.says(b"PUB q 1\r\nx\r\n")
    assert importer.hears() == exporter.hears() == b""


def test_mappings_and_limits_come_and_go_for_connected_clients() -> None:
    world = ClientWorld(options())
    exporter = login(world, "e")
    exporter.says(b"SUB > 1\r\nPUB a 1\r\nx\r\n")

    world.server.account_set.apply(options("mappings { a: b }\n limits { max_connections: 1 }"))

    assert exporter.says(b"PUB a 1\r\nx\r\n") == b"MSG b 1 1\r\nx\r\n"
    other = world.client(b"")
    assert other.says(b'CONNECT {"verbose":false,"user":"e","pass":"p"}\r\n') == (
        b"-ERR 'maximum account active connections exceeded'\r\n"
    )
    world.server.account_set.apply(options())
    assert exporter.says(b"PUB a 1\r\nx\r\n") == b"MSG a 1 1\r\nx\r\n"
    assert login(world, "e").says(b"PING\r\n") == b"PONG\r\n"


def test_an_account_with_a_tag_is_called_by_both_for_people() -> None:
    world = ClientWorld(options())
    account_set = world.server.account_set

    account_set.update(AccountOptions("ACC", name_tag="factory"))
    assert world.server.account("ACC").title == "ACC/factory"

    account_set.update(AccountOptions("ACC"))
    assert world.server.account("ACC").title == "ACC"


def test_the_newest_clients_are_those_too_many() -> None:
    world = ClientWorld(options())
    clients = [login(world, "e") for _ in range(3)]
    peers = [client.handler.peer for client in clients]

    world.server.account_set.apply(options("limits { max_connections: 1 }"))

    assert world.server.accounts["E"].surplus() == peers[1:]


def test_an_answer_on_its_way_arrives_although_everything_was_wired_anew() -> None:
    world = ClientWorld(options(importer=IMPORTS))
    exporter, importer = login(world, "e"), login(world, "i")
    exporter.says(b"SUB q 1\r\n")
    importer.says(b"SUB r 1\r\n")
    importer.says(b"PUB q r 1\r\nx\r\n")
    reply = exporter.hears().split()[3]

    world.server.account_set.apply(options("limits { max_connections: 9 }", IMPORTS))
    exporter.says(b"PUB %b 1\r\ny\r\n" % reply)

    assert importer.hears() == b"MSG r 1 1\r\ny\r\n"


def test_what_did_not_change_is_not_touched() -> None:
    world = ClientWorld(options(importer=IMPORTS))
    importer = login(world, "i")
    importer.says(b"SUB in.> 1\r\n")
    removes = world.server.accounts["E"].sublist.removes

    world.server.account_set.apply(options(importer=IMPORTS))

    assert world.server.accounts["E"].sublist.removes == removes


def test_an_account_that_is_gone_is_returned_and_shares_nothing_any_more() -> None:
    world = ClientWorld(options(importer=IMPORTS))
    importer = login(world, "i")
    importer.says(b"SUB in.> 1\r\n")
    exporter = world.server.accounts["E"]

    (gone,) = world.server.account_set.apply(bind(parse("accounts [E]", "x.conf")))

    assert gone.name == "I"
    assert exporter.sublist.count == 0
    assert list(gone.clients) == [importer.cid]


def test_the_answers_that_an_account_owes_end_with_it() -> None:
    world = ClientWorld(options(importer=IMPORTS))
    exporter, importer = login(world, "e"), login(world, "i")
    exporter.says(b"SUB q 1\r\n")
    importer.says(b"SUB r 1\r\nPUB q r 1\r\nx\r\n")
    services = world.server.accounts["I"].services
    assert services is not None
    assert len(services.awaited) == 1

    world.server.account_set.apply(bind(parse("accounts [I]", "x.conf")))

    assert len(services.awaited) == 0


def test_one_account_is_updated_and_those_that_import_from_it() -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    importer = AccountOptions(
        "I",
        stream_imports=(StreamImport("E", "s"),),
        service_imports=(ServiceImport("E", "q"),),
        mappings=(Mapping("a", (Destination("b"),)), Mapping("x.*", (Destination("y.$2"),))),
    )
    accounts.update(importer)
    world.settle()
    assert accounts.account("I").local_interest == {(b"a", b""): 1}

    exports = {"stream_exports": (StreamExport("s"),), "service_exports": (ServiceExport("q"),)}
    accounts.update(AccountOptions("E", **exports))
    assert accounts.account("I").local_interest == {(b"a", b""): 1, (b"q", b""): 1}

    accounts.update(AccountOptions("E"))
    assert accounts.account("I").local_interest == {(b"a", b""): 1}

    accounts.update(AccountOptions("E", **exports))
    accounts.remove("E")
    assert accounts.account("I").local_interest == {(b"a", b""): 1}
    accounts.remove("E")


def test_the_results_of_an_account_that_is_gone_take_no_room_from_the_others() -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    accounts.update(AccountOptions("E"))
    sublist, budget = accounts.account("E").sublist, world.server.turn.outbox.matches
    before = budget.held_bytes
    sublist.match(b"a.b")
    sublist.find_below(b"a.b")
    assert budget.held_bytes > before

    accounts.remove("E")
    sublist.match(b"a.b")
    sublist.find_below(b"a.b")

    assert budget.held_bytes == before
    assert sublist not in budget._holders
    assert sublist._below not in budget._holders


def test_what_an_account_imports_as_before_is_not_made_anew() -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    options = AccountOptions(
        "I",
        stream_imports=(StreamImport("E", "s"), StreamImport("E", "t")),
        mappings=(Mapping("a", (Destination("b"),)),),
    )
    exports = AccountOptions("E", stream_exports=(StreamExport("s"), StreamExport("t")))
    accounts.update(exports, options)
    accounts.account("I").subscribe(b">", lambda _: None)
    exporting = accounts.account("E").sublist
    assert (before := exporting.changes) == 2

    accounts.update(replace(options, trace_dest="x"))
    accounts.update(replace(exports, service_exports=(ServiceExport("q"),)))
    assert exporting.changes == before

    accounts.update(replace(options, stream_imports=(StreamImport("E", "t"),), mappings=()))
    assert exporting.changes == before + 1
    assert accounts.account("I").local_interest == {(b">", b""): 1}


IMPORTS_MANY = 300


def many_imports() -> tuple[AccountOptions, AccountOptions]:
    """An exporter, and one that imports very much of it."""
    subjects = [f"e{n}.*" for n in range(IMPORTS_MANY)]
    return (
        AccountOptions("E", stream_exports=tuple(StreamExport(one) for one in subjects)),
        AccountOptions("I", stream_imports=tuple(StreamImport("E", one) for one in subjects)),
    )


def test_imports_of_an_exporter_that_offers_more_now_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = ClientWorld().server.account_set
    exported = ServiceExport("q.*")
    exporter = AccountOptions(
        "E", stream_exports=(StreamExport("s.*"),), service_exports=(exported,)
    )
    streams, services = (StreamImport("E", "s.a"),), (ServiceImport("E", "q.a"),)
    accounts.update(exporter, AccountOptions("I", stream_imports=streams, service_imports=services))
    replaced: list[object] = []
    for kind in (Services, StreamImports):
        monkeypatch.setattr(kind, "adopt", lambda _, plan: replaced.append(plan.all))

    accounts.update(replace(exporter, service_exports=(exported, ServiceExport("r"))))
    assert replaced == []
    assert len(accounts.imports()) == 2

    accounts.update(replace(exporter, service_exports=(ServiceExport("r"),)))
    assert replaced == [[]]


def test_imports_that_went_are_kept_by_nobody() -> None:
    accounts = ClientWorld().server.account_set
    accounts.apply(options(importer=IMPORTS))
    assert len(accounts.imports()) == 2

    accounts.apply(options())

    assert accounts.imports() == set()
    assert accounts._check._before == {}


async def test_a_long_update_is_prepared_while_others_have_their_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    exporter, importer = many_imports()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(others())
    await accounts.prepare(exporter, importer)
    other.cancel()
    assert turns >= 2 * IMPORTS_MANY // CLIENTS_HELD_PER_TURN
    assert "I" not in accounts.by_name
    prepared = accounts._prepared

    monkeypatch.setattr(accounts, "_draft_of", None)  # nothing is compared once more
    accounts.update(exporter, importer)

    assert prepared is not None
    imports = accounts.account("I").stream_imports
    assert imports is not None
    assert imports._imports == prepared[1].wiring["I"].to_import.all
    assert len(accounts.imports()) == IMPORTS_MANY


def sharing_accounts(count: int, prefix: str) -> Options:
    imports = f'imports [ {{stream: {{account: E, subject: "s.>"}}, prefix: {prefix}}} ]'
    accounts = [f"A{number} {{ {imports} }}" for number in range(count)]
    exporter = 'E { exports [ {stream: "s.>"} ] }'
    return bind(parse("\n".join(["accounts {", exporter, *accounts, "}"]), "x.conf"))


def prefixes(accounts: Accounts, count: int) -> list[bytes]:
    """Below what each account receives what it imports."""
    found = []
    for number in range(count):
        imports = accounts.account(f"A{number}").stream_imports
        assert imports is not None
        found.append(imports._imports[0].local)
    return found


async def test_a_reload_connects_very_many_accounts_in_turns() -> None:
    count = 5 * CLIENTS_HELD_PER_TURN
    accounts = ClientWorld().server.account_set
    accounts.apply(sharing_accounts(count, "old"))
    old, new = [b"old.s.>"] * count, [b"new.s.>"] * count

    assert accounts.begin(sharing_accounts(count, "new")) == []
    seen = [prefixes(accounts, count)]
    ending = asyncio.ensure_future(accounts.end())
    while not ending.done():
        await asyncio.sleep(0)
        seen.append(prefixes(accounts, count))

    assert seen[0] == old
    assert seen[-1] == new
    steps = [after.count(b"new.s.>") - before.count(b"new.s.>") for before, after in pairwise(seen)]
    assert max(steps) <= CLIENTS_HELD_PER_TURN


@pytest.mark.parametrize("way", ["update", "prepare", "apply"])
async def test_what_a_reload_has_yet_to_connect_is_connected_before_anything_else_changes(
    way: str,
) -> None:
    count = 2 * CLIENTS_HELD_PER_TURN
    accounts = ClientWorld().server.account_set
    accounts.apply(sharing_accounts(count, "old"))
    accounts.begin(sharing_accounts(count, "new"))
    ending = asyncio.ensure_future(accounts.end())
    await asyncio.sleep(0)
    assert b"old.s.>" in prefixes(accounts, count)

    if way == "update":
        accounts.update(AccountOptions("J"))
    elif way == "prepare":
        await accounts.prepare(AccountOptions("J"))
    else:
        accounts.apply(sharing_accounts(count, "newest"))

    prefix = b"newest" if way == "apply" else b"new"
    assert prefixes(accounts, count) == [prefix + b".s.>"] * count
    await ending
    assert prefixes(accounts, count) == [prefix + b".s.>"] * count


def test_each_service_that_an_account_offers_is_a_step_of_its_own() -> None:
    accounts = ClientWorld().server.account_set
    several = tuple(ServiceExport(f"q.{number}") for number in range(50))
    draft = accounts._draft_of({"E": AccountOptions("E", service_exports=several)})
    made = []

    for _ in accounts._fill(draft):
        made.append(len(draft.exports.get("E", {})))

    assert len(made) >= len(several)
    assert len(draft.exports["E"]) == len(several)


@pytest.mark.parametrize("when", ["before", "within"])
async def test_what_was_prepared_for_other_accounts_is_void(when: str) -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    exporter, importer = many_imports()
    accounts.update(exporter)

    preparing = asyncio.ensure_future(accounts.prepare(importer))
    if when == "within":
        await asyncio.sleep(0)
        accounts.remove("E")
        await preparing
    else:
        await preparing
        accounts.remove("E")
    accounts.update(importer)

    assert accounts.imports() == set()
    accounts.update(exporter)
    assert len(accounts.imports()) == IMPORTS_MANY


def test_what_a_jwt_said_of_an_account_outlives_a_reload() -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    accounts.update(AccountOptions("J", mappings=(Mapping("a", (Destination("b"),)),)))

    assert accounts.apply(bind(parse("mappings { x: y }", "x.conf"))) == []
    world.settle()

    assert accounts.account("J").local_interest == {(b"a", b""): 1}
    assert accounts.account("$G").local_interest == {(b"x", b""): 1}


def test_several_accounts_change_together_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    accounts.update(AccountOptions("E", service_exports=(ServiceExport("q"),)))
    before = (dict(accounts.options), set(accounts.by_name), accounts.imports())

    def fails(*_: object) -> None:
        raise KeyError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("leafnode.server.accounts._mapped", fails)
        with pytest.raises(KeyError):
            accounts.update(
                AccountOptions("E"),
                AccountOptions("I", service_imports=(ServiceImport("E", "q"),)),
                AccountOptions("M", mappings=(Mapping("a", (Destination("b"),)),)),
            )

    assert (dict(accounts.options), set(accounts.by_name), accounts.imports()) == before
    accounts.update(AccountOptions("I", service_imports=(ServiceImport("E", "q"),)))
    assert accounts.imports() == {("service", "I", "E", "q", "q")}


def test_a_circle_that_opens_lets_in_the_import_that_would_have_closed_it() -> None:
    world = ClientWorld()
    accounts = world.server.account_set

    def account(name: str, exporter: str) -> AccountOptions:
        wanted = (ServiceImport(exporter, "q"),) if exporter else ()
        return AccountOptions(name, service_exports=(ServiceExport("q"),), service_imports=wanted)

    accounts.update(account("A", "B"), account("B", "C"), account("C", "A"))
    assert {one[1:3] for one in accounts.imports()} == {("A", "B"), ("B", "C")}

    accounts.update(account("A", ""))

    assert {one[1:3] for one in accounts.imports()} == {("B", "C"), ("C", "A")}


def test_an_import_that_cannot_be_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    world = ClientWorld()

    world.server.account_set.update(
        AccountOptions("I", service_imports=(ServiceImport("$G", "q"),))
    )

    assert "service import not authorized" in caplog.text


def test_an_account_is_made_of_the_imports_that_bring_something() -> None:
    accounts = ClientWorld().server.account_set
    streams = (StreamImport("E", "s"), StreamImport("E", "other"))
    services = (ServiceImport("E", "other"), ServiceImport("E", "q"))
    accounts.update(AccountOptions("I", stream_imports=streams, service_imports=services))
    alone = accounts.in_force("I")

    exports = {"stream_exports": (StreamExport("s"),), "service_exports": (ServiceExport("q"),)}
    accounts.update(AccountOptions("E", **exports))
    shared = accounts.in_force("I")

    assert (alone.stream_imports, alone.service_imports) == ((), ())
    assert (shared.stream_imports, shared.service_imports) == (streams[:1], services[1:])
    assert accounts.in_force("NONE") == AccountOptions("NONE")


def test_what_service_an_import_is_of_is_known_while_the_exporter_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = ServiceExport("q.>")
    accounts = ClientWorld().server.account_set
    accounts.update(AccountOptions("A", service_exports=(wide,)))

    def crossing(*_: object) -> None:
        raise WalkError

    assert accounts.service_export("A", "q.x") == wide
    assert accounts.service_export("A", "x") is None
    assert accounts.service_export("GONE", "q.x") is None
    monkeypatch.setattr(ImportCheck, "service_export", crossing)
    assert accounts.service_export("A", "q.x") is None


def test_measurements_are_published_in_the_exporter_s_account() -> None:
    world = ClientWorld(options(importer=IMPORTS))
    exporter, importer = login(world, "e"), login(world, "i")
    exporter.says(b"SUB lat 1\r\n")

    importer.says(b"PUB q 1\r\nx\r\n")

    assert b'"type":"io.nats.server.metric.v1.service_latency"' in exporter.hears()


def many_services() -> tuple[AccountOptions, AccountOptions, AccountOptions]:
    """An exporter, one that imports nothing, and the same with very many of its services."""
    subjects = [f"e{n}" for n in range(IMPORTS_MANY)]
    return (
        AccountOptions("E", service_exports=tuple(ServiceExport(one) for one in subjects)),
        AccountOptions("I"),
        AccountOptions("I", service_imports=tuple(ServiceImport("E", one) for one in subjects)),
    )


async def test_services_that_were_prepared_have_their_subscriptions_before_the_update() -> None:
    accounts = ClientWorld().server.account_set
    exporter, before, after = many_services()
    accounts.update(exporter, before)
    sublist = accounts.account("I").sublist

    await accounts.prepare(after)
    assert sublist.count == IMPORTS_MANY
    assert all(sub.asleep for sub in sublist)
    changes = sublist.changes
    accounts.update(after)

    assert sublist.changes == changes
    assert not any(sub.asleep for sub in sublist)


@pytest.mark.parametrize("how", ["other", "forgotten", "cancelled"])
async def test_services_that_were_prepared_in_vain_leave_no_subscriptions(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(in_turns, "CLIENT_WORK", TURN_WORK)  # each step is a turn
    accounts = ClientWorld().server.account_set
    exporter, before, after = many_services()
    accounts.update(exporter, before)
    sublist = accounts.account("I").sublist

    preparing = asyncio.ensure_future(accounts.prepare(after))
    for _ in range(10_000):  # turns of the loop
        await asyncio.sleep(0)
        if sublist.count:
            break
    assert sublist.count < IMPORTS_MANY
    if how == "cancelled":
        preparing.cancel()
    await asyncio.wait([preparing])
    if how == "other":
        accounts.update(AccountOptions("N"))
    elif how == "forgotten":
        accounts.forget_prepared()

    assert sublist.count == 0
    accounts.update(after)
    assert sublist.count == IMPORTS_MANY


@pytest.mark.parametrize("overtaken", [1, PREPARATIONS_MAX])
async def test_a_preparation_that_is_overtaken_is_begun_with_again_a_few_times(
    monkeypatch: pytest.MonkeyPatch, overtaken: int
) -> None:
    accounts = ClientWorld().server.account_set
    exporter, before, after = many_services()
    accounts.update(exporter, before)
    sublist = accounts.account("I").sublist
    wire = accounts._build_wiring
    begun = 0

    def build(draft: Draft, name: str) -> Generator[None, None, None]:
        nonlocal begun
        begun += 1
        yield from wire(draft, name)
        if begun <= overtaken:
            accounts.update(AccountOptions(f"N{begun}"))

    monkeypatch.setattr(
        accounts,
        "_build_wiring",
        lambda draft, name: build(draft, name) if name == "I" else wire(draft, name),
    )
    await accounts.prepare(after)

    assert begun == min(overtaken + 1, PREPARATIONS_MAX)
    assert sublist.count == (IMPORTS_MANY if overtaken < PREPARATIONS_MAX else 0)
    accounts.update(after)
    assert sublist.count == IMPORTS_MANY
    assert begun == overtaken + 1


async def test_services_that_are_prepared_are_no_interest_before_the_update() -> None:
    world = ClientWorld()
    accounts = world.server.account_set
    exporter, before, after = many_services()
    accounts.update(exporter, before)
    account = accounts.account("I")

    await accounts.prepare(after)
    assert account.sublist.count == IMPORTS_MANY
    assert not account.local_interest
    accounts.forget_prepared()
    assert not account.local_interest

    await accounts.prepare(after)
    accounts.update(after)
    world.settle()
    assert set(account.local_interest.values()) == {1}
    assert len(account.local_interest) == IMPORTS_MANY
    accounts.update(before)
    world.settle()
    assert not account.local_interest


def test_an_update_that_cannot_be_leaves_no_subscriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = ClientWorld().server.account_set
    exporter, before, after = many_services()
    accounts.update(exporter, before)
    sublist = accounts.account("I").sublist
    build = accounts._build_wiring

    def fail(draft: object, name: str) -> Iterator[None]:
        if name == "Z":
            assert sublist.count == IMPORTS_MANY
            raise RuntimeError
        return build(draft, name)  # type: ignore[arg-type]

    monkeypatch.setattr(accounts, "_build_wiring", fail)
    with pytest.raises(RuntimeError):
        accounts.update(after, AccountOptions("Z"))

    assert sublist.count == 0


def test_what_an_update_replaces_is_freed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "TURN_WORK", 10 * FREED_WORK)
    world = ClientWorld()
    accounts, outbox = world.server.account_set, world.server.turn.outbox
    exporter, importer = many_imports()
    accounts.update(exporter, importer)
    slices = Slices(outbox)
    kept = sys.getrefcount(importer.stream_imports[0])

    accounts.update(AccountOptions("I"))
    turns = 1
    while slices.next():
        turns += 1

    # Its options, what they were checked by with two trees of it, and the imports.
    assert turns * 10 >= 5 * IMPORTS_MANY
    left = sys.getrefcount(importer.stream_imports[0])
    assert left < kept

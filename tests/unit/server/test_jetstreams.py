"""leafnode.server.jetstreams: which accounts have JetStream, and what becomes of the others."""

from __future__ import annotations

import json
import random
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import SystemClock
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.config.account_options import AccountOptions, ServiceExport, ServiceImport
from leafnode.config.options import HostPort, JetStreamLimits, JetStreamOptions, Options
from leafnode.jetstream.jetstream import UNBOUNDED
from leafnode.server.jetstreams import JetStreams, open_jetstreams, wanted_by
from leafnode.server.server import Seams, Server
from leafnode.server.views import views_of
from leafnode.slices import finish

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.routing.account import Account


FEW = Bounds(max_streams=1)


class AheadClock(SystemClock):
    """Wall time that is ahead by `ahead_ns`."""

    ahead_ns = 0

    def wall_ns(self) -> int:  # type: ignore[override]
        return SystemClock.wall_ns() + self.ahead_ns


def server_on(
    directory: Path, *accounts: AccountOptions, clock: SystemClock | None = None
) -> Server:
    jetstream = JetStreamOptions(store_dir=str(directory), domain="d")
    options = Options(jetstream=jetstream, accounts=accounts)
    chance = random.Random(1)
    return Server(options, Seams(clock or SystemClock(), chance, chance.randbytes))


async def opened(server: Server, stack: AsyncExitStack) -> JetStreams:
    options = server.options.jetstream
    assert options is not None
    jetstreams = await open_jetstreams(server, options)
    stack.push_async_callback(jetstreams.closed)
    stack.callback(jetstreams.close)
    return jetstreams


def info(account: Account) -> dict[str, Any]:
    heard: list[bytes] = []
    sub = account.subscribe(b"reply", lambda run: heard.extend(m[2] for m in run.messages))
    account.publish(b"$JS.API.INFO", b"", reply=b"reply")
    account.unsubscribe(sub)
    answer: dict[str, Any] = json.loads(heard[0])
    return answer


@pytest.mark.parametrize(
    ("accounts", "wanted"),
    [
        ({"$G": None, "SYS": None}, {"$G": UNBOUNDED}),
        ({"$G": FEW, "SYS": None}, {"$G": FEW}),
        ({"$G": None, "SYS": None, "A": None, "B": FEW}, {"B": FEW}),
        ({"$G": FEW, "SYS": FEW, "A": UNBOUNDED}, {"$G": FEW, "A": UNBOUNDED}),
    ],
)
def test_who_has_it(accounts: dict[str, Bounds | None], wanted: dict[str, Bounds]) -> None:
    options = {name: AccountOptions(name, jetstream=one) for name, one in accounts.items()}

    assert wanted_by(options, "SYS") == wanted
    asking = {name: one for name, one in accounts.items() if one is not None and name != "SYS"}
    assert wanted_by(options, "SYS", by_jwt=True) == asking


@pytest.mark.real_loop
async def test_the_system_account_is_told_that_it_has_none(tmp_path: Path) -> None:
    server = server_on(tmp_path)
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)

        assert list(jetstreams.by_account) == ["$G"]
        assert "limits" in info(server.account("$G"))
        assert info(server.account("$SYS"))["error"]["err_code"] == 10039


@pytest.mark.real_loop
async def test_an_account_loses_it_and_has_all_again_later(tmp_path: Path) -> None:
    server = server_on(tmp_path)
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)
        account = server.account("$G")
        account.publish(
            b"$JS.API.STREAM.CREATE.S", b'{"name":"S","subjects":["s"]}', reply=b"nobody"
        )

        jetstreams.disable("$G")
        jetstreams._refuse("$G")
        assert info(account)["error"]["err_code"] == 10039

        jetstreams.enable("$G", UNBOUNDED)
        await jetstreams.recovered()
        assert info(account)["streams"] == 1


@pytest.mark.real_loop
async def test_streams_of_an_account_that_is_gone_are_kept_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = server_on(tmp_path)
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)
        jetstreams.store.create_stream("GONE", "S", b"{}", 1, 1)

    async with AsyncExitStack() as stack:
        again = await opened(server_on(tmp_path), stack)
        kept = [(one.account, one.name) for one in again.store.streams()]
        again.tell_of_orphans()
        assert again.keepers() == ["GONE"]

    assert kept == [("GONE", "S")]
    assert "Streams are kept and not served, their account has no JetStream: account=GONE" in (
        caplog.text
    )


@pytest.mark.real_loop
async def test_accounts_come_change_and_go(tmp_path: Path) -> None:
    server = server_on(tmp_path, AccountOptions("A", jetstream=UNBOUNDED), AccountOptions("C"))
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)
        assert list(jetstreams.by_account) == ["A"]
        assert info(server.account("C"))["error"]["err_code"] == 10039

        server.account_set.update(AccountOptions("B", jetstream=FEW))
        assert info(server.account("B"))["limits"]["max_streams"] == 1

        server.account_set.update(AccountOptions("B", jetstream=Bounds(max_streams=2)))
        assert info(server.account("B"))["limits"]["max_streams"] == 2

        gone = server.account("B")
        server.account_set.remove("B")
        assert list(jetstreams.by_account) == ["A"]
        assert not gone.has_interest(b"$JS.API.INFO")


@pytest.mark.real_loop
async def test_an_account_answers_once_its_streams_were_read_back(tmp_path: Path) -> None:
    server = server_on(tmp_path, AccountOptions("A", jetstream=UNBOUNDED), AccountOptions("C"))
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)
        config = b'{"name":"S","subjects":["s"]}'
        server.account("A").publish(b"$JS.API.STREAM.CREATE.S", config, reply=b"nobody")
        watchers = len(jetstreams.store._watchers)

        server.account_set.update(AccountOptions("A"))
        assert len(jetstreams.store._watchers) == watchers - 1
        server.account_set.update(AccountOptions("A", jetstream=UNBOUNDED))
        assert len(jetstreams.store._watchers) == watchers

        ready = jetstreams.readiness("A")
        if ready is not None:
            await ready.wait()
        assert jetstreams.readiness("A") is None
        assert info(server.account("A"))["streams"] == 1


@pytest.mark.real_loop
async def test_an_account_that_imports_anothers_api_is_not_refused(tmp_path: Path) -> None:
    exporter = AccountOptions(
        "A", jetstream=UNBOUNDED, service_exports=(ServiceExport("$JS.API.>"),)
    )
    importer = AccountOptions("C", service_imports=(ServiceImport("A", "$JS.API.>"),))
    server = server_on(tmp_path, exporter, importer)
    async with AsyncExitStack() as stack:
        await opened(server, stack)

        assert "limits" in info(server.account("C"))


@pytest.mark.real_loop
async def test_the_bounds_of_the_configuration_hold_at_once_and_are_shown(tmp_path: Path) -> None:
    server = server_on(tmp_path)
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server, stack)
        bounds = jetstreams.by_account["$G"].context.bounds
        assert (bounds.max_ack_pending, bounds.strict) == (0, True)

        configured = JetStreamLimits(max_ack_pending=5, batch_timeout_ns=7)
        present = server.options.jetstream
        assert present is not None
        changed = replace(present, limits=configured, strict=False)
        jetstreams.change(changed)

        assert (bounds.max_ack_pending, bounds.strict) == (5, False)
        server.options = replace(server.options, jetstream=changed)
        server.features.jetstream = jetstreams
        view = finish(views_of(server, HostPort("127.0.0.1", 0)).jetstream())
        assert view is not None
        assert not view.strict
        assert view.limits == {
            "max_ack_pending": 5,
            "max_batch_timeout": 7,
            "default_max_consumers": limits.CONSUMERS_PER_STREAM_MAX,
        }


async def jumps_at_start(directory: Path, ahead_days: int) -> int:
    clock = AheadClock()
    clock.ahead_ns = ahead_days * limits.CLOCK_JUMP_NS
    async with AsyncExitStack() as stack:
        return (await opened(server_on(directory, clock=clock), stack)).clock_jumps


@pytest.mark.real_loop
async def test_a_clock_that_is_ahead_is_not_believed_at_any_start_within_the_hour(
    tmp_path: Path,
) -> None:
    assert await jumps_at_start(tmp_path, 0) == 0

    assert await jumps_at_start(tmp_path, 400) == 1
    assert await jumps_at_start(tmp_path, 400) == 1
    assert await jumps_at_start(tmp_path, 0) == 0


@pytest.mark.real_loop
async def test_without_a_stamp_the_clock_is_compared_with_what_is_stored(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server_on(tmp_path), stack)
        jetstreams.store.create_stream("$G", "S", b"{}", SystemClock.wall_ns(), 1)
    (tmp_path / "leafnode.clock").unlink()

    assert await jumps_at_start(tmp_path, 400) == 1


@pytest.mark.real_loop
async def test_starts_of_less_than_an_hour_each_believe_the_clock_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each was the first: nothing expired again, for ever, after one gap of more than a day."""
    clock = SlowedClock()
    await run_for(tmp_path, clock, 0)
    clock.ahead_ns = 3 * limits.CLOCK_JUMP_NS

    assert await run_for(tmp_path, clock, 40) == 20 * MINUTE
    assert await run_for(tmp_path, clock, 15) == 5 * MINUTE
    assert await run_for(tmp_path, clock, 15) == 0
    assert await run_for(tmp_path, clock, 0) == 0

    left = [one.args for one in caplog.records if "expiry waits" in one.message]
    assert left == [(3600,), (1200,), (300,)]


MINUTE = 60 * 1_000_000_000


class SlowedClock(AheadClock):
    """Time that passes only when told to."""

    at_ns = 0

    def monotonic_ns(self) -> int:  # type: ignore[override]
        return self.at_ns

    def wall_ns(self) -> int:  # type: ignore[override]
        return 1_800_000_000_000_000_000 + self.at_ns + self.ahead_ns


async def run_for(directory: Path, clock: SlowedClock, minutes: int) -> int:
    """Return for how much longer the clock is in doubt after a run of so many minutes."""
    async with AsyncExitStack() as stack:
        jetstreams = await opened(server_on(directory, clock=clock), stack)
        clock.at_ns += minutes * MINUTE
        return jetstreams.doubted_for_ns

"""What it costs to load and to change accounts that have JWTs, beside N others: CPU in ms, medians.

    .venv/bin/python -m tests.bench.bench_accounts [-n 1000]

Every tenth account imports a service of the first one. In one process, without disk and network:
fetching, checking and wiring alone.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import TYPE_CHECKING

from leafnode.auth.known_accounts import KnownAccounts
from leafnode.auth.resolver import MemoryResolver
from leafnode.auth.trust import Trust
from leafnode.config.options import Options
from leafnode.routing.peer import Outbox
from leafnode.server.account_world import AccountSeams
from leafnode.server.accounts import Accounts
from tests.hub.jwt import Key
from tests.sim.clock import FakeClock
from tests.sim.realm import ACCOUNT, Realm

if TYPE_CHECKING:
    from collections.abc import Coroutine

REALM = Realm()
SERVICE = {"name": "q", "subject": "q", "type": "service"}


def known_accounts(tokens: dict[str, str]) -> KnownAccounts:
    clock = FakeClock()
    seams = AccountSeams(
        clock=clock,
        random=random.Random(1),
        outbox=Outbox(lambda: None),
        server_name="bench",
        server_id="NBENCH",
        client_info=lambda peer, detailed: None,
    )
    accounts = Accounts(seams, Options())
    trust = Trust(frozenset({REALM.operator.public}))
    known = KnownAccounts(trust, MemoryResolver(tokens), clock)
    known.on_accounts = lambda several: accounts.update(*several)
    return known


async def cost_ms(work: Coroutine[object, object, object]) -> float:
    start_ns = time.process_time_ns()
    await work
    return (time.process_time_ns() - start_ns) / 1e6


async def measure(count: int) -> None:
    keys = [Key(ACCOUNT) for _ in range(count + 1)]
    exporter = keys[0]
    wanted = SERVICE | {"account": exporter.public}
    tokens = {
        key.public: REALM.account_jwt(key, imports=[wanted] if index % 10 == 0 else [])
        for index, key in enumerate(keys)
    }
    tokens[exporter.public] = REALM.account_jwt(exporter, exports=[SERVICE])
    changed = {key: REALM.account_jwt(key, tags=["changed"]) for key in keys[-100:]}
    offers = [
        REALM.account_jwt(exporter, exports=[SERVICE, SERVICE | {"subject": f"q.{number}"}])
        for number in range(9)
    ]
    known = known_accounts(tokens)
    async with asyncio.TaskGroup() as tasks:
        known.start(tasks)
        loads = [await cost_ms(known.lookup(key.public)) for key in keys]
        updates = [await cost_ms(known.update(key.public, token)) for key, token in changed.items()]
        several = [await cost_ms(known.update(exporter.public, token)) for token in offers]
    known.close()
    print(f"load, first 100 accounts  {statistics.median(loads[:100]):.2f} ms")
    print(f"load, last 100 accounts   {statistics.median(loads[-100:]):.2f} ms")
    print(f"update                    {statistics.median(updates):.2f} ms")
    print(f"update, {count // 10} importers     {statistics.median(several):.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000)
    asyncio.run(measure(parser.parse_args().n))


if __name__ == "__main__":
    main()

"""The store without threads: batches are executed when a test says so, and fail when it says so.

`open_store` gives a store on a real SQLite file whose loop, clock, threads and disk are the test's.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from leafnode.store.bounds import StoreBounds
from leafnode.store.sqlite import SqliteStore, StoreSeams
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.errors import StoreCorrupt
    from leafnode.store.api import StoredMsg, StreamStore
    from leafnode.store.worker import Executor, Worker

# No pre-grown WAL and no reserve: a test opens many stores.
SMALL = StoreBounds(wal_pregrow_bytes=0, reserve_bytes=0)


def _owner(call: Callable[[], None]) -> object:
    """Return whose method this calls."""
    return getattr(call.func if isinstance(call, partial) else call, "__self__", None)


class Turns:
    """What an event loop is to the store: calls that run in the next turn."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._calls.append(callback)

    def run(self) -> None:
        """Run turns until nothing is left to do."""
        while self._calls:
            self._calls.popleft()()

    def run_results(self, worker: Worker) -> None:
        """Hand over what this worker has found, and leave everything else."""
        for one in self.hold_results(worker):
            one()

    def hold_results(self, worker: Worker) -> list[Callable[[], None]]:
        """Return the calls that hand over what this worker has found; they are not made."""
        results = [one for one in self._calls if _owner(one) is worker]
        for one in results:
            self._calls.remove(one)
        return results


class InlineExecutor:
    """Does each job where and when it is submitted."""

    def submit(self, job: Callable[[], None]) -> None:
        job()

    def close(self) -> None:
        pass


class HeldExecutor:
    """Keeps jobs until they are released: a disk that takes its time."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], None]] = deque()
        self.inline = False

    def submit(self, job: Callable[[], None]) -> None:
        if self.inline:
            job()
        else:
            self.jobs.append(job)

    def release(self) -> None:
        while self.jobs:
            self.jobs.popleft()()

    def close(self) -> None:
        self.release()


class FaultyConnection(sqlite3.Connection):
    """A connection whose statements fail as its disk was told."""

    disk: FaultyDisk | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if self.disk is None:
            return super().execute(sql, parameters)
        return self.disk.execute(super().execute, sql, parameters)


@dataclass
class FaultyDisk:
    """Opens connections, and makes chosen statements on them fail."""

    faults: dict[str, sqlite3.OperationalError] = field(default_factory=dict)
    lies: bool = False  # what fails was done all the same
    spared: int = 0  # so many that would fail are let through before
    statements: list[str] = field(default_factory=list)
    opened: int = 0

    def connect(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(*args, factory=FaultyConnection, **kwargs)
        connection.disk = self
        self.opened += 1
        return connection

    def fail(
        self, statement: str, code: int, text: str = "disk I/O error", *, spared: int = 0
    ) -> None:
        """Let statements that start so fail, until `heal`; the first ones may be spared."""
        self.spared = spared
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        self.faults[statement] = error

    def heal(self) -> None:
        self.faults.clear()
        self.lies, self.spared = False, 0

    def execute(
        self, run: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: Any
    ) -> sqlite3.Cursor:
        self.statements.append(sql)
        for start, error in self.faults.items():
            if sql.startswith(start):
                if self.spared:
                    self.spared -= 1
                    break
                if self.lies:
                    run(sql, parameters)
                raise error
        return run(sql, parameters)

    def count(self, statement: str) -> int:
        """Return how many statements so far start so."""
        return sum(sql.startswith(statement) for sql in self.statements)


def _nothing() -> None: ...


@dataclass
class StoreWorld:
    """A store and everything around it that a test may turn."""

    store: SqliteStore
    turns: Turns
    clock: FakeClock
    disk: FaultyDisk
    damage: list[tuple[str, str, StoreCorrupt]]
    executors: dict[str, Executor]

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        self.turns.run()
        held = [one for one in self.executors.values() if isinstance(one, HeldExecutor)]
        while any(executor.jobs for executor in held):
            for executor in held:
                executor.release()
            self.turns.run()

    def close(self) -> None:
        self.settle()
        for executor in self.executors.values():
            if isinstance(executor, HeldExecutor):
                executor.inline = True  # closing waits for the last commit
        self.store.close(_nothing)
        self.settle()


def read_all(stream: StreamStore, settle: Callable[[], None], start: int = 1) -> list[StoredMsg]:
    """Read all messages from a sequence on, which verifies their checksums; `settle` lets a read
    come to its end. One that fails ends it.
    """
    messages: list[StoredMsg] = []
    while True:
        page: list[StoredMsg] = []
        stream.read(start, [], 256, 10**7, page.extend)
        settle()
        if not page:
            return messages
        messages += page
        start = page[-1].seq + 1


def open_store(
    directory: Path,
    bounds: StoreBounds = SMALL,
    executor: Callable[[str], Executor] | None = None,
    disk: FaultyDisk | None = None,
    gather_ns: int = 0,
) -> StoreWorld:
    """Open a store in this directory; `executor` makes its threads by name, inline ones if None.

    `gather_ns`: how long an open batch grows; 0: to the end of the turn.
    """
    turns, clock, disk = Turns(), FakeClock(), disk or FaultyDisk()
    damage: list[tuple[str, str, StoreCorrupt]] = []
    executors: dict[str, Executor] = {}

    def start(name: str) -> Executor:
        executors[name] = executor(name) if executor else InlineExecutor()
        return executors[name]

    seams = StoreSeams(
        clock=clock,
        schedule=turns.call_soon,
        call_soon_threadsafe=turns.call_soon,
        on_damage=lambda account, stream, problem: damage.append((account, stream, problem)),
        gather=partial(clock.call_later, gather_ns) if gather_ns else None,
        executor=start,
        connect=disk.connect,
    )
    with clock.no_timers():  # a server opens it in a thread, which has no loop
        store = SqliteStore.open(directory, seams, bounds)
    return StoreWorld(store, turns, clock, disk, damage, executors)

"""A world on the real SQLite store, with a disk that fails when a test says so."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

from leafnode.clock import NS_PER_S
from leafnode.store.memory import MemoryStore
from tests.sim.committer import SMALL, open_store
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.bounds import StoreBounds


class RealWorld(World):
    """World on an SqliteStore. `settle` lets commits and reads come to their end."""

    def __init__(self, directory: Path, bounds: StoreBounds = SMALL, wall_ns: int = 0) -> None:
        """`wall_ns`: when it starts, later than a clock that was just made."""
        self._directory, self._bounds = directory, bounds
        self.disk_world = open_store(directory, bounds)
        self.disk = self.disk_world.disk
        self.clock = self.disk_world.clock
        self.clock.advance(max(0, wall_ns - self.clock.wall_ns()))
        self.store: Any = self.disk_world.store
        self.memory: Any = MemoryStore()
        self.domain = ""
        self.start()
        self.settle()

    def restart(self) -> None:
        """The process dies, with all committed, and starts again on the same disk."""
        self.settle()
        self._open_again()

    def die(self) -> None:
        """The process dies just now, and starts again on a disk that works."""
        self.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
        self._open_again()

    def _open_again(self) -> None:
        now_ns = self.clock.wall_ns()
        self.disk_world.close()
        self.disk_world = open_store(self._directory, self._bounds)
        self.disk, self.store = self.disk_world.disk, self.disk_world.store
        self.clock = self.disk_world.clock
        self.clock.advance(now_ns - self.clock.wall_ns())
        self.start()
        self.settle()

    def settle(self) -> None:
        for _ in range(5):
            self.disk_world.settle()
            self.clock.advance(0)

    def turns(self, count: int = 40) -> None:
        """Let so many turns of the loop pass, with a commit in each."""
        for _ in range(count):
            self.disk_world.settle()
            self.clock.turn()

    def heal(self) -> None:
        """The disk works again, and the store notices."""
        self.disk.heal()
        self.clock.advance(2 * NS_PER_S)
        self.settle()
        assert self.store.failed() is None

    def api(self, endpoint: str, body: Any = None, **options: Any) -> dict[str, Any]:
        payload = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        answers = self.request("$JS.API." + endpoint, payload, **options)
        self.settle()
        assert len(answers) == 1, answers
        answer: dict[str, Any] = json.loads(answers[0].payload)
        return answer

    def put(
        self, subject: str, payload: bytes = b"", *, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Publish one message and return its PubAck."""
        answers = self.request(subject, payload, headers=headers)
        self.settle()
        answer: dict[str, Any] = json.loads(answers[0].payload)
        return answer

    def fetch(self, body: Any = None, stream: str = "S", name: str = "C") -> list[Msg]:
        heard = super().fetch(body, stream, name)
        self.settle()
        return heard


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

"""One client on two servers at one virtual time: on SQLite, and on the store in memory.

What is asked must be answered alike; what is stored is read from both. Knows no model.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_S
from leafnode.store.bounds import StoreBounds
from leafnode.store.memory import MemoryStore
from tests.conformance.jetstream import schemas
from tests.contract.stream_rules import NO_HEADERS
from tests.sim.committer import read_all
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.account import Account
    from leafnode.store.api import StoredMsg
    from tests.unit.jetstream.world import Msg

# A few messages fill segments, caches and tails.
TINY: Final = StoreBounds(
    segment_rows_max=5,
    segment_span_max=11,
    segment_cache_bytes=200,
    tail_cache_bytes=900,
    wal_pregrow_bytes=0,
    reserve_bytes=0,
)
# The accounted bytes of a message differ between file and memory, on nats-server too; how long ago
# a mirror heard something depends on when a commit was let through.
UNLIKE: Final = {"bytes", "active"}


class Lasting(World):
    """A server in memory whose duplicate windows outlive a start, as they do on disk."""

    def restart(self) -> None:
        windows = {name: stream.dedupe for name, stream in self.js.streams.items()}
        super().restart()
        for name, window in windows.items():
            self.js.streams[name].dedupe = window


class TwoWorlds:
    """Both servers, on a store that is thrown away at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="leafnode-api-"))
        self.disk = RealWorld(self.root, TINY)
        store: Any = MemoryStore()
        self.memory = Lasting(store=store)
        self.events: dict[World, tuple[Account, list[Msg]]] = {}
        self.hears_what_schemas_allow()

    def teardown(self) -> None:
        self.disk.disk_world.close()
        shutil.rmtree(self.root)

    def worlds(self) -> tuple[World, World]:
        return self.disk, self.memory

    def both(self, act: Callable[[World], dict[str, Any]]) -> dict[str, Any]:
        """Do it on both, and return their answer, which is one."""
        ours, memory = (stripped(act(world)) for world in self.worlds())
        assert ours == memory
        return ours

    def api(self, endpoint: str, body: Any = None) -> dict[str, Any]:
        return self.both(lambda world: allowed(world.api(endpoint, body)))

    def hears_what_schemas_allow(self) -> None:
        """Look at the advisories since the last time, and at the answers that audits tell."""
        for world in self.worlds():
            account, heard = self.events.get(world, (None, []))
            if account is not world.account:  # it was started anew
                self.events[world] = world.account, world.listen("$JS.EVENT.>")
            for event in heard:
                value = allowed(json.loads(event.payload))
                if "response" in value:
                    allowed(json.loads(value["response"]))
            heard.clear()

    def put(
        self, subject: str, payload: bytes, headers: dict[str, str] = NO_HEADERS
    ) -> dict[str, Any]:
        def act(world: World) -> dict[str, Any]:
            answer = self.put_on(world, subject, payload, headers)
            if "Nats-Incr" in headers and "error" in answer:
                # Its total was being read back, after a commit that failed.
                answer = self.put_on(world, subject, payload, headers)
            return answer

        return self.both(act)

    def put_on(
        self, world: World, subject: str, payload: bytes, headers: dict[str, str]
    ) -> dict[str, Any]:
        answers = world.request(subject, payload, headers=headers)
        world.settle()
        answer: dict[str, Any] = json.loads(answers[0].payload or b"{}")
        return answer

    def advance(self, seconds: int) -> None:
        """Let time pass; what a timer begins comes to its end before the next one."""
        for world in self.worlds():
            left_ns = seconds * NS_PER_S
            while left_ns > 0:
                due_ns = world.clock.due_in_ns()
                step_ns = left_ns if due_ns is None else min(left_ns, max(1, due_ns))
                world.clock.advance(step_ns)
                left_ns -= step_ns
                if isinstance(world, RealWorld):
                    world.settle()


def allowed(said: dict[str, Any]) -> dict[str, Any]:
    """Return what the server said, if the published schemas know it so."""
    assert schemas.unexplained(said) == set(), said
    return said


def messages_of(world: World, stream: str) -> list[StoredMsg]:
    settle = world.disk_world.settle if isinstance(world, RealWorld) else lambda: None
    return read_all(world.js.streams[stream].store, settle)


def content(messages: list[StoredMsg]) -> list[tuple[str, bytes]]:
    return [(one.subject.decode(), one.payload) for one in messages]


def with_content(messages: list[StoredMsg]) -> list[tuple[StoredMsg, tuple[str, bytes]]]:
    return list(zip(messages, content(messages), strict=True))


def stripped(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: stripped(value) for key, value in answer.items() if key not in UNLIKE}
    return [stripped(one) for one in answer] if isinstance(answer, list) else answer

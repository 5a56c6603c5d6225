"""Names to addresses, each in a thread of its own that nothing waits for.

A resolver cannot be interrupted: behind a name server that does not answer, it holds its thread for
as long as it likes. So these threads are nobody else's, are few, and end with the process. Numbers
need none of it. Knows no dial and no listener: `ServerLoop` puts it behind `loop.getaddrinfo`,
which every part, and asyncio itself, asks. Truth: docs/adr/0018-lookups.md; getaddrinfo(3).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.clock import NS_PER_S
from leafnode.limits import (
    LOOKUP_KEPT_NS,
    LOOKUP_NAMES_MAX,
    LOOKUP_SLOW_NS,
    LOOKUPS_MAX,
    LOOKUPS_SLOW_MAX,
    LOOKUPS_UNPROVEN_MAX,
)
from leafnode.net.selector import few_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    Resolve = Callable[..., list[Any]]

log = logging.getLogger(__name__)

BUSY: Final = "too many host names are being looked up"


class _Question(NamedTuple):
    """One look-up, whoever asks; a port that is a number is put into the answer."""

    host: bytes
    service: bytes | str | None
    family: int
    kind: int
    proto: int
    flags: int


@dataclass(slots=True)
class _Running:
    answer: asyncio.Future[list[Any]]
    began: float
    waiting: int = 0  # how many there are that the answer is for


class Lookups:
    """The look-ups of one loop: one at a time for each question, and few at a time in all.

    A name whose last look-up was slow gets a part of the threads, and one that was never answered
    leaves some for those that were: names that hang take nothing from those that do not.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolve: Resolve = socket.getaddrinfo,
        now: Callable[[], float] | None = None,
    ) -> None:
        """`now`: monotonic seconds, the loop's unless given."""
        self._loop = loop
        self._now = now or loop.time
        self._resolve = resolve
        self._running: dict[_Question, _Running] = {}
        self._late: dict[_Question, tuple[float, list[Any]]] = {}  # came when nobody waited
        self._was_slow: dict[bytes, bool] = {}  # of each name, the newest one last
        self.refused = 0  # since start, because of too many

    async def look_up(
        self,
        host: str | None,
        port: bytes | str | int | None,
        *,
        family: int,
        kind: int,
        **rest: int,
    ) -> list[Any]:
        """Return what getaddrinfo returns. Raises OSError."""
        proto, flags = rest.get("proto", 0), rest.get("flags", 0)
        name = _encoded(host) if host else None
        if name is None or _is_number(name):
            return socket.getaddrinfo(name, port, family, kind, proto, flags)
        service = None if isinstance(port, int) else port
        question = _Question(name, service, family, kind, proto, flags)
        found = self._taken_late(question)
        if found is None:
            found = await self._answer(question)
        if not isinstance(port, int):
            return found
        return [(*info, (where[0], port, *where[2:])) for *info, where in found]

    async def _answer(self, question: _Question) -> list[Any]:
        running = self._running.get(question) or self._begun(question)
        running.waiting += 1
        try:
            # Whoever leaves it, leaves it to the others and to who asks next.
            return await asyncio.shield(running.answer)
        finally:
            running.waiting -= 1

    def _taken_late(self, question: _Question) -> list[Any] | None:
        when, found = self._late.pop(question, (0.0, None))
        return found if self._now() - when <= LOOKUP_KEPT_NS / NS_PER_S else None

    def _begun(self, question: _Question) -> _Running:
        if not self._has_room(question.host):
            self.refused += 1
            raise socket.gaierror(socket.EAI_AGAIN, BUSY)
        running = _Running(self._loop.create_future(), self._now())

        def work() -> None:
            found: list[Any] = []
            problem: Exception | None = None
            try:
                found = self._resolve(*question)
            except Exception as err:  # noqa: BLE001 -- whoever asked gets it
                problem = err
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._answered, question, found, problem)

        try:
            # The end of the process does not wait for a daemon.
            threading.Thread(target=work, name="look-up", daemon=True).start()
        except RuntimeError as err:  # the system has no thread for it
            raise socket.gaierror(socket.EAI_AGAIN, str(err)) from err
        self._running[question] = running
        return running

    def _has_room(self, name: bytes) -> bool:
        was_slow = self._was_slow.get(name)
        running = [self._was_slow.get(question.host) for question in self._running]
        proven, slow = running.count(False), running.count(True)
        if was_slow is not False and len(running) - proven >= LOOKUPS_UNPROVEN_MAX:
            return False
        if was_slow and slow >= LOOKUPS_SLOW_MAX:
            return False
        return len(running) < LOOKUPS_MAX

    def _answered(self, question: _Question, found: list[Any], problem: Exception | None) -> None:
        running = self._running.pop(question)
        now = self._now()
        self._was_slow.pop(question.host, None)
        self._was_slow[question.host] = now - running.began >= LOOKUP_SLOW_NS / NS_PER_S
        _forget_oldest(self._was_slow)
        if not running.waiting:
            if problem is None:
                # For the next dial, which would not wait for it any longer than the last one did.
                self._late[question] = (now, found)
                _forget_oldest(self._late)
        elif problem is None:
            running.answer.set_result(found)
        else:
            running.answer.set_exception(problem)


def _forget_oldest(names: dict[Any, Any]) -> None:
    if len(names) > LOOKUP_NAMES_MAX:
        del names[next(iter(names))]


def _is_number(name: bytes) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, name.decode())
            return True
    return False


def _encoded(host: str) -> bytes:
    """Return the name for the resolver. Raises OSError for what is none.

    Only what is not ASCII needs the tables of IDNA: 1 MiB and 20 ms.
    """
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError as err:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from err
    if b"\0" in name:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name")
    return name


class ServerLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, but for names, for how much it hears of at once, and for its end where no
    thread is left.
    """

    def __init__(self) -> None:
        super().__init__(few_at_once())
        self.lookups = Lookups(self)

    async def getaddrinfo(
        self,
        host: Any,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 -- asyncio's signature
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """See `Lookups`."""
        return await self.lookups.look_up(
            host, port, family=family, kind=type, proto=proto, flags=flags
        )

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """Wait for the workers, which asyncio does in one more thread. Where that cannot be had the
        interpreter waits for them as it ends: it is no reason for another exit status.
        """
        try:
            await super().shutdown_default_executor(*timeout)
        except RuntimeError as err:
            log.warning("Workers end with the process: %s", err)

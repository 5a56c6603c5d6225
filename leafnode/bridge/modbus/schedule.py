"""Which group of which slave is read next: the one that is due longest, slaves in trouble seldom.

Knows slaves, groups and milliseconds; not frames and ports. Truth: docs/serial/modbus.md, "When a
slave does not answer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.modbus.plan import blocks
from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from leafnode.config.modbus_options import Group, ModbusOptions, Slave


class GroupState:
    """A group and when it is read next. `trouble`: why it was not read the last time."""

    def __init__(self, group: Group, slave: Slave) -> None:
        self.group = group
        self.blocks = blocks(group.registers, slave)
        self.every_ms = -(-group.every_ns // NS_PER_MS)  # 0: only when asked
        self.due_ms = 0
        self.trouble = ""

    def done(self, now_ms: int) -> int:
        """Plan the next time; return how many were passed over, because the bus was too slow."""
        late_ms = now_ms - self.due_ms
        missed = max(0, late_ms // self.every_ms)
        self.due_ms += (missed + 1) * self.every_ms
        return missed


class SlaveState:
    """A slave. `failing`: it did not answer; `hold_ms`: not asked before, but for its own retry."""

    def __init__(self, slave: Slave) -> None:
        self.slave = slave
        self.groups = [GroupState(group, slave) for group in slave.groups]
        self._polled = [group for group in self.groups if group.every_ms]
        self._first: GroupState | None = None
        self._first_due_ms = 0
        self.failing = False
        self.last_error = ""
        self.answers = 0
        self.timeouts = 0
        self.bad = 0
        self.exceptions = 0
        self.hold_ms = 0  # a late answer may still come: nothing else is asked
        self.retry_ms = 0  # of one that fails
        self.backoff_ms = 0

    def opened(self, now_ms: int) -> None:
        """All of it is due, whatever happened before."""
        self.hold_ms = self.retry_ms = now_ms
        self.backoff_ms = 0
        self._first = None
        for group in self.groups:
            group.due_ms = now_ms

    def first(self) -> GroupState | None:
        """Return the group that is due first, None where none is polled.

        It is so until it was read: the others are only ever put off.
        """
        if self._first is None or self._first.due_ms != self._first_due_ms:
            self._first = min(self._polled, key=lambda group: group.due_ms, default=None)
            self._first_due_ms = 0 if self._first is None else self._first.due_ms
        return self._first

    @property
    def problem(self) -> str:
        """What is wrong now; nothing while all groups are read."""
        if self.failing:
            return self.last_error
        troubles = [(one.group.name, one.trouble) for one in self.groups if one.trouble]
        return "; ".join(f"{name}: {trouble}" for name, trouble in troubles)

    def status(self) -> dict[str, object]:
        """Return how it is now, for monitoring."""
        return {
            "name": self.slave.name,
            "address": self.slave.address,
            "failing": self.failing,
            "answers": self.answers,
            "timeouts": self.timeouts,
            "bad": self.bad,
            "exceptions": self.exceptions,
            "problem": self.problem,
            "last_error": self.last_error,
        }


class Schedule:
    """All slaves of a bus."""

    def __init__(self, options: ModbusOptions) -> None:
        self.slaves = [SlaveState(slave) for slave in options.slaves]
        self._backoff_ms = max(1, options.backoff_ns // NS_PER_MS)
        self._backoff_max_ms = max(1, options.backoff_max_ns // NS_PER_MS)

    def opened(self, now_ms: int) -> None:
        """The port was opened anew: everything is due, and whoever failed gets another chance."""
        for slave in self.slaves:
            slave.opened(now_ms)

    def due(self, now_ms: int) -> tuple[SlaveState, GroupState] | None:
        """Return what is to be read now."""
        first = self._first()
        return None if first is None or first[0] > now_ms else first[1:]

    def first_ms(self) -> int | None:
        """Return when something is due, which may be long ago; None for never."""
        first = self._first()
        return None if first is None else first[0]

    def _first(self) -> tuple[int, SlaveState, GroupState] | None:
        """Return what is due first and when; of what may be asked now, what waits longest."""
        best: tuple[int, SlaveState, GroupState] | None = None
        best_key = (0, 0)
        for slave in self.slaves:
            group = slave.first()
            if group is None:
                continue
            not_before = max(slave.hold_ms, slave.retry_ms if slave.failing else 0)
            key = (max(group.due_ms, not_before), group.due_ms)
            if best is None or key < best_key:
                best, best_key = (key[0], slave, group), key
        return best

    def answered(self, slave: SlaveState) -> bool:
        """A slave answers; say whether that is news."""
        was_failing, slave.failing = slave.failing, False
        slave.backoff_ms = 0
        return was_failing

    def failed(self, slave: SlaveState, now_ms: int) -> bool:
        """A slave does not answer; say whether that is news."""
        was_failing, slave.failing = slave.failing, True
        slave.backoff_ms = min(
            self._backoff_max_ms, 2 * slave.backoff_ms if slave.backoff_ms else self._backoff_ms
        )
        slave.retry_ms = now_ms + slave.backoff_ms
        return not was_failing

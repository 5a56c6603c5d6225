"""The boards that said hello on any port: who they are, when they were heard, whose name is taken.

A name is a word of subjects, so it says where readings go: a board that takes another's would speak
for it, or for the slave of a bus, or for a board that says no name. Knows names and ports; not
frames. Truth: docs/serial/messages.md, "Names".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from leafnode.bridge import port_bounds
from leafnode.bridge.known import remember
from leafnode.bridge.mapping.template import device_pattern
from leafnode.clock import NS_PER_MS
from leafnode.protocol.subject import collides

if TYPE_CHECKING:
    from collections.abc import Collection

    from leafnode.bridge.reading import DeviceHello, Life, Presence, Receipt
    from leafnode.clock import Clock
    from leafnode.config.serial_options import SerialPort


class Port(Protocol):
    """What is asked of a port."""

    @property
    def name(self) -> str: ...

    def board(self) -> Presence | None:
        """Return the board that said hello last; None: none did, or the port is closed."""
        ...

    def named(self) -> Collection[str]:
        """Return by which names somebody is there who says none."""
        ...

    def pattern(self, name: str) -> bytes:
        """Return where readings go under a name."""
        ...

    def forget(self, name: str) -> None:
        """A board on another port has this name now."""
        ...

    def says_again(self, name: str, boot_id: int) -> None:
        """This boot of a board says again, on this port or another, what is not stored."""
        ...

    def is_storing(self, name: str, boot_id: int) -> bool:
        """Say whether some of that is on its way to a stream, and may be stored yet."""
        ...


@dataclass(slots=True)
class Device:
    """One board on one port, as its last hello said. `seen_ns`: monotonic."""

    name: str
    port: str
    framing: str
    boot: int
    window: int
    frame_bytes: int
    capabilities: tuple[str, ...]
    seen_ns: int
    about: str = ""
    up: bool = False
    hellos: int = 0
    boots: int = 0
    readings: int = 0

    def see(self, found: Presence) -> None:
        """It was heard on its port."""
        self.seen_ns = max(self.seen_ns, found.heard_at_ms * NS_PER_MS)


class Slaves:
    """Implements Port: the slaves of a bus are there by their names, whether they answer or not."""

    def __init__(self, options: SerialPort) -> None:
        assert options.modbus is not None, "a bus has its block"
        self._subject = options.subject
        self._names = [slave.name for slave in options.modbus.slaves]
        self.name = options.name

    def board(self) -> None:
        """No board is on a bus."""

    def named(self) -> Collection[str]:
        return self._names

    def pattern(self, name: str) -> bytes:
        return device_pattern(self._subject, self.name, name)

    def forget(self, name: str) -> None:
        """A slave says no name that it could lose."""

    def says_again(self, name: str, boot_id: int) -> None:
        """A slave is asked, and says nothing again."""

    def is_storing(self, name: str, boot_id: int) -> bool:  # noqa: ARG002
        return False


class Devices:
    """Of all ports of a bridge."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: dict[str, Port] = {}
        self._ending: list[Port] = []  # are served no longer, and store what they had read
        self._devices: dict[tuple[str, str], Device] = {}  # by port and name, the oldest first
        self._stored: dict[Life, int] = {}  # up to which reading, as far as was heard here
        self.forgotten = 0  # beyond DEVICES_MAX

    def join(self, port: Port) -> None:
        """A port is served from now on."""
        self._ports[port.name] = port

    def end(self, port: Port) -> None:
        """It is served no longer, and stores what it had read until it leaves."""
        self.leave(port)
        self._ending.append(port)

    def leave(self, port: Port) -> None:
        """It is served no longer: its boards are nobody's."""
        if port in self._ending:
            self._ending.remove(port)
        if self._ports.get(port.name) is port:
            del self._ports[port.name]
            self._devices = {key: one for key, one in self._devices.items() if key[0] != port.name}

    def refusal(self, port: str, name: str, allowed: tuple[str, ...]) -> str:
        """Return why a board on this port may not have this name; "": it has it from now on.

        `allowed`: the names that the configuration gives the port, none for any. One that had the
        name elsewhere and is silent has it no longer, should it speak again.
        """
        self.look()  # when who was there until now was heard
        if allowed and name not in allowed:
            return "boards of this port does not name it"
        others = [other for other in self._ports.values() if other.name != port]
        asking = self._ports.get(port)
        pattern = b"" if asking is None else asking.pattern(name)
        for other in others:
            found = other.board()
            if found is not None and found.is_there and found.device == name:
                return f"a board on port {other.name} has it"
            if name in other.named() and collides(pattern, other.pattern(name)):
                return f"port {other.name} speaks under it"
        for other in others:
            other.forget(name)
        return ""

    def met(self, port: str, framing: str, hello: DeviceHello) -> None:
        """A board said hello."""
        key = (port, hello.device)
        found = self._devices.pop(key, None)
        boots = hellos = readings = 0
        if found is not None:
            boots, hellos, readings = found.boots, found.hellos, found.readings
        elif len(self._devices) >= port_bounds.DEVICES_MAX:
            del self._devices[self._oldest()]
            self.forgotten += 1
        is_new_boot = found is None or found.boot != hello.boot_id
        self._devices[key] = Device(
            name=hello.device,
            port=port,
            framing=framing,
            boot=hello.boot_id,
            window=hello.window,
            frame_bytes=hello.frame_bytes,
            capabilities=hello.capabilities,
            seen_ns=self._clock.monotonic_ns(),
            about=hello.about,
            hellos=hellos + 1,
            boots=boots + is_new_boot,
            readings=readings,
        )

    def say_again(self, hello: DeviceHello) -> list[Port]:
        """A board is asked for what is not stored: no port is to store it, too.

        Returns the ports, of which some may be storing it just now.
        """
        ports = [*self._ports.values(), *self._ending]
        for port in ports:
            port.says_again(hello.device, hello.boot_id)
        return ports

    def read(self, port: str, name: str) -> None:
        """A reading of a board is taken: a while after it came, where its queue was full."""
        device = self._devices.get((port, name))
        if device is None:
            return
        device.readings += 1
        found = self._ports[port].board()
        if found is not None and found.device == name:
            device.see(found)

    def stored(self, receipt: Receipt) -> None:
        """All that a board said up to this one is stored, or nothing can store it."""
        life = receipt.life
        if life[1] <= 0:
            return  # a life without a boot id ends with the next hello
        seq = max(receipt.seq, self._stored.get(life, 0))
        remember(self._stored, life, seq, most=port_bounds.DEVICES_MAX)

    def stored_through(self, name: str, boot_id: int) -> int:
        """Return up to which reading of a boot that was heard here, 0: of none."""
        return self._stored.get((name.encode(), boot_id), 0)

    def devices(self) -> list[Device]:
        """Return all, as they are now, by name."""
        self.look()
        return sorted(self._devices.values(), key=lambda one: (one.name, one.port))

    def look(self) -> None:
        """See who is there now: also before a port is closed, when it knows no longer."""
        for device in self._devices.values():
            device.up = False
        for port in self._ports.values():
            found = port.board()
            if found is None:
                continue
            known = self._devices.get((port.name, found.device))
            if known is not None:
                known.up = found.is_there
                known.see(found)

    def _oldest(self) -> tuple[str, str]:
        """Return whose hello is the longest ago; one that is there only where all are."""
        self.look()
        gone = (key for key, device in self._devices.items() if not device.up)
        return next(gone, next(iter(self._devices)))

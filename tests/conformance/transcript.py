r"""Transcripts: protocol sessions as text, and how to play them against any server.

A file holds `conf:` lines of nats.conf and then cases: a `# sentence` and steps until the next.

    C: line        the client sends the line and CR LF       C2: another client
    C- bytes       the client sends exactly these bytes
    C: <close>     the client hangs up
    S: line        this line must come next                  S2: to the other client
    S- bytes       exactly these bytes must come next
    S: INFO {...}  an INFO with at least these fields; "<15>" stands for any 15 characters, null
                   for a field that is not there
    S: <nothing>   nothing more has come
    S: <eof>       the server hangs up, and nothing came before
    L: and H:      the same of a leaf, on the port for leafs, and of its hub, the server
    H: <synced>    a PING is answered; what came before its PONG is passed over
    H~ line        this line is among what comes before the PONG of a PING
    H! line        and this one is not
    wait: 300ms    time passes

\r \n \t \xNN and \\ are escapes, <a*50> repeats, <1|2> is either, <#> is a number. <reply=> in a
line that comes is a word that <=reply> stands for later, in either direction. Opening reads INFO
by itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

_STEP = re.compile(r"(?:([CSLH]\d*)([:~!-])|(wait): )(?: ?)(.*)", re.DOTALL)
_REPEAT = re.compile(rb"<([^*>]*)\*(\d+)>", re.DOTALL)
# <a|b>, <#>, <name=> and <=name> of a line that must come
_VARIABLE = re.compile(rb"<([^|<>=]*)\|([^|<>=]*)>|<(#)>|<(\w+)=>|<=(\w+)>")
_KNOWN = re.compile(rb"<=(\w+)>")
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[rnt\\])")
_PLAIN_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


@dataclass(frozen=True)
class Step:
    """One line of a case."""

    line_number: int
    client: str  # "C", "C2", "L" of a leaf; empty for wait
    sends: bool
    text: bytes  # unescaped, repeats written out
    is_line: bool
    among: bool | None = None  # whether it is among what comes before a PONG


@dataclass(frozen=True)
class Case:
    """One behaviour."""

    file: str
    title: str
    conf: str
    steps: list[Step] = field(default_factory=list)

    @property
    def has_leafs(self) -> bool:
        """Whether leafs connect: what is left of them a moment later others would be told of."""
        return any(step.client.startswith("L") for step in self.steps)

    def __str__(self) -> str:
        return f"{self.file}: {self.title}"


class Connection(Protocol):
    """One client connection to whatever is under test."""

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes:
        """Wait for more bytes; empty once the server hung up. Raises TimeoutError."""
        ...

    def is_quiet(self) -> bool:
        """Say whether nothing comes, without waiting long."""
        ...

    def close(self) -> None: ...


class Server(Protocol):
    """What is under test, running with a case's configuration."""

    def connect(self) -> Connection: ...

    def connect_leaf(self) -> Connection: ...

    def wait(self, seconds: float) -> None: ...


def read(path: Path) -> list[Case]:
    """Return the cases of one file."""
    conf: list[str] = []
    cases: list[Case] = []
    for number, line in enumerate(path.read_text("ascii").split("\n"), 1):
        if line.startswith("conf: "):
            conf.append(line.removeprefix("conf: "))
        elif line.startswith("# "):
            cases.append(Case(path.name, line.removeprefix("# "), "\n".join(conf)))
        elif line:
            cases[-1].steps.append(_read_step(number, line))
    return cases


def _read_step(number: int, line: str) -> Step:
    found = _STEP.fullmatch(line)
    if found is None:
        raise ValueError(f"line {number}: not a step: {line!r}")
    who, mark, wait, text = found.groups()
    if wait:
        return Step(number, "", sends=False, text=text.encode(), is_line=False)
    data = _REPEAT.sub(lambda m: m[1] * int(m[2]), _unescape(text.encode()))
    client = ("C" if who[0] in "CS" else "L") + who[1:]
    among = {"~": True, "!": False}.get(mark)
    is_line = mark == ":"
    return Step(number, client, sends=who[0] in "CL", text=data, is_line=is_line, among=among)


def _unescape(text: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return _PLAIN_ESCAPES.get(code) or bytes([int(code[1:], 16)])

    return _ESCAPE.sub(one, text)


class Player:
    """Plays one case; raises AssertionError at the first step that does not hold."""

    def __init__(self, case: Case, server: Server) -> None:
        self._case = case
        self._server = server
        self._connections: dict[str, Connection] = {}
        self._unread: dict[str, bytes] = {}
        self._infos: dict[str, bytes] = {}
        self._words: dict[bytes, bytes] = {}  # what <name=> stood for

    def play(self) -> None:
        try:
            for step in self._case.steps:
                self._play_step(step)
        finally:
            for connection in self._connections.values():
                connection.close()

    def _play_step(self, step: Step) -> None:
        where = f"{self._case.file}:{step.line_number}"
        if not step.client:
            self._server.wait(int(step.text.removesuffix(b"ms")) / 1000)
            return
        first = step.client not in self._connections
        if first:
            self._open(step.client)
        if step.sends:
            self._send(step)
        elif step.among is not None or step.text == b"<synced>":
            self._sync(step, where)
        elif step.text == b"<nothing>":
            assert not self._unread[step.client], f"{where}: got {self._unread[step.client]!r}"
            assert self._connections[step.client].is_quiet(), f"{where}: something came"
        elif step.text == b"<eof>":
            rest = self._read_to_end(step.client)
            assert rest == b"", f"{where}: before the end came {rest!r}"
        elif step.is_line:
            line = self._infos[step.client] if first else self._read_line(step.client, where)
            holds = _line_holds(step.text, line, self._words)
            assert holds, f"{where}: wanted {step.text!r}, got {line!r}"
        else:
            data = self._read_bytes(step.client, len(step.text), where)
            assert data == step.text, f"{where}: wanted {step.text!r}, got {data!r}"

    def _sync(self, step: Step, where: str) -> None:
        """Read until a PING is answered, and look for a line among what came before."""
        self._connections[step.client].send(b"PING\r\n")
        came = []
        while (line := self._read_line(step.client, where)) != b"PONG":
            came.append(line)
        if step.among is not None:
            assert (step.text in came) is step.among, f"{where}: {step.text!r} in {came!r}"

    def _open(self, client: str) -> None:
        is_leaf = client.startswith("L")
        server = self._server
        self._connections[client] = server.connect_leaf() if is_leaf else server.connect()
        self._unread[client] = b""
        self._infos[client] = self._read_line(client, "greeting")
        assert self._infos[client].startswith(b"INFO {"), self._infos[client]

    def _send(self, step: Step) -> None:
        if step.text == b"<close>":
            self._connections[step.client].close()
        else:
            text = _KNOWN.sub(lambda found: self._words[found[1]], step.text)
            self._connections[step.client].send(text + (b"\r\n" if step.is_line else b""))

    def _more(self, client: str, where: str) -> None:
        try:
            data = self._connections[client].receive()
        except TimeoutError:
            data = b""
        assert data, f"{where}: nothing more came, unread {self._unread[client]!r}"
        self._unread[client] += data

    def _read_line(self, client: str, where: str) -> bytes:
        while b"\r\n" not in self._unread[client]:
            self._more(client, where)
        line, _, self._unread[client] = self._unread[client].partition(b"\r\n")
        return line

    def _read_bytes(self, client: str, size: int, where: str) -> bytes:
        while len(self._unread[client]) < size:
            self._more(client, where)
        data, self._unread[client] = self._unread[client][:size], self._unread[client][size:]
        return data

    def _read_to_end(self, client: str) -> bytes:
        data, self._unread[client] = self._unread[client], b""
        while more := self._connections[client].receive():
            data += more
        return data


def _line_holds(wanted: bytes, line: bytes, words: dict[bytes, bytes]) -> bool:
    if wanted.startswith(b"INFO {"):
        return line.startswith(b"INFO ") and _fields_hold(
            json.loads(wanted[5:]), json.loads(line[5:])
        )
    pattern = b""
    end = 0
    for found in _VARIABLE.finditer(wanted):
        one, other, number, name, known = found.groups()
        pattern += re.escape(wanted[end : found.start()])
        end = found.end()
        if number:
            pattern += rb"\d+"
        elif name:
            pattern += rb"(?P<%b>\S+)" % name
        elif known:
            pattern += re.escape(words[known])
        else:
            pattern += b"(?:%b|%b)" % (re.escape(one), re.escape(other))
    held = re.fullmatch(pattern + re.escape(wanted[end:]), line)
    if held is not None:
        words.update((key.encode(), value) for key, value in held.groupdict().items())
    return held is not None


def _fields_hold(wanted: dict[str, object], given: dict[str, object]) -> bool:
    for name, value in wanted.items():
        have = given.get(name)
        if isinstance(value, str) and re.fullmatch(r"<\d+>", value):
            if not isinstance(have, str) or len(have) != int(value[1:-1]):
                return False
        elif have != value:
            return False
    return True

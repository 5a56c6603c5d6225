"""The exception tree.

LeafnodeError
├── ConfigError            a configuration file or flag is wrong; says file:line:column
│   ├── UnreadableError    the file itself cannot be read
├── ReloadError            an option that cannot change without a restart; in nats-server's words
├── ListenError            an address that cannot be listened on
├── TlsError               certificates, keys or ciphers that cannot be used
├── AuthError              credentials that cannot be read or do not hold
├── WalkError              patterns that cross in too many ways to be compared
├── TransformError         a subject transform that makes no sense; in nats-server's words
├── ProtocolError          a peer broke the NATS protocol; carries the exact -ERR text
│   ├── ParserError …      see leafnode/protocol/errors.py
├── StoreError             the disk or the database said no
│   ├── StoreFull          out of space: reads and removals go on
│   ├── StoreBusy          too much waits for the disk: refuse for now, nothing is wrong
│   ├── StoreFailed        a failed write or fsync: nothing is acked until the store was reopened
│   └── StoreCorrupt       what was read is not what was written
├── ArchiveError           a stream's archive that is damaged, dishonest or another program's
└── JetStreamError         an API or publish refusal; carries code, err_code, description

`leafnode.link` has a tree of its own, because it also runs on microcontrollers.
"""

from __future__ import annotations

from typing import ClassVar, Final

_NO_HOST: Final = (-2, -5)  # EAI_NONAME and EAI_NODATA of glibc
_SHOWN_CHARS: Final = 200  # of a quoted text; a path fits


class LeafnodeError(Exception):
    """Root of everything this project raises on purpose."""


class ConfigError(LeafnodeError):
    """A configuration that cannot be used. One line, as people read it.

    `path` is the dotted option path ("leafnodes.remotes[0].reconnect"), empty for a syntax error.
    """

    def __init__(self, file: str, line: int, column: int, path: str, problem: str) -> None:
        super().__init__(file, line, column, path, problem)
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.problem}" if self.path else f"{where}: {self.problem}"


class UnreadableError(ConfigError):
    """The configuration file itself cannot be read; in nats-server's words, without a position."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, 1, 1, "", problem)

    def __str__(self) -> str:
        return self.problem


class ReloadError(LeafnodeError):
    """What cannot change while the server runs; nothing of the new configuration holds."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"config reload not supported for {self.what}"


class ListenError(LeafnodeError):
    """An address that cannot be listened on: taken, foreign or not allowed; in nats-server's words.

    `said`: what is in the way of whom, with `address`, `port` and the `problem` as Go has it.
    """

    def __init__(self, said: str, host: str, port: int, err: OSError) -> None:
        super().__init__(said, host, port, err)
        self.said = said
        self.host = host
        self.port = max(port, 0)  # -1: any
        self.err = err

    def __str__(self) -> str:
        address = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return self.said.format(address=address, port=self.port, problem=self._problem(address))

    def _problem(self, address: str) -> str:
        reason = self.err.strerror or str(self.err)
        if (self.err.errno or 0) > 0:
            return f"listen tcp {address}: bind: {reason.lower()}"
        # Of a resolver, whose errors have numbers of their own.
        reason = "no such host" if self.err.errno in _NO_HOST else reason
        return f"listen tcp: lookup {self.host}: {reason}"


class TlsError(LeafnodeError):
    """Certificates, keys or ciphers that cannot be used. `file` may be empty."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}" if self.file else self.reason


class HungError(LeafnodeError):
    """Files on a file system that does not answer; `what` says which."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}: the file system does not answer"


class AuthError(LeafnodeError):
    """Credentials that cannot be used; the text never holds a secret."""


class WalkError(LeafnodeError):
    """Patterns cross in too many ways to be compared; the message is for whoever wrote them."""


class TransformError(LeafnodeError):
    """A subject transform that cannot be, in nats-server's words; `token` is where it is wrong."""

    def __init__(self, problem: str, token: bytes = b"") -> None:
        super().__init__(problem, token)
        self.problem = problem
        self.token = token

    def __str__(self) -> str:
        if not self.token:
            return self.problem
        token = self.token.decode("utf-8", "replace")
        return f"invalid mapping destination: {self.problem} in {token}"


class ProtocolError(LeafnodeError):
    """A peer broke the protocol. `wire_error` goes out as -ERR; `closes` ends the connection.

    An empty `wire_error` closes without a word, as nats-server does for some malformed lines.
    """

    wire_error: ClassVar[bytes] = b""
    closes: ClassVar[bool] = True


class StoreError(LeafnodeError):
    """The store could not do what was asked. Nothing of the failed batch was acknowledged."""


class StoreFull(StoreError):  # noqa: N818 -- a condition, named as people say it
    """No space left on the device."""


class StoreBusy(StoreError):  # noqa: N818
    """A bound on what may wait for the disk is reached; publishers get 429 and try again."""


class StoreFailed(StoreError):  # noqa: N818
    """A write or fsync failed: the state on disk is unknown until the store is opened anew."""


class StoreCorrupt(StoreError):  # noqa: N818
    """A checksum or an invariant does not hold for what was read."""


class ArchiveError(LeafnodeError):
    """An archive of a stream cannot be read back; the text goes on after "the archive"."""

    def __str__(self) -> str:
        return f"the archive {self.args[0]}"


class JetStreamError(LeafnodeError):
    """A refusal in the terms of the JetStream API.

    `code` is HTTP-like, `err_code` the number clients switch on, `description` the exact text.
    """

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(code, err_code, description)
        self.code = code
        self.err_code = err_code
        self.description = description

    def __str__(self) -> str:
        return f"{self.description} ({self.err_code})"


def quoted(text: str) -> str:
    """Return the text for an error: in double quotes, one line, of bounded length."""
    shown = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    plain = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return '"' + "".join(plain).replace('"', '\\"') + '"'


def file_problem(err: OSError, path: object, verb: str = "open") -> str:
    """Return what is wrong with a file as Go says it: `open x: no such file or directory`."""
    return f"{verb} {path}: {(err.strerror or str(err)).lower()}"

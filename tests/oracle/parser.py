"""The client protocol read byte by byte after the fact: the slow, obvious form of lane and parser.

Takes a whole stream at once and knows no cache, no chunk and no run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One operation: the verb in upper case, its arguments, and the payload of a message."""

    verb: bytes
    arguments: list[bytes]
    payload: bytes = b""


class Malformed(Exception):  # noqa: N818 -- what the stream is
    """A message does not end where its size says: `broken` is its line, behind `operations`."""

    def __init__(self, operations: list[Operation], broken: Operation) -> None:
        super().__init__(broken.verb)
        self.operations = operations
        self.broken = broken


def parse(stream: bytes) -> list[Operation]:
    """Return every complete operation of a stream of PUB, HPUB, SUB, UNSUB, PING, PONG, CONNECT."""
    operations: list[Operation] = []
    at = 0
    while b"\n" in stream[at:]:
        end = stream.index(b"\n", at)
        line = stream[at:end].removesuffix(b"\r")
        at = end + 1
        verb, arguments = _split(line)
        if verb not in (b"PUB", b"HPUB"):
            operations.append(Operation(verb, arguments))
            continue
        size = int(arguments[-1])
        if len(stream) < at + size + 2:
            break
        if stream[at + size : at + size + 2] != b"\r\n":
            raise Malformed(operations, Operation(verb, arguments))
        operations.append(Operation(verb, arguments, stream[at : at + size]))
        at += size + 2
    return operations


def _split(line: bytes) -> tuple[bytes, list[bytes]]:
    words = line.replace(b"\t", b" ").split(b" ")
    verb, *arguments = [word for word in words if word]
    return verb.upper(), arguments


def parse_deliveries(stream: bytes) -> list[Operation]:
    """Return what a server sent: MSG and HMSG with their payload, any other line as a verb."""
    deliveries: list[Operation] = []
    at = 0
    while at < len(stream):
        end = stream.index(b"\r\n", at)
        line = stream[at:end]
        at = end + 2
        verb, _, rest = line.partition(b" ")
        if verb not in (b"MSG", b"HMSG"):
            deliveries.append(Operation(line, []))
            continue
        arguments = rest.split(b" ")
        size = int(arguments[-1])
        assert stream[at + size : at + size + 2] == b"\r\n", line
        deliveries.append(Operation(verb, arguments, stream[at : at + size]))
        at += size + 2
    return deliveries

"""Answers as bytes: JSON, and smaller where the asker takes that: gzip, and the framing of snappy.

Pure. What takes long is done in slices. Snappy's frames hold the bytes as they are, which the
format provides for: to pack them takes longer than the network where such questions are asked.
Truth: nats-server 2.15.1 server/events.go getAcceptEncoding; google/snappy framing_format.txt; RFC
1952.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import go_json
from leafnode.limits import SNAPPY_ANSWER_BYTES_MAX
from leafnode.monitor.steps import ROWS_PER_TURN, consumed
from leafnode.protocol import header
from leafnode.protocol.s2_frames import SNAPPY_START, S2Writer

if TYPE_CHECKING:
    from leafnode.monitor.steps import Steps

_CHUNK_BYTES: Final = 65536  # zipped in one turn
_GZIP_LEVEL: Final = 1
_GZIP_WBITS: Final = 31  # of zlib: the largest window, in gzip's frame


def written(message: object) -> Steps[bytes]:
    """Return a message as JSON; the long lists in its data are written in slices."""
    yield from ()
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        return go_json.encode(message)
    for key, value in data.items():
        if isinstance(value, list) and len(value) > ROWS_PER_TURN:
            pieces: list[bytes] = []
            for piece in consumed(value):  # to let go of all at once takes as long as many turns
                pieces += (b"," if pieces else b"[", go_json.encode(piece)[1:-1])
                yield
            data[key] = msgspec.Raw(b"".join((*pieces, b"]")))
            yield  # to copy megabytes takes milliseconds, and once more follows
    return go_json.encode(message)


def encoded(request_header: bytes, body: bytes) -> Steps[tuple[bytes, bytes]]:
    """Return (header block or b"", body) of an answer to a request with this header block."""
    yield from ()
    wanted = (header.get(request_header, b"Accept-Encoding") or b"").lower()
    if not wanted:
        return b"", body
    if b"snappy" in wanted or b"s2" in wanted:
        if len(body) > SNAPPY_ANSWER_BYTES_MAX:
            name = b"identity"  # summing it up would take the loop's time
        else:
            name, body = b"snappy", snappy_frames(body)
    elif b"gzip" in wanted:
        name, body = b"gzip", (yield from _zipped(body))
    else:
        name = b"identity"
    return header.build([(b"Content-Encoding", name)]), body


def _zipped(data: bytes) -> Steps[bytes]:
    import zlib  # costs every start, and hardly anybody asks for it

    zipper = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
    pieces = []
    for start in range(0, len(data), _CHUNK_BYTES):
        pieces.append(zipper.compress(data[start : start + _CHUNK_BYTES]))
        yield
    return b"".join((*pieces, zipper.flush()))


def snappy_frames(data: bytes) -> bytes:
    """Return the framed form of `data`."""
    return S2Writer(packs=False, start=SNAPPY_START).frames(data)

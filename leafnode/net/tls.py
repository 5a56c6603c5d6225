"""TLS without a socket: bytes of the wire in, plain bytes out, and back.

Knows `ssl` and its memory buffers; not sockets, loops or time. `net.tcp` owns one for a connection
that is, or becomes, encrypted, on either side. Truth: RFC 8446; Python's ssl.MemoryBIO.
"""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, Any, Final

from leafnode.limits import TLS_IDLE_RECORDS, TLS_RECORDS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD_BYTES: Final = 5  # of a record: its kind, a version, and two of its size


class TlsStream:
    """One connection's keys and buffers. Every method that reads raises ssl.SSLError."""

    __slots__ = (
        "_incoming",
        "_missing",
        "_outgoing",
        "_reads",
        "_records",
        "_ssl",
        "_waiting",
        "ended",
        "established",
        "held",
        "on_done",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        on_done: Callable[[OSError | None], None],
        *,
        server_hostname: str | None,
    ) -> None:
        """`server_hostname`: whom we dialed; None on the accepting side.

        `on_done` is the owner's, called once: with None after the handshake, else with its failure.
        """
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self.on_done = on_done
        self.established = False
        self.ended = False  # the peer sends nothing more
        self.held: list[bytes] = []  # written before the handshake was over
        self._waiting = b""  # read from the wire: OpenSSL gets so many records at once
        self._missing = 0  # of the record that it got last, bytes that it did not get yet
        self._records = 0  # of this read that it got, or began to get
        self._reads = 0  # records of this read that brought something

    def handshake(self, data: bytes) -> bool:
        """Take one read of the handshake; True once it is over. See to `outgoing` either way."""
        self.feed(data)
        while not self.established:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                if not self._next_piece():
                    return False
            else:
                self.established = True
        self._records = 0
        held, self.held = self.held, []
        for piece in held:
            self.seal(piece)
        return True

    def feed(self, data: bytes) -> None:
        """Add what was read from the wire; `read_into` gives what is in it."""
        has_more = len(self._waiting) >= _HEAD_BYTES
        self._waiting += data
        if not has_more:
            self._give()

    def read_into(self, buffer: memoryview) -> int:
        """Decrypt into the buffer until it is full or no record is complete; 0: nothing more."""
        filled = 0
        size = len(buffer)
        while filled < size:
            try:
                # With a buffer it returns a count, whatever its annotation says.
                got = int(self._ssl.read(size - filled, buffer[filled:]))
            except ssl.SSLWantReadError:
                if not self._next_piece():
                    break
                continue
            if not got:
                self.ended = True  # close_notify
                break
            self._reads += 1
            filled += got
        return filled

    def _next_piece(self) -> bool:
        """Give OpenSSL more of what was read; False: there is no more.

        A record that brings nothing, a new key mostly, takes it 20 times as long as a small one
        with data, and it works off all that it has before it says so. Whoever sends more of them at
        once than anybody has reason to is cut, as by Go, which allows 16 in a row.
        """
        if self._records - self._reads > TLS_IDLE_RECORDS:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "too many records without data")
        if self._give():
            return True
        self._records = self._reads = 0
        return False

    def _give(self) -> bool:
        """Hand on the next records that were read, as far as they are there; False: nothing is."""
        waiting, at, records = self._waiting, self._missing, 0
        size = len(waiting)
        while at + _HEAD_BYTES <= size and records < TLS_RECORDS_AT_ONCE:
            at += _HEAD_BYTES + (waiting[at + 3] << 8 | waiting[at + 4])
            records += 1
        end = min(at, size)
        if not end:
            return False
        self._incoming.write(waiting[:end])
        self._waiting = waiting[end:]
        self._missing = at - end
        self._records += records
        return True

    def seal(self, piece: bytes) -> None:
        """Encrypt, as few records as it takes; `outgoing` has them."""
        if not self.established:
            self.held.append(piece)
        else:
            self._ssl.write(piece)

    def close_notify(self) -> None:
        """Say that nothing more is sent; like Go, without waiting for the answer."""
        try:
            self._ssl.unwrap()
        except ssl.SSLError:
            return  # it waits for the peer's, or there is nothing to end

    def outgoing(self) -> bytes:
        """Take what is to be written to the wire."""
        return self._outgoing.read()

    def certificate(self) -> bytes:
        """Return the peer's certificate in DER; empty where it showed none."""
        return (self._ssl.getpeercert(binary_form=True) or b"") if self.established else b""

    def chain(self) -> list[bytes]:
        """Return the verified chain in DER, the peer's certificate first.

        Only that one where a session was resumed: OpenSSL keeps no more of it.
        """
        found = _verified_chain(self._ssl) if self.established else []
        own = self.certificate()
        return found or ([own] if own else [])

    def sent(self) -> list[bytes]:
        """Return what the peer sent in DER, its own certificate first; see `chain`."""
        own = self.certificate()
        return (_sent_chain(self._ssl) or [own]) if own else []

    def names(self) -> dict[str, object]:
        """Return the verified peer certificate as `SSLSocket.getpeercert` has it."""
        found = self._ssl.getpeercert() if self.established else None
        return dict(found or {})

    def version(self) -> str:
        """The protocol, like TLSv1.3; empty before it is agreed."""
        return self._ssl.version() or ""

    def cipher(self) -> str:
        """The cipher suite by OpenSSL's name; empty before it is agreed."""
        chosen = self._ssl.cipher()
        return chosen[0] if chosen else ""


if sys.version_info >= (3, 13):

    def _verified_chain(tls: ssl.SSLObject) -> list[bytes]:
        return tls.get_verified_chain()

    def _sent_chain(tls: ssl.SSLObject) -> list[bytes]:
        return tls.get_unverified_chain()

else:

    def _verified_chain(tls: ssl.SSLObject) -> list[bytes]:
        # The method below the one that Python 3.13 made public; 3.11 and 3.12 change no more.
        return _encoded(tls._sslobj.get_verified_chain())  # type: ignore[attr-defined]

    def _sent_chain(tls: ssl.SSLObject) -> list[bytes]:
        return _encoded(tls._sslobj.get_unverified_chain())  # type: ignore[attr-defined]

    def _encoded(chain: Any) -> list[bytes]:
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain or ()]

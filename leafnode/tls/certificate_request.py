"""What a server says of the certificates that it would like to see.

Knows the CertificateRequest of TLS 1.2 (RFC 5246 7.4.4) and 1.3 (RFC 8446 4.3.2, 4.2.4); not ssl.
The names come from a server that is not verified yet: they choose among our own certificates, and
what is malformed, or is more than anybody trusts, is a ValueError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import AUTHORITIES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER_BYTES: Final = 4  # type and length of the message
_AUTHORITIES: Final = 47  # the extension certificate_authorities


def authorities(message: bytes, *, tls13: bool) -> list[bytes]:
    """Return the names of the authorities it trusts, in DER; none: it does not say."""
    reader = _Reader(message[_HEADER_BYTES:])
    if not tls13:
        reader.take(1)  # kinds of certificates
        reader.take(2)  # signature algorithms
        return reader.inner(2).all(2)
    reader.take(1)  # context
    extensions = reader.inner(2)
    for _ in extensions.values():
        kind = extensions.number(2)
        content = extensions.inner(2)
        if kind == _AUTHORITIES:
            return content.inner(2).all(2)
    return []


class _Reader:
    """Numbers, and values behind their length."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def number(self, size: int) -> int:
        return int.from_bytes(self._cut(size), "big")

    def take(self, size: int) -> bytes:
        """Take a value of which the length, of `size` bytes, stands before it."""
        return self._cut(self.number(size))

    def inner(self, size: int) -> _Reader:
        return _Reader(self.take(size))

    def all(self, size: int) -> list[bytes]:
        return [self.take(size) for _ in self.values()]

    def values(self) -> Iterator[None]:
        """Yield as long as something is left, which has to be taken then. 64 KiB of empty values
        took 20 ms.
        """
        for _ in range(AUTHORITIES_MAX):
            if not self.left:
                return
            yield
        if self.left:
            raise ValueError("a certificate request with too many values")

    def _cut(self, size: int) -> bytes:
        if size > self.left:
            raise ValueError("a certificate request that is cut off")
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

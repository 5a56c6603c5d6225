"""SHA-256 for digests and names, without OpenSSL where Python has one of its own.

hashlib brings libcrypto in: 3.4 MiB, for a server that has no other use of it. Knows nothing else.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

_MODULES: Final = ("_sha2", "_sha256", "hashlib")  # CPython 3.12, 3.11, and what is always there


@cache
def _constructor(modules: tuple[str, ...]) -> Any:
    """Look once: a module that is not there is looked for on disk, which takes 60 us."""
    for name in modules[:-1]:
        try:
            return import_module(name).sha256
        except ImportError:
            continue
    return import_module(modules[-1]).sha256


class Hash(Protocol):
    """What is digested piece by piece."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


def begun(data: bytes = b"") -> Hash:
    """Return the digest of these bytes, to which others may come."""
    digest: Hash = _constructor(_MODULES)(data)
    return digest


def sha256(data: bytes) -> bytes:
    """Return the 32 bytes of the digest."""
    return begun(data).digest()

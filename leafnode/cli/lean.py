"""Imports asyncio without its TLS: libssl and libcrypto are 4.5 MiB that most servers never use.

Our own TLS (`net.tls`) imports ssl when there is something to encrypt, at a reload, too. Knows
`sys.modules`; CPython's asyncio does without ssl where Python was built without it.
"""

from __future__ import annotations

import sys

_SSL = "ssl"


def import_asyncio() -> None:
    """Import asyncio as on a Python that has no ssl; where one of the two is there, do nothing."""
    if _SSL in sys.modules or "asyncio" in sys.modules:
        return
    # None is what makes an import fail.
    sys.modules[_SSL] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules[_SSL]

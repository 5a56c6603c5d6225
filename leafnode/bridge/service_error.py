"""How whoever asks hears that it was not done: empty, with the headers of NATS services.

Knows codes and words; not who asked for what. Truth: ADR-32 of nats-architecture-and-design;
docs/serial/commands.md, "Errors".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.routing.account import Account

_ERROR: Final = b"Nats-Service-Error"
_ERROR_CODE: Final = b"Nats-Service-Error-Code"


def refuse(account: Account, reply: bytes, code: int, text: bytes, payload: bytes = b"") -> None:
    """Tell the requester why not."""
    block = _block(code, text)
    account.answer(reply, block + payload, header_size=len(block))


def size(code: int, text: bytes, payload: bytes) -> int:
    """Return the bytes of what `refuse` publishes."""
    return len(_block(code, text)) + len(payload)


def _block(code: int, text: bytes) -> bytes:
    return header.build([(_ERROR, text), (_ERROR_CODE, b"%d" % code)])

"""leafnode with a census: it tells how many objects of each class there are.

    python -m tests.faults.census SOCKET -c FILE …

Whoever connects to the socket is told; the other arguments are leafnode's own. A thread counts
after a full collection, so what is counted is reachable from somewhere; what that collection
found is told apart, as cycles. Objects that the collector
does not track (slots with nothing but numbers in them) are not seen. Timers are told by what they
call.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


CYCLES: Final = "cycles of "


def count() -> dict[str, int]:
    """Return how many objects of each class of the project there are, and how many of all."""
    found = _cycles()
    gc.collect()
    for one in gc.get_objects():
        kind = type(one)
        found["all objects"] += 1
        if kind is asyncio.TimerHandle and not one.cancelled():
            found[f"timer of {_called(one)}"] += 1
        if kind.__module__.startswith(("leafnode.", "asyncio.", "_asyncio")):
            found[f"{kind.__module__}.{kind.__qualname__}"] += 1
        elif kind.__module__ == "builtins":
            found[kind.__qualname__] += 1
    return dict(found)


def _cycles() -> Counter[str]:
    """Return what the collector finds unreachable: what waits for it, by class."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(
        f"{CYCLES}{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage
    )
    gc.garbage.clear()
    return found


def _called(timer: asyncio.TimerHandle) -> str:
    callback = timer._callback
    return getattr(callback, "__qualname__", None) or type(callback).__qualname__


def ask(path: Path) -> dict[str, int]:
    """Return the census of the process that listens at `path`."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        with wire.makefile("rb") as answer:
            told: dict[str, int] = json.load(answer)
    return told


def _serve(listener: socket.socket) -> None:
    while True:
        wire, _ = listener.accept()
        with wire:
            wire.sendall(json.dumps(count()).encode())


def main() -> int:
    from leafnode.cli.start import main as leafnode

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv.pop(1))
    listener.listen()
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    return leafnode()


if __name__ == "__main__":
    sys.exit(main())

"""Scripts that are played on our server and on the real one: every answer must be the same.

Seeds are fixed. What differs is played again on both, and counts when it differs each time: a
machine that stands still for seconds sees things end that it should not.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from tests.interop.both import two_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SEED: Final = int(os.environ.get("DIFFERENTIAL_SEED", "1"))
TRIES: Final = 3
# One account with JetStream, A.
CONFIG: Final = """server_name: js
accounts { A { jetstream: enabled, users: [{ user: A, password: x }] } }
jetstream { store_dir: "{dir}/store" }
"""
_LONG: Final = 256


class Client(Protocol):
    """What plays scripts on one server."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Client)


def scripts(default: int) -> int:
    """Return how many scripts are played."""
    return int(os.environ.get("DIFFERENTIAL_SCRIPTS", str(default)))


@contextmanager
def two_clients(directory: Path, config: str, client: Callable[[int], C]) -> Iterator[tuple[C, C]]:
    """A client of ours, and one of the real server."""
    with two_servers(directory, config) as servers, ExitStack() as stack:
        ours, theirs = (client(server.client_port) for server in servers)
        stack.callback(ours.close)
        stack.callback(theirs.close)
        yield ours, theirs


def first_difference(
    play: Callable[[], tuple[list[Any], list[Any]]], steps: Sequence[tuple[str, Any]]
) -> str:
    """Return what differs in the last of several tries, nothing when one shows no difference.

    `play` returns an answer to each step of each of the two; `steps` are what was asked, to show.
    """
    text = ""
    for _ in range(TRIES):
        ours, theirs = play()
        if ours == theirs:
            return ""
        assert len(ours) == len(theirs) == len(steps)
        index = next(at for at in range(len(steps)) if ours[at] != theirs[at])
        asked = "\n".join(f"{name} {json.dumps(body)[:_LONG]}" for name, body in steps[: index + 1])
        text = f"{asked}\nours:   {ours[index]}\ntheirs: {theirs[index]}"
    return text

"""Which messages a stream lets in and which it lets go: pure functions of configuration and state.

Knows counts and sizes; not stores, clocks or consumers. Truth: nats-server 2.15.1
server/filestore.go and memstore.go (StoreMsg, enforceMsgLimit); sizes: leafnode/store/sizes.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.jetstream.api_types import StreamConfig
    from leafnode.store.api import StreamState, SubjectState

TOO_MANY: Final = "maximum messages exceeded"
TOO_MANY_BYTES: Final = "maximum bytes exceeded"
TOO_MANY_OF_SUBJECT: Final = "maximum messages per subject exceeded"


def refuses_anything(config: StreamConfig) -> bool:
    """Say whether `refusal` can ever answer with a text for this stream."""
    return config.discard == "new" and (
        config.max_msgs > 0 or config.max_bytes > 0 or config.discard_new_per_subject
    )


def refusal(
    config: StreamConfig,
    state: StreamState,
    of_subject: SubjectState | None,
    size: int,
    *,
    oldest_size: int = 0,
    rollup: bool = False,
) -> str:
    """Return why a `discard: new` stream takes no further message of `size` bytes, or nothing.

    A message that replaces the oldest of its own subject does not count against max_msgs, nor
    against max_bytes if that one, of `oldest_size`, was as large. Too many of a subject do not keep
    a roll-up out: it removes more than it adds.
    """
    full = 0 < config.max_msgs_per_subject <= of_subject.msgs if of_subject is not None else False
    if full and config.discard_new_per_subject and not rollup:
        return TOO_MANY_OF_SUBJECT
    if 0 < config.max_msgs <= state.msgs and not full:
        return TOO_MANY
    if 0 < config.max_bytes < state.bytes + size and not (full and oldest_size >= size):
        return TOO_MANY_BYTES
    return ""


def refusal_in_batch(config: StreamConfig, msgs: int, size: int, of_subject: int) -> str:
    """Return why a `discard: new` stream that would hold so much takes no message of a batch.

    `of_subject` is the number of messages on its subject, 0 for a roll-up. Other than by itself, a
    message that replaces one of its subject counts.
    Truth: server/jetstream_batching.go checkMsgHeadersPreClusteredProposal.
    """
    if 0 < config.max_msgs < msgs:
        return TOO_MANY
    if 0 < config.max_bytes < size:
        return TOO_MANY_BYTES
    if config.discard_new_per_subject and 0 < config.max_msgs_per_subject < of_subject:
        return TOO_MANY_OF_SUBJECT
    return ""


def makes_room(config: StreamConfig) -> bool:
    """Say whether the oldest messages go when there are too many altogether. With `discard: new`
    they stay, also under a limit that was lowered: what comes is refused.
    """
    return config.discard != "new" and (config.max_msgs > 0 or config.max_bytes > 0)


def excess_msgs(config: StreamConfig, state: StreamState) -> int:
    """Return how many messages are above max_msgs."""
    return max(0, state.msgs - config.max_msgs) if config.max_msgs > 0 else 0


def excess_bytes(config: StreamConfig, state: StreamState) -> int:
    """Return how many bytes are above max_bytes."""
    return max(0, state.bytes - config.max_bytes) if config.max_bytes > 0 else 0


def excess_of_subject(config: StreamConfig, of_subject: SubjectState | None) -> int:
    """Return how many messages of one subject are above max_msgs_per_subject."""
    if config.max_msgs_per_subject <= 0 or of_subject is None:
        return 0
    return max(0, of_subject.msgs - config.max_msgs_per_subject)


def expiry_cutoff_ns(config: StreamConfig, now_ns: int) -> int:
    """Return the time before which messages are too old; 0: none are."""
    return now_ns - config.max_age if config.max_age > 0 else 0


def next_expiry_ns(config: StreamConfig, first_ts_ns: int | None, now_ns: int) -> int | None:
    """Return in how long a message of that time becomes too old, or None when none will."""
    if config.max_age <= 0 or first_ts_ns is None:
        return None
    return max(0, first_ts_ns + config.max_age - now_ns)

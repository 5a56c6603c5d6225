"""Whether what waits for the hub fills its stream, so that something is lost or refused.

Pure: values in, words out. Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.uplink.answers import ConsumerInfo, StreamInfo

_REFUSED: Final = "what comes is refused"


def full(stream: StreamInfo, consumer: ConsumerInfo) -> str:
    """Return why there is no room for more, empty while there is.

    A stream that also keeps what the hub has is full of that first. With `discard: old` what goes
    then is no loss; with `discard: new` what comes is refused all the same.
    """
    config, state = stream.config, stream.state
    if not state.messages:
        return ""
    if 0 < config.max_msgs <= state.messages:
        bound = f"max_msgs {config.max_msgs}"
    elif 0 < config.max_bytes < state.bytes + state.bytes // state.messages:
        bound = f"max_bytes {config.max_bytes}"
    else:
        return ""
    if state.first_seq <= consumer.ack_floor.stream_seq <= state.last_seq:
        return f"the stream is full: {bound}, {_REFUSED}" if config.discard == "new" else ""
    lost = _REFUSED if config.discard == "new" else "the oldest are lost"
    return f"the backlog is full: {bound} of messages that the hub does not have, {lost}"

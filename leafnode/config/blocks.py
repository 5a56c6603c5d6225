"""The blocks of a configuration: for each a table of its keys, and the rules among its values.

Knows jetstream and store; not the options outside of blocks, nor the
blocks with a file of their own, and not what an option does. Truth: nats-server 2.15.1 for its keys
(measured), for ours docs/configuration.md.
"""

from __future__ import annotations

from typing import Any, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config import convert, refused, taken
from leafnode.config.options import JetStreamLimits, JetStreamOptions, StoreOptions
from leafnode.config.place import Block, Place, Row

# --- jetstream


def jetstream(place: Place) -> JetStreamOptions:
    value = place.node.value
    if isinstance(value, bool):
        return JetStreamOptions(enabled=value)
    if isinstance(value, str):
        word = convert.one_of("enabled", "enable", "disabled", "disable")(place)
        return JetStreamOptions(enabled=word.startswith("enable"))
    return JetStreamOptions(**_JETSTREAM.read(place).values)


def _limits(place: Place) -> JetStreamLimits:
    values = _LIMITS.read(place).values
    return JetStreamLimits(**{**values.pop("batch", {}), **values})


def _batch(place: Place) -> dict[str, Any]:
    return _BATCH.read(place).values


def _ha_assets(place: Place) -> int:
    place.warn("taken without effect: there is no cluster")
    return _BOUND(place)


_BOUND: Final = convert.number(0, 2**31 - 1, "a count", below=0)
_BATCH: Final = Block(
    (
        Row(("max_inflight_per_stream",), "batches_of_stream", _BOUND),
        Row(("max_inflight_total",), "batches", _BOUND),
        Row(
            ("max_msgs",),
            "batch_msgs",
            # The whole batch is staged at once.
            convert.number(0, limits.STAGED_ROWS_MAX, "a count", below=0),
        ),
        Row(("timeout",), "batch_timeout_ns", convert.interval()),
    )
)
_LIMITS: Final = Block(
    (
        Row(("max_request_batch",), "max_request_batch", _BOUND),
        Row(("max_ack_pending",), "max_ack_pending", _BOUND),
        Row(("max_ha_assets",), "max_ha_assets", _ha_assets),
        Row(("duplicate_window",), "duplicate_window_ns", convert.interval()),
        Row(
            ("default_max_consumers",),
            "default_max_consumers",
            convert.number(0, 2**31 - 1, "a count", below=-1),
        ),
        Row(("batch",), "batch", _batch),
    )
)
_STORE_DIR: Final = JetStreamOptions().store_dir
_JETSTREAM: Final = Block(
    (
        Row(("enabled", "enable"), "enabled", convert.boolean),
        Row(("store_dir", "storedir", "store"), "store_dir", convert.text_or(_STORE_DIR)),
        Row(("domain",), "domain", convert.or_default("", convert.name_of("domain"))),
        Row(("max_memory_store", "max_mem_store", "max_mem"), "max_memory_bytes", convert.storage),
        Row(("max_file_store", "max_file"), "max_file_bytes", convert.storage),
        Row(("limits",), "limits", _limits),
        Row(("strict",), "strict", convert.boolean),
    ),
    refused.JETSTREAM,
    taken.JETSTREAM,
)


# --- store


def store(place: Place) -> StoreOptions:
    return StoreOptions(**_STORE.read(place).values)


def _commit_interval(place: Place) -> int:
    interval_ns = convert.wait(place)
    if interval_ns > limits.COMMIT_INTERVAL_MAX_NS:
        raise place.expected(f"at most {limits.COMMIT_INTERVAL_MAX_NS // NS_PER_S}s")
    return interval_ns


_STORE: Final = Block(
    (
        Row(("commit_interval",), "commit_interval_ns", _commit_interval),
        Row(("scrub_rate",), "scrub_rate", convert.number(0, 1 << 40, "bytes a second")),
    )
)

"""What nats-server 2.15.1 knows and this server takes without effect: key by key, with the reason.

A table and nothing else. A value is checked as nats-server checks it. A key without a reason is
taken in silence: what it asks for holds already. Truth: every key was accepted by `nats-server -t`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.config import convert, refused
from leafnode.config.place import Block, Row, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leafnode.config.place import Place

_INT64_MAX: Final = 2**63 - 1
_SYNC_NS: Final = 120 * NS_PER_S  # nats-server's own
_BOUNDED: Final = "this bound is fixed here"
_NO_CLUSTER: Final = "there is no cluster"
_NO_OCSP: Final = "no OCSP answers are stapled or kept"
_COUNT: Final = convert.number(-_INT64_MAX, _INT64_MAX, "a count")
_NONE: Final = convert.text_or("")
_FALSE: Final = "not supported: only false is taken"


def _each(
    convert_: Callable[[Place], object],
    reason: str,
    keys: str,
    name: str = "",
    default: object = "",
) -> dict[str, Taken]:
    return dict.fromkeys(keys.split(), Taken(convert_, reason, name, default))


def _flags(place: Place) -> tuple[tuple[str, bool], ...]:
    """Of 2.15.1's three two are of clusters, and the third changes the subjects of acks."""
    found = []
    for name, node in place.entries().items():
        flag = place.child(name, node)
        found.append((name, convert.boolean(flag)))
        if found[-1][1]:
            flag.warn("taken without effect: there is no such feature here")
    return tuple(sorted(found))


_OCSP_MODE: Final = "not supported: no OCSP answers are stapled; take ocsp out, or set mode never"
_OCSP: Final = Block(
    (
        Row(("mode",), "mode", convert.only(("auto", "never"), why=_OCSP_MODE)),
        Row(("url",), "url", convert.text),
    )
)
_MIGRATE: Final = Block(
    (Row(("leader_migrate_delay",), "leader_migrate_delay", convert.interval()),)
)


def _empty(reason: str) -> Callable[[Place], None]:
    def check(place: Place) -> None:
        if place.node.value != {}:
            raise place.error(reason)

    return check


def _ocsp(place: Place) -> None:
    """`auto`, which is what true means, staples only for certificates that demand it."""
    if not isinstance(place.node.value, bool):
        _OCSP.read(place)


def _ocsp_cache(place: Place) -> None:
    if not isinstance(place.node.value, bool):
        place.entries()


def _migrate(place: Place) -> None:
    if not isinstance(place.node.value, bool):
        _MIGRATE.read(place)


def _sync(place: Place) -> str | int:
    """No acknowledgement leaves before its COMMIT, which is more than any interval promises."""
    return "always" if place.node.value == "always" else convert.interval(1)(place)


TOP: Final[Mapping[str, Taken]] = (
    _each(_COUNT, "every failed dial is logged", "connect_error_reports reconnect_error_reports")
    | _each(_flags, "", "feature_flags", "FeatureFlags", ())
    | _each(_ocsp, _NO_OCSP, "ocsp")
    | _each(_ocsp_cache, _NO_OCSP, "ocsp_cache")
    # An empty block asks for nothing.
    | {key: Taken(_empty(reason)) for key, reason in refused.TOP.items()}
    # The cache of matches is bounded, and costs less than it saves.
    | _each(
        convert.boolean,
        "",
        "disable_sublist_cache no_sublist_cache",
        "NoSublistCache",
        default=False,
    )
)
JETSTREAM: Final[Mapping[str, Taken]] = (
    _each(_sync, "", "sync sync_interval", "SyncInterval", _SYNC_NS)
    | _each(_COUNT, _BOUNDED, "max_buffered_msgs", "StreamMaxBufferedMsgs", 0)
    | _each(_COUNT, _BOUNDED, "request_queue_limit", "JetStreamRequestQueueLimit", 10_000)
    | _each(_COUNT, _BOUNDED, "info_queue_limit", "JetStreamInfoQueueLimit", 10_000)
    | _each(convert.storage, _BOUNDED, "max_buffered_size", "StreamMaxBufferedSize", 0)
    | _each(convert.number(4, 8192, "a count"), _BOUNDED, "max_concurrent_io")
    | _each(_NONE, _NO_CLUSTER, "unique_tag", "JetStreamUniqueTag")
    | _each(_NONE, _NO_CLUSTER, "extension_hint", "JetStreamExtHint")
    | _each(convert.storage, _NO_CLUSTER, "max_outstanding_catchup", "JetStreamMaxCatchup", 0)
    | _each(convert.storage, _NO_CLUSTER, "meta_compact_size")
    | _each(convert.number(0, _INT64_MAX, "a count"), _NO_CLUSTER, "meta_compact")
    | _each(convert.boolean, _NO_CLUSTER, "meta_compact_sync")
)
ACCOUNT_JETSTREAM: Final[Mapping[str, Taken]] = _each(
    convert.only(("", "system", "owner"), why="expected system or owner"),
    _NO_CLUSTER,
    "cluster_traffic",
)
LEAFNODES: Final[Mapping[str, Taken]] = (
    _each(
        convert.boolean,
        "",  # there are no routes to tell anybody by
        "no_advertise",
        'LeafNode: field "NoAdvertise"',
        default=False,
    )
    | _each(convert.interval(1), "that of the server holds", "write_deadline")
    | _each(convert.one_of("default", "close", "retry"), "a link is closed", "write_timeout")
)
REMOTE: Final[Mapping[str, Taken]] = _each(
    _migrate, _NO_CLUSTER, "jetstream_cluster_migrate js_cluster_migrate"
)
LISTENER_TLS: Final[Mapping[str, Taken]] = (
    # Without effect on a listener there, too.
    _each(convert.boolean, "", "insecure")
    | _each(convert.only((False,), why=_FALSE), "", "ocsp_peer")
)
REMOTE_TLS: Final[Mapping[str, Taken]] = (
    # They are a listener's matter: who dials always verifies, unless `insecure` says otherwise.
    _each(convert.boolean, "", "verify verify_and_map")
    | _each(_COUNT, "", "connection_rate_limit")
    | _each(convert.boolean, "", "allow_insecure_cipher_suites")
    | _each(convert.only((False,), why=_FALSE), "", "ocsp_peer")
)

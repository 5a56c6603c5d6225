"""What nats-server 2.15.1 knows and this server does not do: key by key, with where to go instead.

A table and nothing else. A key leaves it in the change that makes the option work.
Truth: every key was accepted by `nats-server -t`.
"""

from __future__ import annotations

from typing import Final


def _each(reason: str, keys: str) -> dict[str, str]:
    return dict.fromkeys(keys.split(), reason)


_NOT_YET: Final = "not supported yet"
_NO_CLUSTER: Final = "leafnode builds no cluster: point leafnodes.remotes at one"
_NO_LEAFS: Final = "not supported: leafnode accepts no leaf connections, it dials them (remotes)"
_ALWAYS_VERIFIED: Final = "not supported: the certificate of a remote is always verified"

TOP: Final[dict[str, str]] = (
    _each(_NO_CLUSTER, "cluster gateway")
    | _each(
        _NOT_YET,
        "resolver_tls trace_headers connect_error_reports reconnect_error_reports",
    )
    | _each("not supported", "mqtt ocsp ocsp_cache feature_flags")
)

JETSTREAM: Final[dict[str, str]] = (
    _each(
        "not supported: put store_dir on an encrypted file system",
        "key ek encryption_key prev_key prev_ek prev_encryption_key cipher tpm",
    )
    | _each(
        _NOT_YET,
        "limits strict max_buffered_size max_buffered_msgs request_queue_limit info_queue_limit",
    )
    | _each(
        _NO_CLUSTER,
        "unique_tag extension_hint max_outstanding_catchup meta_compact meta_compact_size "
        "meta_compact_sync",
    )
)

LEAFNODES: Final[dict[str, str]] = _each(
    _NO_LEAFS,
    "listen host net port advertise leafnode_advertise no_advertise authorization tls "
    "min_version minimum_version",
) | _each(_NOT_YET, "isolate_leafnode_interest isolate write_deadline write_timeout")

REMOTE: Final[dict[str, str]] = (
    _each(
        _NOT_YET,
        "hub proxy isolate_leafnode_interest isolate request_isolation ws_compression ws_compress "
        "websocket_compress websocket_compression ws_no_masking websocket_no_masking",
    )
    | _each(_NO_CLUSTER, "jetstream_cluster_migrate js_cluster_migrate")
    | _each(
        "not supported here: put it into the url or use credentials or nkey",
        "user username password pass token",
    )
)

# On a listener; those of a remote follow.
LISTENER_TLS: Final[dict[str, str]] = _each(
    "not supported: a certificate store is Windows'",
    "cert_store cert_match cert_match_by cert_match_skip_invalid ca_certs_match",
) | _each("not supported", "ocsp_peer verify_cert_and_check_known_urls")

TLS: Final[dict[str, str]] = _each(
    _ALWAYS_VERIFIED, "insecure verify verify_and_map verify_cert_and_check_known_urls"
) | _each(
    _NOT_YET,
    "pinned_certs cipher_suites curve_preferences min_version ocsp_peer cert_store cert_match "
    "cert_match_by cert_match_skip_invalid ca_certs_match connection_rate_limit certs",
)

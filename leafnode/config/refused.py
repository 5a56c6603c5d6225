"""What nats-server 2.15.1 knows and this server does not do: key by key, with where to go instead.

A table and nothing else. A key leaves it in the change that makes the option work.
Truth: every key was accepted by `nats-server -t`.
"""

from __future__ import annotations

from typing import Final


def _each(reason: str, keys: str) -> dict[str, str]:
    return dict.fromkeys(keys.split(), reason)


_NO_CLUSTER: Final = "leafnode builds no cluster: point leafnodes.remotes at one"

_CERT_STORE: Final = "cert_store cert_match cert_match_by cert_match_skip_invalid ca_certs_match"

TOP: Final[dict[str, str]] = _each(_NO_CLUSTER, "cluster gateway") | _each(
    "not supported: leafnode speaks no MQTT; leave the block to a hub",
    "mqtt",
)

JETSTREAM: Final[dict[str, str]] = _each(
    "not supported: put store_dir on an encrypted file system",
    "key ek encryption_key prev_key prev_ek prev_encryption_key cipher tpm",
)

REMOTE: Final[dict[str, str]] = _each(
    "not supported here: put it into the url or use credentials or nkey",
    "user username password pass token",
)

TLS: Final[dict[str, str]] = _each(
    "not supported: a certificate store is Windows'",
    _CERT_STORE,
) | _each("not supported in this context", "verify_cert_and_check_known_urls")

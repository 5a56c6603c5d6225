"""The digest of a configuration, by which two files can be told apart: `config_digest` of /varz.

Knows the tree of a file, variables resolved; not what any key means. Truth: measured on
nats-server 2.15.1, conf/parse.go configDigest: SHA-256 over Go's JSON of the tree.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from leafnode.go_json import escaped
from leafnode.sha256 import sha256

if TYPE_CHECKING:
    from leafnode.config.parser import Node


def config_digest(root: Node) -> str:
    """Return `sha256:` and 64 hexadecimal digits."""
    text = escaped(msgspec.json.encode(_plain(root), order="sorted"))
    return "sha256:" + sha256(text + b"\n").hex()


def _plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value

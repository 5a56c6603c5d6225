"""What the accepting side of a leaf connection says of itself, and what a leaf's CONNECT claims.

Knows the JSON of INFO and CONNECT on the leaf port; not when they are sent, and not whether what is
claimed holds. Truth: nats-server 2.15.1 server/leafnode.go leafConnectInfo, copyLeafNodeInfo;
fields and their order measured on its binary.
"""

from __future__ import annotations

import msgspec

from leafnode import go_json
from leafnode.limits import LEAF_NAME_CHARS_MAX
from leafnode.protocol.errors import ConnectMalformed
from leafnode.protocol.leaf_op import TRACING_PROTOCOL, SubjectRulesInfo


class LeafServerInfo(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={"import_rules": "import", "export_rules": "export"},
):
    """INFO as a leaf reads it. A field at its default is left out, as nats-server does."""

    server_id: str
    server_name: str
    version: str
    proto: int
    git_commit: str
    go: str
    host: str
    port: int
    headers: bool = False
    auth_required: bool = False
    tls_required: bool = False
    tls_verify: bool = False
    max_payload: int = 0
    jetstream: bool = False
    ip: str = ""  # where it is reached, host:port
    client_id: int = 0
    nonce: str = ""
    cluster: str = ""
    domain: str = ""
    connect_info: bool = False
    remote_account: str = ""
    acc_is_sys: bool = False
    import_rules: SubjectRulesInfo | None = None  # what the leaf may receive
    export_rules: SubjectRulesInfo | None = None  # what it may send
    compression: str = ""
    api_lvl: int = 0
    info_on_connect: bool = False
    leafnode_urls: list[str] | None = None


class LeafConnectClaim(msgspec.Struct, frozen=True):
    """CONNECT as a leaf sends it, without its credentials: `info.parse_connect` reads those."""

    version: str = ""
    server_id: str = ""
    name: str = ""
    cluster: str = ""
    domain: str = ""
    headers: bool = False
    jetstream: bool = False
    is_hub: bool = False
    isolate: bool = False
    compress_mode: str = ""
    remote_account: str = ""
    gateway: str = ""
    protocol: int = 0
    deny_pub: list[str] | None = None

    @property
    def traces(self) -> bool:
        """Whether messages are traced on there."""
        return self.protocol >= TRACING_PROTOCOL


def encode_leaf_info(info: LeafServerInfo) -> bytes:
    """Return the INFO line, with nats-server's blank at its end.

    JSON escapes control characters, so no value can end the line.
    """
    return b"INFO %b \r\n" % go_json.encode(info)


def parse_claim(text: bytes) -> LeafConnectClaim:
    """Return what a CONNECT claims; unknown fields are skipped. Raises ConnectMalformed.

    Like Go: names of fields in any case, null for what is absent.
    """
    try:
        fields = msgspec.json.decode(text.decode("utf-8", "replace"))
        if not isinstance(fields, dict | None):
            raise ConnectMalformed("CONNECT is no JSON object")
        given = {name.lower(): value for name, value in (fields or {}).items() if value is not None}
        claim = msgspec.convert(given, LeafConnectClaim)
    except (ValueError, RecursionError) as err:  # msgspec's errors are ValueErrors
        raise ConnectMalformed(f"CONNECT is malformed: {err}") from err
    if any(
        len(text) > LEAF_NAME_CHARS_MAX
        for text in (
            *(claim.name, claim.cluster, claim.domain, claim.remote_account),
            *(claim.version, claim.compress_mode),
        )
    ):
        raise ConnectMalformed("CONNECT has a name that is too long")
    return claim

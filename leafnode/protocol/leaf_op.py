"""Control lines of the leaf protocol: bytes to small objects and back.

Knows the grammar of LS+, LS-, INFO, CONNECT, PING, PONG, +OK and -ERR between leaf nodes; not the
order in which they may come (leaf_session), not messages (routing's lane has LMSG and HMSG).
Truth: nats-server 2.15.1 server/leafnode.go, server/parser.go; behaviour measured on its binary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from leafnode.limits import MAX_SIZE_DIGITS
from leafnode.protocol.errors import ParserError, UnknownOperation
from leafnode.protocol.info import COMPATIBLE_VERSION
from leafnode.protocol.op import Ping, Pong

LEAF_PROTOCOL: Final = 1
# Who says this traces messages: it delivers none that is to be traced only.
TRACING_PROTOCOL: Final = 3

PING_LINE: Final = b"PING\r\n"
PONG_LINE: Final = b"PONG\r\n"


class SubjectRulesInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Permissions as INFO carries them."""

    allow: list[str] | None = None
    deny: list[str] | None = None


class LeafInfo(
    msgspec.Struct, frozen=True, rename={"import_rules": "import", "export_rules": "export"}
):
    """INFO between leaf nodes. The first one has the nonce, the second `connect_info`."""

    server_id: str = ""
    server_name: str = ""
    version: str = ""
    proto: int = 0
    client_id: int = 0
    client_ip: str = ""  # only client ports send it: how dialing the wrong port shows
    nonce: str = ""
    tls_required: bool = False
    headers: bool = False
    max_payload: int = 0
    jetstream: bool = False
    domain: str = ""
    cluster: str = ""
    compression: str = ""  # how the hub packs, or a leaf that answers it
    info_on_connect: bool = False
    connect_info: bool = False
    remote_account: str = ""
    import_rules: SubjectRulesInfo | None = None  # what we may receive
    export_rules: SubjectRulesInfo | None = None  # what we may send
    leafnode_urls: list[str] | None = None
    ws_connect_urls: list[str] | None = None  # what counts for whoever came over WebSocket

    @property
    def traces(self) -> bool:
        """Whether the hub traces messages on."""
        return self.proto >= TRACING_PROTOCOL


@dataclass(frozen=True, slots=True)
class LeafSub:
    """LS+: the peer wants `subject`. `weight` counts the members of `queue`."""

    subject: bytes
    queue: bytes = b""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class LeafUnsub:
    """LS-: the peer no longer wants `subject`."""

    subject: bytes
    queue: bytes = b""


@dataclass(frozen=True, slots=True)
class Ok:
    """+OK: tolerated, never asked for."""


@dataclass(frozen=True, slots=True)
class Err:
    """-ERR: the peer's complaint, without its quotes. It does not close by itself."""

    text: str


@dataclass(frozen=True, slots=True)
class SecondConnect:
    """CONNECT on a link that is up already. The first one is leaf_acceptor's to read."""


LeafOp = LeafInfo | LeafSub | LeafUnsub | Ping | Pong | Ok | Err | SecondConnect

_PING: Final = Ping()
_PONG: Final = Pong()
_OK: Final = Ok()
_CONNECT: Final = SecondConnect()
_ERROR_TEXT_MAX: Final = 512  # what of a peer's complaint is kept for logs and status
_INFO_DECODER: Final = msgspec.json.Decoder(LeafInfo)


@dataclass(frozen=True, slots=True)
class LeafCredentials:
    """What proves who we are, as CONNECT carries it. Empty fields are not sent."""

    user: str = ""
    password: str = field(default="", repr=False)
    auth_token: str = field(default="", repr=False)
    jwt: str = field(default="", repr=False)
    nkey: str = ""
    sig: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LeafConnect:
    """CONNECT of a dialing leaf node. `cluster` must be unique: the hub groups echoes by it."""

    name: str
    server_id: str
    cluster: str
    domain: str
    jetstream: bool
    remote_account: str
    deny_pub: tuple[str, ...]
    credentials: LeafCredentials
    traces: bool = False
    is_hub: bool = False
    isolate: bool = False
    compression: str = "off"


def parse_leaf_line(line: bytes) -> LeafOp:
    """Return the operation of one control line given without its CRLF.

    Raises ProtocolError. LMSG and HMSG are refused here: the lane has them.
    """
    verb, _, arguments = line.strip(b" \t").replace(b"\t", b" ").partition(b" ")
    match verb.upper():
        case b"LS+":
            return _parse_sub(arguments.split())
        case b"LS-":
            return _parse_unsub(arguments.split())
        case b"PING":
            return _PING
        case b"PONG":
            return _PONG
        case b"INFO":
            return parse_info(line.strip(b" \t")[len(verb) :])
        case b"-ERR":
            return Err(_printable(arguments.strip(b" '")[:_ERROR_TEXT_MAX]))
        case b"+OK":
            return _OK
        case b"CONNECT":
            return _CONNECT
        case _:
            raise UnknownOperation(_printable(verb[:32]))


def parse_info(text: bytes) -> LeafInfo:
    """Return INFO's JSON; unknown fields are skipped. Raises ParserError."""
    try:
        return _INFO_DECODER.decode(text)
    except (
        ValueError,
        RecursionError,
    ) as err:  # DecodeError and UnicodeDecodeError are ValueErrors
        raise ParserError("INFO is not the JSON of a leaf node") from err


def encode_sub(subject: bytes, queue: bytes = b"", weight: int = 1) -> bytes:
    """Return the LS+ line for interest in `subject`."""
    if queue:
        return b"LS+ %b %b %d\r\n" % (subject, queue, weight)
    return b"LS+ %b\r\n" % subject


def encode_unsub(subject: bytes, queue: bytes = b"") -> bytes:
    """Return the LS- line; it carries the key of the LS+, not the weight."""
    return b"LS- %b %b\r\n" % (subject, queue) if queue else b"LS- %b\r\n" % subject


def encode_error(text: bytes) -> bytes:
    """Return the -ERR line."""
    return b"-ERR '%b'\r\n" % text


def encode_compression(server_id: str, name: str, mode: str) -> bytes:
    """Return the INFO by which a leaf agrees to packing."""
    fields = {
        "server_id": server_id,
        "server_name": name,
        "version": COMPATIBLE_VERSION,
        "compression": mode,
    }
    return b"INFO %b\r\n" % msgspec.json.encode(fields)


def encode_connect(connect: LeafConnect) -> bytes:
    """Return the CONNECT line. JSON escapes control characters, so no value can end the line."""
    fields: dict[str, str | bool | int | tuple[str, ...]] = {
        "version": COMPATIBLE_VERSION,  # the hub's `min_version` is compared with it
        "server_id": connect.server_id,
        "name": connect.name,
        "cluster": connect.cluster,
        "domain": connect.domain,
        "headers": True,
        "jetstream": connect.jetstream,
        "compress_mode": connect.compression,
        "remote_account": connect.remote_account,
        "protocol": TRACING_PROTOCOL if connect.traces else LEAF_PROTOCOL,
        "is_hub": connect.is_hub,
        "isolate": connect.isolate,
        "deny_pub": connect.deny_pub,
        "user": connect.credentials.user,
        "pass": connect.credentials.password,
        "auth_token": connect.credentials.auth_token,
        "jwt": connect.credentials.jwt,
        "nkey": connect.credentials.nkey,
        "sig": connect.credentials.sig,
    }
    sent = {name: value for name, value in fields.items() if value}
    return b"CONNECT %b\r\n" % msgspec.json.encode(sent)


def _parse_sub(arguments: list[bytes]) -> LeafSub:
    match arguments:
        case [subject]:
            return LeafSub(subject)
        case [subject, queue, weight]:
            return LeafSub(subject, queue, _parse_weight(weight))
        case _:
            raise ParserError("LS+ has one or three arguments")


def _parse_unsub(arguments: list[bytes]) -> LeafUnsub:
    match arguments:
        case [subject]:
            return LeafUnsub(subject)
        case [subject, queue]:
            return LeafUnsub(subject, queue)
        case _:
            raise ParserError("LS- has one or two arguments")


def _parse_weight(text: bytes) -> int:
    # nats-server takes a weight that is no number for granted; one member is the least it means.
    if len(text) > MAX_SIZE_DIGITS or not text.isdigit():
        return 1
    return max(1, int(text))


def _printable(text: bytes) -> str:
    """Return what may go to a log line: no control characters, whatever the peer sent."""
    return "".join(char if char.isprintable() else "?" for char in text.decode("utf-8", "replace"))

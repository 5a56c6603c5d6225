"""INFO and CONNECT of the client protocol: JSON to structs and back.

Knows fields, defaults and how Go reads JSON (field names in any case, null means absent); not when
the two are sent. Truth: nats-server 2.15.1 server/server.go Info, server/client.go ClientOpts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from leafnode import go_json
from leafnode.limits import CONNECT_WORK
from leafnode.protocol.errors import ConnectMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping

# Clients switch features by `version` and `api_lvl`, so INFO names the level that we are compatible
# with; our own version goes into a field of ours.
COMPATIBLE_VERSION: Final = "2.15.1"
PROTOCOL_VERSION: Final = 1
CLIENT_PROTOCOLS: Final = (0, 1)  # 1: understands INFO that comes later
# Of a turn, see limits.CONNECT_WORK.
SIGNED_WORK: Final = 2048  # the signature of a CONNECT, and of its JWT; 0.3 ms on a PC
JWT_CHAR_WORK: Final = 3  # each character of that; one of 2.5 KB takes 1.2 ms


class ServerInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """INFO as a client reads it. A field at its default is left out, as nats-server does."""

    server_id: str
    server_name: str
    version: str
    proto: int
    git_commit: str
    go: str
    host: str
    port: int
    headers: bool
    max_payload: int
    client_id: int
    api_lvl: int
    leafnode_version: str
    client_ip: str = ""  # behind a proxy not known at first
    auth_required: bool = False
    tls_required: bool = False
    tls_verify: bool = False
    tls_available: bool = False
    jetstream: bool = False
    domain: str = ""
    nonce: str = ""
    xkey: str = ""  # what answers of an auth callout service are sealed for
    connect_info: bool = False
    remote_account: str = ""
    acc_is_sys: bool = False
    ldm: bool = False


class Connect(msgspec.Struct, frozen=True, rename={"password": "pass"}):
    """CONNECT as a client sends it. What is left out is verbose, pedantic and echoes: measured."""

    verbose: bool = True
    pedantic: bool = True
    echo: bool = True
    headers: bool = False
    no_responders: bool = False
    protocol: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] = 0
    name: str = ""
    lang: str = ""
    version: str = ""
    user: str = ""
    password: str = ""
    auth_token: str = ""
    jwt: str = ""
    nkey: str = ""
    sig: str = ""
    proxy_sig: str = ""
    account: str = ""
    new_account: bool = False
    tls_required: bool = False

    @property
    def work(self) -> int:
        """What it takes to check it, beside its line: signatures are as long as many lines."""
        signed = SIGNED_WORK if self.sig or self.jwt else 0
        return CONNECT_WORK + signed + JWT_CHAR_WORK * len(self.jwt)

    def __repr__(self) -> str:
        return f"Connect(name={self.name!r}, lang={self.lang!r}, version={self.version!r})"


def with_credentials(connect: Connect, credentials: Mapping[str, str]) -> Connect:
    """Return it with what it leaves empty filled from cookies, by field."""
    missing = {name: text for name, text in credentials.items() if not getattr(connect, name)}
    return msgspec.structs.replace(connect, **missing) if missing else connect


# An escape of JSON: a pair of surrogates, half of one, or any other.
_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)
REDACTED: Final = "[REDACTED]"  # what nats-server calls somebody who has nothing but a token


def raw_user(connect: Connect) -> str:
    """Return what a login calls itself."""
    if connect.nkey or connect.user:
        return connect.nkey or connect.user
    return REDACTED if connect.auth_token else ""


def says_who(connect: Connect) -> bool:
    """Say whether it holds anything that could prove somebody."""
    return bool(connect.user or connect.nkey or _has_secrets(connect))


def without_secrets(connect: Connect) -> Connect:
    """Return what may be kept for as long as the connection lives; it itself if that is all."""
    if not _has_secrets(connect):
        return connect
    token = REDACTED if connect.auth_token else ""
    return msgspec.structs.replace(
        connect, password="", auth_token=token, jwt="", sig="", proxy_sig=""
    )


def _has_secrets(connect: Connect) -> bool:
    secrets = connect.password, connect.auth_token, connect.jwt, connect.sig, connect.proxy_sig
    return any(secrets)


class _Fraction:
    """A number with a point or an exponent, 1e999 too: no field of ours is one."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        del text


_decode: Final = msgspec.json.Decoder(float_hook=_Fraction).decode

DEFAULT_CONNECT: Final = Connect()  # what holds for a client that never sends one
_LASTING: Final = (
    *("verbose", "pedantic", "echo", "headers", "no_responders"),
    *("protocol", "name", "lang", "version"),
)


def encode_info(info: ServerInfo) -> bytes:
    """Return the INFO line, with nats-server's blank at its end.

    JSON escapes control characters, so no value can end the line.
    """
    return b"INFO %b \r\n" % go_json.encode(info)


def parse_connect(text: bytes, before: Connect = DEFAULT_CONNECT) -> Connect:
    """Return the options of a CONNECT; unknown fields are skipped. Raises ConnectMalformed.

    How to serve the client stays as a CONNECT `before` said where this one does not say it; who it
    is has to be said again. What is no Unicode, in bytes or in escapes, is U+FFFD: Go reads it so.
    """
    try:
        fields = _decode(_paired(text.decode("utf-8", "replace")))
        if not isinstance(fields, dict | None):
            raise ConnectMalformed("CONNECT is no JSON object")
        kept = {name: getattr(before, name) for name in _LASTING}
        given = {name.lower(): value for name, value in (fields or {}).items() if value is not None}
        return msgspec.convert(kept | given, Connect)
    except (ValueError, RecursionError) as err:  # msgspec's errors are ValueErrors
        raise ConnectMalformed(f"CONNECT is malformed: {err}") from err


def _paired(text: str) -> str:
    """Return JSON without escapes of half a character."""
    return _ESCAPES.sub(_whole, text) if "\\u" in text else text


def _whole(found: re.Match[str]) -> str:
    return "\\ufffd" if found["half"] else found[0]

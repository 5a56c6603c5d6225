"""What an HTTP request must be, beside what h11 looks at: its first line, its headers. Sans I/O.

Truth: RFC 9112 section 3; nats-server 2.15.1, which has it of Go's net/http, with the words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import h11


BAD_REQUEST: Final = "400 Bad Request"
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(rb"[A-Za-z0-9!$%&'()*+,.:;=\[\]_~-]*")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def flaw(request: h11.Request) -> str:
    """Return Go's status and words for a request that cannot be answered, or "".

    A version nobody knows, a target that is none, a host or a header that cannot be.
    """
    if not request.http_version.startswith(b"1."):
        return "505 HTTP Version Not Supported: unsupported protocol version"
    target = request.target
    is_target = target.startswith(b"/") or b"://" in target or request.method == b"CONNECT"
    if not is_target and not is_about_the_server(request):
        return BAD_REQUEST
    try:
        target_host(request)
    except ValueError:
        return BAD_REQUEST
    if _BAD_ESCAPE.search(target.partition(b"?")[0]):
        return BAD_REQUEST
    for name, value in request.headers:
        if name == b"host" and not _HOST.fullmatch(value):
            return f"{BAD_REQUEST}: malformed Host header"
        if _CONTROL.search(value):
            return BAD_REQUEST
    return ""


def target_host(request: h11.Request) -> str | None:
    """Return the host that an absolute target names, which is the one that counts; None for a path.

    Raises ValueError for one that is none.
    """
    target = request.target.decode("latin-1")
    if target.startswith("/") or "://" not in target:
        return None
    return urlsplit(target).netloc


def refused_status(request: h11.Request) -> int:
    """Return the status to refuse it with, or 0."""
    return int(flaw(request)[:3] or 0)


def is_about_the_server(request: h11.Request) -> bool:
    """Say whether it is `OPTIONS *`, which asks of nothing but whether a server is there."""
    return request.method == b"OPTIONS" and request.target == b"*"

"""What an HTTP request must be, beside what h11 looks at: its first line, its headers. Sans I/O.

Truth: RFC 9112 section 3; nats-server 2.15.1, which has it of Go's net/http, with the words.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import h11


BAD_REQUEST: Final = "400 Bad Request"
TOO_LARGE: Final = "431 Request Header Fields Too Large"
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(rb"[A-Za-z0-9!$%&'()*+,.:;=\[\]_~-]*")
# What h11 says of a header whose name has blanks, and nothing else that a name may not have.
_BLANK_IN_NAME: Final = re.compile(
    r"illegal header line: bytearray\(b['\"][\w!#$%&'*+.^`|~-]+ [\w!#$%&'*+.^`|~ -]*:", re.ASCII
)
_BLANKS_IN_LINE: Final = 2  # method, target, version
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_LISTED_LENGTH: Final = re.compile(rb"\ncontent-length:[^\n]*,", re.IGNORECASE)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def head_flaw(unread: bytes) -> str:
    """Return Go's status and words for what h11 would wait on, or would not tell, or "".

    A first line that is none is refused before the rest comes; of a list of lengths h11 makes one.
    """
    head = unread.lstrip(b"\r\n")
    line, is_whole, _ = head.partition(b"\n")
    if is_whole and line.count(b" ") < _BLANKS_IN_LINE:
        return BAD_REQUEST
    end = _END_OF_HEAD.search(head)
    if end is not None and _LISTED_LENGTH.search(head, 0, end.start()):
        return BAD_REQUEST
    return ""


def flaw(request: h11.Request) -> str:
    """Return Go's status and words for a request that cannot be answered, or "".

    A version nobody knows, a target that is none, a host or a header that cannot be.
    """
    if request.method == b"PRI":
        return BAD_REQUEST  # HTTP/2
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


def malformed(err: h11.RemoteProtocolError) -> str:
    """Return Go's status and words where h11 finds that it is no request."""
    if err.error_status_hint != HTTPStatus.BAD_REQUEST:
        status = HTTPStatus(err.error_status_hint)
        return f"{status} {status.phrase}"
    if "Missing mandatory Host" in str(err):
        return f"{BAD_REQUEST}: missing required Host header"
    if _BLANK_IN_NAME.match(str(err)):
        return f"{BAD_REQUEST}: invalid header name"
    return BAD_REQUEST


def refusal(text: str) -> bytes:
    """Return the whole answer to what is no request, in Go's way: not that of a handler."""
    head, body = text, text
    if (status := HTTPStatus(int(text[:3]))) == HTTPStatus.NOT_IMPLEMENTED:
        head, body = f"{status} {status.phrase}", "Unsupported transfer encoding"
    answer = (
        f"HTTP/1.1 {head}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Connection: close\r\n\r\n{body}"
    )
    return answer.encode()


def is_about_the_server(request: h11.Request) -> bool:
    """Say whether it is `OPTIONS *`, which asks of nothing but whether a server is there."""
    return request.method == b"OPTIONS" and request.target == b"*"

"""What the first line of an HTTP request must be, beside what h11 looks at. Sans I/O.

Truth: RFC 9112 section 3; nats-server 2.15.1, which has it of Go's net/http.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h11


def refused_status(request: h11.Request) -> int:
    """Return the status to refuse it with, or 0: a version nobody knows, a target that is none."""
    if not request.http_version.startswith(b"1."):
        return 505
    target = request.target
    if target.startswith(b"/") or b"://" in target or request.method == b"CONNECT":
        return 0
    return 0 if is_about_the_server(request) else 400


def is_about_the_server(request: h11.Request) -> bool:
    """Say whether it is `OPTIONS *`, which asks of nothing but whether a server is there."""
    return request.method == b"OPTIONS" and request.target == b"*"

"""What a running server says over its monitoring port.

Knows HTTP by http.client, which no server loads. Truth: docs/monitoring.md.
"""

from __future__ import annotations

import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from leafnode.errors import LeafnodeError

DEFAULT: Final = "http://127.0.0.1:8222"
_SECONDS_MAX: Final = 5
_ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024


class NoAnswer(LeafnodeError):  # noqa: N818 -- a condition of the other side
    """No server answers there, or not with what was asked for."""


def ask(url: str, path: str) -> dict[str, Any]:
    """Return the JSON of one monitoring page. Raises NoAnswer."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NoAnswer(f"{url}: expected http://host:port")
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname, parts.port, timeout=_SECONDS_MAX)
        try:
            connection.request("GET", parts.path.rstrip("/") + path)
            answer = connection.getresponse()
            body = answer.read(_ANSWER_BYTES_MAX)
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise NoAnswer(f"{url}{path}: {answer.status} {answer.reason}")
        found = json.loads(body)
    except (OSError, ValueError, http.client.HTTPException) as err:
        raise NoAnswer(f"{url}{path}: {getattr(err, 'strerror', None) or err}") from err
    if not isinstance(found, dict):
        raise NoAnswer(f"{url}{path}: no JSON object")
    return found

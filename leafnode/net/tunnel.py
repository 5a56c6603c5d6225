"""A way through an HTTP proxy: CONNECT, and what the proxy answers. Sans I/O.

Knows the proxy's address and login, and shows neither the one nor
the other's password; not what goes through. Truth: RFC 9110 section 9.3.6; nats-server 2.15.1
server/leafnode.go establishHTTPProxyTunnel.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from leafnode.limits import PROXY_ANSWER_BYTES_MAX
from leafnode.net.http_answer import Exchange, NoHttp

if TYPE_CHECKING:
    from leafnode.config.options import HttpProxy

_OK: Final = 200
_NEEDS_LOGIN: Final = 407


class Tunnel:
    """One request to a proxy, and its answer."""

    __slots__ = ("_http", "_proxy", "_target")

    def __init__(self, proxy: HttpProxy, host: str, port: int) -> None:
        """`host` and `port` are where the tunnel leads."""
        self._proxy = proxy
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._http = Exchange(head_bytes_max=PROXY_ANSWER_BYTES_MAX)

    def data(self) -> bytes:
        """Return the request."""
        headers = [(b"Host", self._target.encode())]
        proxy = self._proxy
        if proxy.user:
            login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode())
            headers.append((b"Proxy-Authorization", b"Basic " + login))
        return self._http.request(b"CONNECT", self._target, headers)

    def receive(self, data: bytes) -> bytes | None:
        """Take one read; None: the answer is not whole yet. Else what the host said already.

        Raises OSError for a refusal.
        """
        proxy = self._proxy
        try:
            answer = self._http.receive(data)
        except NoHttp as err:
            raise OSError(f"the proxy {proxy} answered no HTTP") from err
        except ConnectionResetError as err:
            raise OSError(f"the proxy {proxy} ended the connection without an answer") from err
        if answer is None:
            return None
        if answer.status == _OK:
            return answer.rest
        hint = ": check this remote's proxy.username and proxy.password"
        raise OSError(
            f"the proxy {proxy} refused {self._target}: HTTP {answer.status} {answer.reason}"
            f"{hint if answer.status == _NEEDS_LOGIN else ''}"
        )

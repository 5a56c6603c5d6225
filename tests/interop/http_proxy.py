"""A small HTTP proxy for tests: CONNECT and nothing else, and what it was asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class HttpProxyServer:
    """Lets through what is asked for with the right login, if it has one."""

    def __init__(self, login: str = "", *, answer: bytes = b"") -> None:
        """`login` is `user:password`. `answer`: said to everybody, instead of letting through."""
        self.asked: list[str] = []
        self.through = 0
        self.port = 0
        self._wanted = base64.b64encode(login.encode()).decode() if login else ""
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, EOFError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            if self._answer:
                writer.write(self._answer)
                await writer.drain()
                await reader.read()
                return
            if method != "CONNECT":
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                return
            if self._wanted and f"Proxy-Authorization: Basic {self._wanted}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            there, here = await asyncio.open_connection(host, int(port))
            with contextlib.closing(here):
                # Both together, so that what the host says first comes with the answer.
                early = b""
                with contextlib.suppress(TimeoutError):
                    early = await asyncio.wait_for(there.read(65536), 0.2)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n" + early)
                self.through += 1
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, here))
                    group.create_task(_copy(there, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        sink.close()


@contextlib.asynccontextmanager
async def running_proxy(login: str = "", *, answer: bytes = b"") -> AsyncIterator[HttpProxyServer]:
    """A proxy for the length of the block."""
    proxy = HttpProxyServer(login, answer=answer)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()

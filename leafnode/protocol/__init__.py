"""Sans-IO NATS: bytes in, operations and bytes out. No sockets, clocks, asyncio or logging."""

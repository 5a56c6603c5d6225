"""asyncio lives here: TCP and TLS, listener, outbound buffers, backoff. Knows nothing of NATS."""

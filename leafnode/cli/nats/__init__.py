"""What commands need of a NATS client: where the server is, a connection, what comes over it."""

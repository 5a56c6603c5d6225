"""JetStream: streams, consumers and their API on top of a store. Knows no sockets."""

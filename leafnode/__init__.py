"""leafnode: a NATS leaf node for the edge. This file imports nothing."""

__version__ = "0.1.0"

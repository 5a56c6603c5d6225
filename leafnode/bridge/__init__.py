"""The serial bridge: bytes of a port become readings, readings become stored messages."""

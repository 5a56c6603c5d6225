"""Local client connections: session events become account operations."""

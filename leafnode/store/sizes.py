"""What a message counts in its stream's bytes, as nats-server has it.

Knows sizes only. Truth: nats-server 2.15.1 server/filestore.go (fileStoreMsgSize) and
server/memstore.go (memStoreMsgSize).
"""

from __future__ import annotations

from typing import Final

FILE_RECORD_BYTES: Final = 22 + 8  # record head and checksum
HEADER_LENGTH_BYTES: Final = 4
MEMORY_RECORD_BYTES: Final = 16


def message_bytes(storage: str, subject_size: int, header_size: int, body_size: int) -> int:
    """Return what one message counts. `storage` is "file" or "memory"; `body_size` includes the
    header block.
    """
    if storage == "memory":
        return MEMORY_RECORD_BYTES + subject_size + body_size
    size = FILE_RECORD_BYTES + subject_size + body_size
    return size + HEADER_LENGTH_BYTES if header_size else size

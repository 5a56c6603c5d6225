"""The file that says which process the server is, for whoever sends it signals.

Knows a path; not when it is written. Truth: nats-server 2.15.1 server/server.go logPid.
"""

from __future__ import annotations

import os
from typing import Final

_MODE: Final = 0o600  # of a file that was not there; nats-server's defaultFilePerms


def write_pid(path: str) -> None:
    """Write this process's number. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(file, "w") as pid_file:
        pid_file.write(str(os.getpid()))

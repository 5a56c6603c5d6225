"""An old nats-server of Debian (2.9 or 2.10), as many hubs still are: found, not installed.

`.ci/run` unpacks it to .venv/old/. Elsewhere: `apt-get download nats-server`, `dpkg -x`, or
OLD_NATS_SERVER=path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

VERSIONS: Final = ("v2.9.", "v2.10.")  # of Debian 12 and 13


def old_server_path() -> str | None:
    """Return the first program that says that it is one of them, else None."""
    unpacked = Path(sys.executable).parent.parent / "old" / "usr" / "sbin" / "nats-server"
    candidates = (os.environ.get("OLD_NATS_SERVER"), str(unpacked), "/usr/sbin/nats-server")
    for candidate in candidates:
        program = shutil.which(candidate) if candidate else None
        if program is None:
            continue
        version = subprocess.check_output([program, "-v"], text=True)
        if any(old in version for old in VERSIONS):
            return program
    return None

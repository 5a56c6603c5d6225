"""The file that tells whoever started the server at which ports it can be reached.

`<program>_<pid>.ports` in `ports_file_dir`, JSON; for suites that start servers on free ports.
Knows URLs; not listeners. Truth: nats-server 2.15.1 server/server.go PortsInfo, logPorts.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from leafnode.errors import file_problem
from leafnode.net.interfaces import reachable_at

log = logging.getLogger(__name__)


def urls(scheme: str, host: str, port: int) -> list[str]:
    """Return the URLs of a listener, one for each address it can be reached at."""
    hosts = (f"[{name}]" if ":" in name else name for name in reachable_at(host))
    return [f"{scheme}://{name}:{port}" for name in hosts]


class PortsFile:
    """The file of one process; without a directory there is none."""

    def __init__(self, program: str) -> None:
        self._name = f"{program}_{os.getpid()}.ports"
        self._path: Path | None = None

    def write(self, directory: str, ports: dict[str, list[str]]) -> None:
        """Write what is known, leaving out what is not there; another directory's file goes."""
        path = Path(directory) / self._name if directory else None
        if self._path is not None and self._path != path:
            self.remove()
        self._path = path
        if path is None:
            return
        import json

        text = json.dumps({kind: found for kind, found in ports.items() if found})
        try:
            # Whole or not at all: whoever polls for the file must not read half of it.
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(text)
            fresh.replace(path)
        except OSError as err:
            problem = file_problem(err, path)
            log.error("Error writing ports file (%s): %s", path, problem)  # noqa: TRY400

    def remove(self) -> None:
        """Take the file away, if it was written."""
        path, self._path = self._path, None
        if path is None:
            return
        try:
            path.unlink()
        except OSError as err:
            problem = file_problem(err, path, "remove")
            log.error("Error cleaning up ports file %s: %s", path, problem)  # noqa: TRY400

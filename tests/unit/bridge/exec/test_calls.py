"""The filter of calls: on this kernel in a real process, and each machine's by an interpreter.

The interpreter is the part of classic BPF that a filter may be of. Truth: seccomp(2).
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from leafnode.bridge.exec import calls

ALLOWED: Final = "allowed"
REFUSED: Final = "EPERM"
UNKNOWN: Final = "ENOSYS"
PID: Final = 4711
ARCH: Final = {"x86-64": 0xC000003E, "aarch64": 0xC00000B7, "arm": 0x40000028}
WORD: Final = 0xFFFFFFFF


def verdict(of: str, number: int, *arguments: int, arch: int | None = None) -> str:
    """Run the filter as the kernel does."""
    code = [*struct.iter_unpack("=HBBI", calls.program(of, PID))]
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, ARCH[of] if arch is None else arch, 0, *padded)
    at = value = 0
    while True:
        what, if_true, if_false, operand = code[at]
        at += 1
        match what:
            case 0x20:  # load a word
                value = struct.unpack_from("=I", data, operand)[0]
            case 0x54:  # and
                value &= operand
            case 0x05:  # jump
                at += operand
            case 0x15:  # equal
                at += if_true if value == operand else if_false
            case 0x35:  # at least
                at += if_true if value >= operand else if_false
            case 0x06:  # return
                return {0x7FFF0000: ALLOWED, 0x00050001: REFUSED, 0x00050026: UNKNOWN}[operand]
            case _:
                raise AssertionError(what)


# What Python, its imports and an answer need: read, write, openat, close, mmap, brk, fstat or
# fstat64, futex, rt_sigprocmask, exit_group, getrandom.
NEEDED: Final = {
    "x86-64": (0, 1, 257, 3, 9, 12, 5, 202, 14, 231, 318),
    "aarch64": (63, 64, 56, 57, 222, 214, 80, 98, 135, 94, 278),
    "arm": (3, 4, 322, 6, 192, 45, 197, 240, 175, 248, 384),
}
# socket, connect, bind, clone, clone3, execve, ptrace, fchmodat, fchownat, utimensat, setpriority,
# unlinkat, setuid, keyctl, io_uring_setup, mount, open_tree, move_mount, fsopen, fsconfig, fsmount,
# fspick; on arm nice, too.
NEVER: Final = {
    "x86-64": (
        41,
        42,
        49,
        56,
        435,
        59,
        101,
        268,
        260,
        280,
        141,
        263,
        105,
        250,
        425,
        165,
        *range(428, 434),
    ),
    "aarch64": (
        198,
        203,
        200,
        220,
        435,
        221,
        117,
        53,
        54,
        88,
        140,
        35,
        146,
        219,
        425,
        40,
        *range(428, 434),
    ),
    "arm": (
        281,
        283,
        282,
        120,
        435,
        11,
        26,
        333,
        325,
        348,
        97,
        328,
        213,
        311,
        425,
        21,
        34,
        *range(428, 434),
    ),
}
# Of kill, tgkill, socketpair, openat, prlimit64, ioctl, fcntl, prctl.
SOMETIMES: Final = {
    "x86-64": (62, 234, 53, 257, 302, 16, 72, 157),
    "aarch64": (129, 131, 199, 56, 261, 29, 25, 167),
    "arm": (37, 268, 288, 322, 369, 54, 221, 172),
}
MACHINES: Final = pytest.mark.parametrize("of", [*ARCH])


@MACHINES
def test_what_python_needs_is_allowed(of: str) -> None:
    assert {verdict(of, number) for number in NEEDED[of]} == {ALLOWED}


@MACHINES
def test_what_reaches_others_is_refused_whatever_it_says(of: str) -> None:
    found = {verdict(of, number, *[one] * 6) for number in NEVER[of] for one in (0, 1, PID, WORD)}

    assert found == {REFUSED}


@MACHINES
def test_what_is_newer_than_the_list_is_unknown(of: str) -> None:
    assert verdict(of, 462) == ALLOWED
    assert {verdict(of, number) for number in (463, 467, 10_000, 1 << 30)} == {UNKNOWN}


@MACHINES
def test_calls_of_another_machine_are_refused(of: str) -> None:
    others = [*ARCH.values(), 0x40000003, 0]  # the second: that of 32-bit programs on x86
    others.remove(ARCH[of])

    assert {verdict(of, NEEDED[of][0], arch=other) for other in others} == {REFUSED}


def test_an_x86_64_call_by_its_32_bit_pointer_numbers_is_unknown() -> None:
    assert verdict("x86-64", 0x40000000 | 41) == UNKNOWN


def test_on_arm_the_caches_may_be_flushed() -> None:
    found = [verdict("arm", number) for number in (0xEFFFF, 0xF0002, 0xF0005, 0xF0100)]

    assert found == [UNKNOWN, ALLOWED, ALLOWED, UNKNOWN]


@MACHINES
def test_a_signal_may_go_to_itself_alone(of: str) -> None:
    for number in SOMETIMES[of][:2]:
        assert verdict(of, number, PID, PID, 6) == ALLOWED
        # The kernel takes 32 bits of it, so the others change nothing.
        assert verdict(of, number, PID | 1 << 32, PID, 6) == ALLOWED
        assert {verdict(of, number, who, who, 0) for who in (PID + 1, 1, 0, WORD)} == {REFUSED}


@MACHINES
def test_a_pair_of_sockets_may_be_local_streams_alone(of: str) -> None:
    pair = SOMETIMES[of][2]

    assert verdict(of, pair, 1, 1) == ALLOWED
    assert verdict(of, pair, 1, 1 | 0o2004000) == ALLOWED  # SOCK_CLOEXEC, SOCK_NONBLOCK
    assert {verdict(of, pair, *kind) for kind in ((1, 2), (1, 5), (30, 1), (2, 1))} == {REFUSED}


@MACHINES
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (0, ALLOWED),
        (0o2000000 | 0o200000, ALLOWED),  # O_CLOEXEC, O_DIRECTORY
        (0o1, REFUSED),
        (0o2, REFUSED),
        (0o3, REFUSED),
        (0o100, REFUSED),
        (0o1000, REFUSED),
        (0o20200002, REFUSED),  # O_TMPFILE
    ],
)
def test_files_may_be_opened_for_reading_alone(of: str, flags: int, expected: str) -> None:
    assert verdict(of, SOMETIMES[of][3], WORD, 0, flags) == expected


@MACHINES
def test_limits_may_be_read_and_are_its_own(of: str) -> None:
    prlimit = SOMETIMES[of][4]

    assert verdict(of, prlimit, 0, 7, 0, 1 << 40) == ALLOWED
    assert verdict(of, prlimit, PID + 1, 7, 0, 1 << 40) == REFUSED
    assert verdict(of, prlimit, 0, 7, 8) == REFUSED
    assert verdict(of, prlimit, 0, 7, 8 << 32) == REFUSED


@MACHINES
def test_controls_are_those_that_change_nothing_of_others(of: str) -> None:
    _, _, _, _, _, ioctl, fcntl, prctl = SOMETIMES[of]

    # TCGETS, FIONREAD; TIOCSTI, TIOCMSET, FIOSETOWN.
    found = [verdict(of, ioctl, 0, what) for what in (0x5401, 0x541B, 0x5412, 0x5418, 0x8901)]
    assert found == [ALLOWED, ALLOWED, REFUSED, REFUSED, REFUSED]
    # F_GETFD, F_SETFL; F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE; F_SETLK and its likes.
    assert {verdict(of, fcntl, 0, what) for what in (1, 4)} == {ALLOWED}
    never = (8, 10, 15, 1024, 6, 7, 13, 14, 37, 38)
    assert {verdict(of, fcntl, 0, what) for what in never} == {REFUSED}
    # PR_SET_NAME; PR_SET_PDEATHSIG, PR_SET_PTRACER.
    found = [verdict(of, prctl, what) for what in (15, 1, 0x59616D61)]
    assert found == [ALLOWED, REFUSED, REFUSED]


@MACHINES
def test_no_number_stands_for_two_calls(of: str) -> None:
    numbers = calls.refused([*ARCH].index(of))

    assert len({*numbers.values()}) == len(numbers) > 120


# Where a machine has its kernel's numbers: here, or with the packages for compiling for others,
# linux-libc-dev-armhf-cross and the like.
HEADERS: Final = {
    "x86-64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": (
        "/usr/include/asm-generic/unistd.h",
        "/usr/aarch64-linux-gnu/include/asm-generic/unistd.h",
    ),
    "arm": (
        "/usr/include/arm-linux-gnueabihf/asm/unistd-eabi.h",
        "/usr/arm-linux-gnueabihf/include/asm/unistd-eabi.h",
    ),
}
# As calls has them.
CONDITIONAL: Final = [
    "kill",
    "tkill",
    "tgkill",
    "socketpair",
    "open",
    "openat",
    "prlimit64",
    "ioctl",
    "fcntl",
    "fcntl64",
    "prctl",
]


def kernels_numbers(of: str) -> dict[str, int]:
    for path in map(Path, HEADERS[of]):
        if path.exists():
            defined = re.compile(
                r"#define __NR(?:3264)?_(\w+)\s+\(?(?:__NR_SYSCALL_BASE\s*\+\s*)?(\d+)\b"
            )
            return {name: int(number) for name, number in defined.findall(path.read_text())}
    pytest.skip(f"no header of Linux for {of}")


@MACHINES
def test_the_numbers_are_the_kernels(of: str) -> None:
    column, kernels = [*ARCH].index(of), kernels_numbers(of)
    found = calls.refused(column)
    conditional = [call.numbers[column] for call in calls._conditional(PID)]
    found |= {
        name: number
        for name, number in zip(CONDITIONAL, conditional, strict=True)
        if number is not None
    }

    # A header may be older than the list.
    wrong = {name: number for name, number in found.items() if kernels.get(name, number) != number}
    assert wrong == {}
    assert len(found.keys() & kernels.keys()) > 120


OF: Final = calls.machine()
KEYCTL: Final = {"x86-64": 250, "aarch64": 219, "arm": 311}.get(OF)


@pytest.mark.skipif(not OF, reason="no list of calls")
def test_this_kernel_refuses_them_in_a_real_process() -> None:
    """Without Landlock, in a process that may all else: what fails here failed by the filter."""
    program = dedent(f"""
        import ctypes, fcntl, importlib.util, json, os, resource, signal, socket, threading
        spec = importlib.util.spec_from_file_location("calls", {calls.__file__!r})
        calls = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(calls)
        libc = ctypes.CDLL(None, use_errno=True)
        parent = os.getppid()
        pipe, mine = os.pipe(), os.open("/proc/self/exe", os.O_RDONLY)
        tcp = socket.socket()
        def plain(name, *arguments):
            if getattr(libc, name)(*arguments) < 0:
                raise OSError(ctypes.get_errno(), name)
        tried = {{
            "tcp": lambda: socket.socket(),
            "mptcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262),
            "udp": lambda: socket.socket(type=socket.SOCK_DGRAM),
            "unix": lambda: socket.socket(socket.AF_UNIX),
            "connect": lambda: tcp.connect(("127.0.0.1", 9)),
            "listen": lambda: tcp.listen(),
            "datagrams": lambda: socket.socketpair(type=socket.SOCK_DGRAM),
            "chmod": lambda: os.chmod("/proc/self/exe", 0o755),
            "fchmod": lambda: os.fchmod(mine, 0o755),
            "chown": lambda: os.chown("/proc/self/exe", -1, -1),
            "utime": lambda: os.utime("/proc/self/exe"),
            "setxattr": lambda: os.setxattr("/proc/self/exe", "user.x", b""),
            "write": lambda: os.open("/dev/null", os.O_WRONLY),
            "create": lambda: os.open("/nothing/here", os.O_CREAT),
            "truncate": lambda: os.truncate("/nothing/here", 0),
            "remove": lambda: os.unlink("/nothing/here"),
            "rename": lambda: os.rename("/nothing/here", "/nothing/there"),
            "link": lambda: os.symlink("/nothing/here", "/nothing/there"),
            "mkdir": lambda: os.mkdir("/nothing/here"),
            "prlimit of others": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
            "setrlimit": lambda: plain("setrlimit", 4, ctypes.create_string_buffer(16)),
            "priority": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
            "affinity": lambda: os.sched_setaffinity(parent, {{0}}),
            "kill": lambda: os.kill(parent, 0),
            "kill all": lambda: os.kill(0, 0),
            "pidfd": lambda: os.pidfd_open(parent),
            "ptrace": lambda: plain("ptrace", 0, 0, 0, 0),
            "read of others": lambda: plain("process_vm_readv", parent, 0, 0, 0, 0, 0),
            "owner": lambda: fcntl.fcntl(pipe[0], fcntl.F_SETOWN, parent),
            "flock": lambda: fcntl.flock(mine, fcntl.LOCK_EX),
            "lock": lambda: fcntl.lockf(mine, fcntl.LOCK_SH),
            "ioctl": lambda: fcntl.ioctl(pipe[0], 0x8901, b"0000"),
            "fork": lambda: os.fork(),
            "run": lambda: os.execv("/bin/true", ["true"]),
            "user": lambda: os.setuid(os.getuid()),
            "keyring": lambda: plain("syscall", {KEYCTL}, 0, -3, 0),
            "shared": lambda: plain("shmget", 0, 4096, 0o1600),
            "io_uring": lambda: plain("syscall", 425, 1, 0),
            "death": lambda: plain("prctl", 1, 0, 0, 0, 0),
            "namespace": lambda: plain("unshare", 0),
        }}
        found = {{}}
        def attempt(name):
            try:
                tried[name]()
            except OSError as err:
                found[name] = err.errno
            else:
                found[name] = 0
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert calls.filter_calls()
        for name in tried:
            attempt(name)
        try:
            threading.Thread(target=print).start()
        except RuntimeError:
            found["thread"] = 1
        found["newer"] = 0 if libc.syscall(600) >= 0 else ctypes.get_errno()
        good = socket.socketpair()
        good[0].send(b"a")
        assert good[1].recv(1) == b"a"
        os.kill(os.getpid(), 0)
        assert resource.getrlimit(resource.RLIMIT_CORE)
        assert open("/proc/self/exe", "rb").read(1) == b"\\x7f"
        assert not os.isatty(pipe[0])
        print(json.dumps(found), flush=True)
        signal.raise_signal(signal.SIGTERM)
    """)

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert run.stderr == b""
    found = json.loads(run.stdout)
    assert found.pop("newer") == 38
    assert {name for name, number in found.items() if number != 1} == set()
    assert len(found) == 41
    assert run.returncode == -15

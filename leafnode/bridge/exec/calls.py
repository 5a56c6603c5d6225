"""Which calls of the kernel the process of a function may not make: a seccomp filter.

Loaded by `child` from its path, so it imports none of leafnode. A list of what is refused, and all
that is newer than the list: what one that means no harm needs is long, and differs between the
machines and libraries. Landlock says which files may be read; this goes without it, and stands in
front of what Landlock does not have. Truth: seccomp(2), bpf in Linux'
Documentation/networking/filter.rst; the numbers: arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl; docs/serial/exec.md, "What it may".
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# name/x86-64/aarch64/arm; "-" where the machine has no such call.
_REFUSED = """
# network, but a pair of sockets within itself
socket/41/198/281 bind/49/200/282 connect/42/203/283 listen/50/201/284 accept/43/202/285
accept4/288/242/366
# processes, threads, programs
fork/57/-/2 vfork/58/-/190 clone/56/220/120 clone3/435/435/435 execve/59/221/11
execveat/322/281/387
# other processes
rt_sigqueueinfo/129/138/178 rt_tgsigqueueinfo/297/240/363 pidfd_send_signal/424/424/424
pidfd_open/434/434/434 pidfd_getfd/438/438/438 ptrace/101/117/26 process_vm_readv/310/270/376
process_vm_writev/311/271/377 process_madvise/440/440/440 process_mrelease/448/448/448
kcmp/312/272/378 move_pages/279/239/344 migrate_pages/256/238/400 perf_event_open/298/241/364
setpriority/141/140/97 nice/-/-/34 ioprio_set/251/30/314 sched_setparam/142/118/154
sched_setscheduler/144/119/156 sched_setaffinity/203/122/241 sched_setattr/314/274/380
setrlimit/160/164/75
# files: names, modes, owners, times, contents, locks that others wait for
chmod/90/-/15 fchmod/91/52/94 fchmodat/268/53/333 fchmodat2/452/452/452 chown/92/-/182
flock/73/32/143 chown32/-/-/212 fchown/93/55/95 fchown32/-/-/207 lchown/94/-/16 lchown32/-/-/198
fchownat/260/54/325 utime/132/-/- utimes/235/-/269 futimesat/261/-/326 utimensat/280/88/348
utimensat_time64/-/-/412 setxattr/188/5/226 lsetxattr/189/6/227 fsetxattr/190/7/228
removexattr/197/14/235 lremovexattr/198/15/236 fremovexattr/199/16/237 creat/85/-/8
openat2/437/437/437 open_by_handle_at/304/265/371 truncate/76/45/92 truncate64/-/-/193
ftruncate/77/46/93 ftruncate64/-/-/194 fallocate/285/47/352 mknod/133/-/14 mknodat/259/33/324
mkdir/83/-/39 mkdirat/258/34/323 rmdir/84/-/40 unlink/87/-/10 unlinkat/263/35/328 rename/82/-/38
renameat/264/38/329 renameat2/316/276/382 link/86/-/9 linkat/265/37/330 symlink/88/-/83
symlinkat/266/36/331 sync/162/81/36 syncfs/306/267/373 fanotify_init/300/262/367
# who it is, and what it may
setuid/105/146/23 setuid32/-/-/213 setgid/106/144/46 setgid32/-/-/214 setreuid/113/145/70
setreuid32/-/-/203 setregid/114/143/71 setregid32/-/-/204 setresuid/117/147/164
setresuid32/-/-/208 setresgid/119/149/170 setresgid32/-/-/210 setfsuid/122/151/138
setfsuid32/-/-/215 setfsgid/123/152/139 setfsgid32/-/-/216 setgroups/116/159/81
setgroups32/-/-/206 capset/126/91/185 personality/135/92/136 lsm_set_self_attr/460/460/460
unshare/272/97/337 setns/308/268/375 chroot/161/51/61 pivot_root/155/41/218
# what is between processes, and keys
shmget/29/194/307 shmat/30/196/305 shmctl/31/195/308 semget/64/190/299 semctl/66/191/300
semop/65/193/298 semtimedop/220/192/312 semtimedop_time64/-/-/420 msgget/68/186/303
msgctl/71/187/304 msgsnd/69/189/301 msgrcv/70/188/302 mq_open/240/180/274 mq_unlink/241/181/275
add_key/248/217/309 request_key/249/218/310 keyctl/250/219/311
# ways around all this
io_uring_setup/425/425/425 io_uring_enter/426/426/426 io_uring_register/427/427/427
io_setup/206/0/243 bpf/321/280/386 userfaultfd/323/282/388
# the system
mount/165/40/21 umount2/166/39/52 mount_setattr/442/442/442 open_tree/428/428/428
move_mount/429/429/429 fsopen/430/430/430 fsconfig/431/431/431 fsmount/432/432/432
fspick/433/433/433 swapon/167/224/87 swapoff/168/225/115 reboot/169/142/88
kexec_load/246/104/347 kexec_file_load/320/294/401 init_module/175/105/128
finit_module/313/273/379 delete_module/176/106/129 acct/163/89/51 quotactl/179/60/131
quotactl_fd/443/443/443 syslog/103/116/103 vhangup/153/58/111 nfsservctl/180/42/169
uselib/134/-/86 modify_ldt/154/-/- iopl/172/-/- ioperm/173/-/- settimeofday/164/170/79
adjtimex/159/171/124 clock_settime/227/112/262 clock_settime64/-/-/404 clock_adjtime/305/266/372
clock_adjtime64/-/-/405 sethostname/170/161/74 setdomainname/171/162/121
"""
# Of the list's time; what came behind it answers as an older kernel does.
_NEWEST = 462
_ARM_PRIVATE = range(0xF0000, 0xF0100)  # flushing the instruction cache, which libffi does
_MACHINES = {"x86-64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm": (2, 0x40000028)}

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NR_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _EQUAL, _AT_LEAST = 0x05, 0x15, 0x35
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_INT = 0xFFFFFFFF


class Only(NamedTuple):
    """One half of an argument is one of these values, behind the mask; or none of them."""

    argument: int
    values: tuple[int, ...]
    mask: int = _INT
    none_of: bool = False
    high: bool = False


class Call(NamedTuple):
    """A call that is allowed where all of `rules` hold. `numbers`: as in the list."""

    numbers: tuple[int | None, int | None, int | None]
    rules: tuple[Only, ...]


def _conditional(pid: int) -> tuple[Call, ...]:
    own = (Only(0, (pid,)),)
    reads = 0o3 | 0o100 | 0o1000  # O_ACCMODE, O_CREAT, O_TRUNC: none of them
    # TCGETS, TCGETS2, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: terminals are not set.
    harmless = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
    # F_SETOWN, F_SETSIG, F_SETOWN_EX send signals. Leases, F_NOTIFY and locks (F_SETLK, F_SETLKW,
    # their 64 bit forms of 32 bit machines, those of open files) hold others up: a read lock on
    # what the store keeps beside its database stops whoever writes.
    fcntl = (Only(1, (6, 7, 8, 10, 13, 14, 15, 37, 38, 1024, 1026), none_of=True),)
    return (
        Call((62, 129, 37), own),  # kill
        Call((200, 130, 238), own),  # tkill
        Call((234, 131, 268), own),  # tgkill
        # A pair of AF_UNIX, SOCK_STREAM: one of datagrams would send to any path.
        Call((53, 199, 288), (Only(0, (1,)), Only(1, (1,), mask=0xF))),
        Call((2, None, 5), (Only(1, (0,), mask=reads),)),  # open
        Call((257, 56, 322), (Only(2, (0,), mask=reads),)),  # openat
        # prlimit64: its own, to be read.
        Call((302, 261, 369), (Only(0, (0,)), Only(2, (0,)), Only(2, (0,), high=True))),
        Call((16, 29, 54), (Only(1, harmless),)),  # ioctl
        Call((72, 25, 55), fcntl),
        Call((None, None, 221), fcntl),  # fcntl64
        # prctl: PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, which malloc uses. Not the parent's death.
        Call((157, 167, 172), (Only(0, (15, 16, 0x53564D41)),)),
    )


def machine() -> str:
    """Return whose numbers this process has, "" where they are not known."""
    name, bits = os.uname().machine, 8 * struct.calcsize("P")
    if sys.byteorder != "little":
        return ""
    if bits == 64:
        return {"x86_64": "x86-64", "aarch64": "aarch64"}.get(name, "")
    return "arm" if name.startswith(("arm", "aarch64")) else ""


def refused(column: int) -> dict[str, int]:
    """Return the calls that are refused whatever their arguments are, and their numbers."""
    found = {}
    for line in _REFUSED.splitlines():
        if not line.startswith("#"):
            for word in line.split():
                name, *numbers = word.split("/")
                if numbers[column] != "-":
                    found[name] = int(numbers[column])
    return found


def program(of: str, pid: int) -> bytes:
    """Return the filter for a machine: instructions, one behind the other."""
    column, arch = _MACHINES[of]
    steps = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    steps.append((_LOAD, 0, 0, _NR_AT))
    if of == "arm":
        steps += [
            (_AT_LEAST, 0, 2, _ARM_PRIVATE.start),
            (_AT_LEAST, 1, 0, _ARM_PRIVATE.stop),
            (_RETURN, 0, 0, _ALLOW),
        ]
    steps += [(_AT_LEAST, 0, 1, _NEWEST + 1), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    for number in sorted(refused(column).values()):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    for call in _conditional(pid):
        own_number = call.numbers[column]
        if own_number is not None:
            rules = [step for rule in call.rules for step in _checked(rule)]
            # Whichever way it goes, the number is not needed again.
            steps.append((_EQUAL, 0, len(rules) + 1, own_number))
            steps += [*rules, (_RETURN, 0, 0, _ALLOW)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _checked(rule: Only) -> Iterator[tuple[int, int, int, int]]:
    """Yield what refuses where the rule does not hold, and else goes on behind itself."""
    yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * rule.argument + (4 if rule.high else 0)
    if rule.mask != _INT:
        yield _AND, 0, 0, rule.mask
    for left in range(len(rule.values), 0, -1):
        # Over the other values and one step more: the refusal, or the jump over it.
        yield _EQUAL, left, 0, rule.values[-left]
    if rule.none_of:
        yield _JUMP, 0, 0, 1
    yield _RETURN, 0, 0, _ERRNO | _EPERM


def filter_calls() -> bool:
    """Refuse them from now on. False where the kernel, or this machine, has no such filter."""
    of = machine()
    if not of:
        return False
    code = program(of, os.getpid())
    steps = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(steps))
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(head), 0, 0) == 0)

"""The bounds of ports, as `limits` has those of everything else: value, unit, reason.

Each has a row in docs/memory.md.
"""

from __future__ import annotations

from typing import Final

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.limits import KIB, MIB

PORT_CONNECT_NS: Final = 5 * NS_PER_S  # to a socket:// or rfc2217://
COM_PORT_TIMEOUT_NS: Final = 3 * NS_PER_S  # for an answer of an rfc2217 server while it is opened
TELNET_ANSWERS_MAX: Final = 1024  # bytes that a telnet server's questions may make us owe it
TELNET_OPTION_MAX: Final = 64  # bytes of one subnegotiation
RS485_BUFFER_MAX: Final = 4 * KIB  # bytes that wait for RTS in mode rts
UEVENT_BYTES_MAX: Final = 8 * KIB  # the kernel's own bound is 2 KiB of variables and a path
UEVENTS_MAX: Final = 64  # read in one turn; the rest in the next
UEVENT_FIELDS_MAX: Final = 64  # as many variables as the kernel makes
SERIAL_TURN_NS: Final = 2 * NS_PER_MS  # of all ports' frames in a turn; one step begun is done
FRAME_STEP_BYTES: Final = KIB  # of a frame that are unescaped or checked in one go
FRAME_SEARCH_STEPS: Final = 64  # false starts, wrong frames, marks in one go
SERIAL_BURST_NS: Final = 4 * NS_PER_MS  # of what all ports publish in a turn
READINGS_BURST_MIN: Final = 32  # that one port publishes in its turn, however slow the machine is
SERIAL_SETTLE_NS: Final = 10 * NS_PER_S  # at the end of the server, for what was read to be stored
SERIAL_LOOK_NS: Final = 20 * NS_PER_MS  # between two looks whether it is
SETTLE_REFUSALS: Final = 3  # in a row: the stream will not
SETTLE_FAILURES: Final = 3  # in a row: nor will the function
READINGS_LEFT_MAX: Final = 4096  # of entries that reloads changed; the queue of one fits
READINGS_LEFT_BYTES: Final = 4 * MIB
# What others ask of ports, as limits.TURN_WORK counts: a read of 64 KiB may be 3,000 requests.
REQUEST_WORK: Final = 256  # to look on, to lend, a command, a message for a board
ROW_WORK: Final = 512  # a port, or a board, in the list of all
LIST_BYTES_A_WORK: Final = 64  # of the list, sent to one who asks
COMMAND_SUBJECTS_PER_TURN: Final = 32  # that a port begins to listen to; a bus may have 30,000
PORT_LEND_MAX_NS: Final = 24 * 3600 * NS_PER_S
LEASE_NAME_MAX: Final = 64  # characters by which a holder names its lending
LEASE_HOLDER_MAX: Final = 128  # characters that say to people who it is
PORT_NOTES_MAX: Final = 60  # log lines of a port in a minute that it was lent, given back, opened
PORT_MONITORS_MAX: Final = 4  # of one port
PORT_MONITOR_NS: Final = 30 * NS_PER_S  # a monitor that does not ask again is forgotten
PORT_MONITOR_BYTES: Final = 64 * KIB  # a second that one monitor is told of; the rest is counted
SYSFS_BYTES_MAX: Final = 256  # of one attribute, such as a serial number
SYSFS_PARENTS_MAX: Final = 12  # directories above a tty's device in search of its USB device
TTYS_MAX: Final = 1024  # of a machine that are looked at
LOCK_FILE_BYTES_MAX: Final = 64  # of a UUCP lock file: a pid
RESUME_QUESTIONS_MAX: Final = 256  # of one search for what of a board is stored last
DEVICES_MAX: Final = 256  # boards of all ports that are remembered
TEXT_BOARDS_MAX: Final = 256  # names of boards in text of which a port remembers what they said
TEXT_BOARD_THERE_MS: Final = 60_000  # a board in text is taken to be there for so long
EXEC_QUEUE_MAX: Final = 64  # readings of a port that wait for its function
EXEC_QUEUE_BYTES: Final = 256 * KIB  # of them; one reading always fits
EXEC_ANSWER_BYTES: Final = 64 * KIB  # of a function for one frame
EXEC_REASON_BYTES: Final = 200  # of what it raised that are shown
EXEC_START_NS: Final = 10 * NS_PER_S  # to load the function and all that it imports
EXEC_END_NS: Final = 5 * NS_PER_S  # of one that said that it ends by itself
EXEC_RESTART_NS: Final = NS_PER_S // 5  # before its process is started again; then twice that
EXEC_RESTART_MAX_NS: Final = 30 * NS_PER_S

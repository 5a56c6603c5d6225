"""Numbers of the device link: frame kinds, flags, bounds, timers.

Knows no behaviour. Truth: docs/device-link.md, which lists every number here.
"""

PROTOCOL_VERSION = 1

# Frame kinds. A receiver counts and ignores a kind that it does not know.
HELLO = 0x01
HELLO_REQUEST = 0x02
PUB = 0x03
ACK = 0x04
PING = 0x05
PONG = 0x06
LOG = 0x07
TIME = 0x08
REFUSE = 0x09

# Flags. Bits that are not listed are sent as 0 and ignored.
FLAG_FROM_GATEWAY = 0x01  # tells the peer's frames from an echo of one's own (RS-485, tty echo)
# On PUB: sent before. On the gateway's frames: the last reading that it took had this flag, so the
# device knows whether its first try was lost or only slow.
FLAG_RESENT = 0x02
# On PUB: the last STAMP_BYTES of the body say when it was measured, by the device's clock.
FLAG_STAMPED = 0x04
FLAG_CRC16 = 0x80  # the frame ends with a CRC-16 instead of a CRC-32

# What an end can do besides readings; told in HELLO. What both ends have is used.
CAPABILITY_TIME = 0x0001  # a device: wants TIME after HELLO
CAPABILITY_LOG = 0x0002  # a device: may send LOG
CAPABILITY_CHANNEL = 0x0004  # SUB, UNSUB, MSG, REQ, REP, REG and PUB by alias; see verbs.py
CAPABILITY_CLOCK = 0x0008  # a device asks for TIME and stamps; a gateway answers and takes stamps
CAPABILITY_ABOUT = 0x0010  # a device: says what it is, behind all else of HELLO
CAPABILITY_GATHER = 0x0020  # a gateway: takes readings however many before them are not committed

# Why a gateway will not talk to a device; the body of REFUSE starts with one of these.
REFUSED_VERSION = 1
REFUSED_HELLO = 2  # malformed, or a device name that cannot be a subject token
REFUSED_BOOT = 3  # a boot id that was used before: its readings would pass for old ones
REFUSED_SUBJECT = 4
REFUSED_NAME = 5  # the gateway's configuration does not give this port that name, or another has it

# kind u8, flags u8, boot id u32, seq u32, ack u32; little-endian
HEADER_FORMAT = "<BBIII"
HEADER_BYTES = 14
CRC_BYTES = 4
CRC16_BYTES = 2
OVERHEAD_BYTES = HEADER_BYTES + CRC_BYTES
# version u8, window u8, frame_bytes_max u16, capabilities u16, name size u8; then the name
HELLO_FORMAT = "<BBHHB"
HELLO_BYTES = 7
HELLO_TAIL_BYTES = 2  # behind the name, with CAPABILITY_CHANNEL: epoch u8, message window u8
ABOUT_BYTES_MAX = 32  # behind that, with CAPABILITY_ABOUT: size u8, and the text
TIME_FORMAT = "<IH"  # seconds since 1970 u32, milliseconds u16
TIME_BYTES = 6
STAMP_BYTES = TIME_BYTES

FRAME_BYTES_MAX = 1024  # every gateway takes frames of this size; a device may choose less
FRAME_BYTES_MIN = 96  # the largest control frame: HELLO with the longest name and about
FRAME_BYTES_DEFAULT = 256
NAME_BYTES_MAX = 32
SUBJECT_BYTES_MAX = 128
WINDOW_MAX = 8
LOGS_MAX = 4  # waiting log lines of a device; the oldest gives way
assert (
    OVERHEAD_BYTES + HELLO_BYTES + NAME_BYTES_MAX + HELLO_TAIL_BYTES + 1 + ABOUT_BYTES_MAX
    <= FRAME_BYTES_MIN
)

# Small integers of a 32-bit MicroPython end at 2^30: no sequence or boot id costs an allocation.
SEQ_MAX = 0x3FFFFFFF
BOOT_ID_MAX = 0x3FFFFFFF
# From here on a device takes a new boot id as soon as nothing is unacked: a million readings of
# margin.
SEQ_RENEW = SEQ_MAX - 0x100000

RETRY_MS = 50  # first retransmission; doubles with each failure
RETRY_MS_MAX = 2000
# A device that has measured a round trip clearly doubles its retry interval once only, and learns
# nothing from so many round trips, one after another, in which readings were sent again.
SURENESS = 8
PING_MS = 2000  # silence after which a peer is asked whether it lives
DEAD_MS = 6000  # silence after which it is taken for dead
HELLO_REQUEST_MS = 50  # at most one question per this time
assert RETRY_MS_MAX < DEAD_MS
assert 2 * PING_MS < DEAD_MS, "a lost PING must not end a session"

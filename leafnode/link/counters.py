"""What a session counts. Numbers only grow; the owner reads them, nobody resets them.

Knows nothing else. Truth: docs/device-link.md, "Counters".
"""


class LineCounters:
    """What arrives on the line, the same at both ends."""

    def __init__(self) -> None:
        self.frames = 0  # whole, checked, from the other end
        self.bad_frames = 0  # the right shape with a wrong CRC, or saying what cannot be
        self.noise_bytes = 0  # boot banners, REPL output, pieces of frames
        self.unknown_frames = 0  # of a kind that this version does not know
        self.echoes = 0  # one's own direction: a line that echoes


class DeviceCounters(LineCounters):
    """Counters of a DeviceSession."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0  # readings put on the wire for the first time
        self.resent = 0
        self.acked = 0  # committed by the gateway
        self.dropped = 0  # given up without an ack: the ring was full
        self.refused = 0  # not taken by publish: the ring was full
        self.logs_dropped = 0
        self.stale_frames = 0  # for an earlier boot of this device
        self.hellos = 0  # HELLO sent
        self.links_lost = 0

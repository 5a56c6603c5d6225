"""What a GatewaySession reports to its application.

Plain classes: MicroPython has no dataclasses. Knows nothing of the link. Truth:
docs/device-link.md.
"""


class Reading:
    """One reading. (device, boot_id, seq) names it for ever: `Nats-Msg-Id:
    <device>.<boot_id>.<seq>`.
    """

    __slots__ = ("boot_id", "device", "payload", "seq", "subject")

    def __init__(self, device: str, boot_id: int, seq: int, subject: str, payload: bytes) -> None:
        self.device = device
        self.boot_id = boot_id
        self.seq = seq
        self.subject = subject  # literal, printable ASCII: checked
        self.payload = payload

    def __repr__(self) -> str:
        return "Reading({}.{}.{} {!r} {} bytes)".format(
            self.device, self.boot_id, self.seq, self.subject, len(self.payload)
        )


class Hello:
    """A device (re)appeared. Now is the time to tell `committed` what the store already holds."""

    __slots__ = ("boot_id", "device", "first_unacked", "resumed")

    def __init__(self, device: str, boot_id: int, first_unacked: int, *, resumed: bool) -> None:
        self.device = device
        self.boot_id = boot_id
        self.first_unacked = first_unacked  # the lowest sequence that the device still keeps
        self.resumed = resumed  # the same boot as before in this session

    def __repr__(self) -> str:
        return "Hello({}.{} first_unacked={} resumed={})".format(
            self.device, self.boot_id, self.first_unacked, self.resumed
        )


class Log:
    """A line for the log. `text` holds no control characters, so it cannot forge another line."""

    __slots__ = ("device", "level", "text")

    def __init__(self, device: str, level: int, text: str) -> None:
        self.device = device
        self.level = level  # as in syslog: 3 error, 4 warning, 6 info, 7 debug
        self.text = text

    def __repr__(self) -> str:
        return "Log({} {} {!r})".format(self.device, self.level, self.text)

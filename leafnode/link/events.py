"""What a GatewaySession reports to its application.

Plain classes: MicroPython has no dataclasses. Knows nothing of the link. Truth:
docs/device-link.md.
"""


class Reading:
    """One reading. (device, boot_id, seq) names it for ever: `Nats-Msg-Id:
    <device>.<boot_id>.<seq>`.
    """

    __slots__ = ("boot_id", "device", "payload", "seq", "stamp_ms", "subject")

    def __init__(self, device: str, boot_id: int, seq: int, subject: str, payload: bytes) -> None:
        self.device = device
        self.boot_id = boot_id
        self.seq = seq
        self.subject = subject  # literal, printable ASCII: checked
        self.payload = payload
        self.stamp_ms: "int | None" = (
            None  # since 1970, by the device's clock: when it was measured
        )

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


class Subscribe:
    """The device wants messages on `subject`, which may hold wildcards; `sub` is its number for
    it. `answers`: requests are to come as such.
    """

    __slots__ = ("answers", "device", "sub", "subject")

    def __init__(self, device: str, sub: int, subject: str, *, answers: bool) -> None:
        self.device = device
        self.sub = sub
        self.subject = subject
        self.answers = answers

    def __repr__(self) -> str:
        return "Subscribe({} {} {!r} answers={})".format(
            self.device, self.sub, self.subject, self.answers
        )


class Unsubscribe:
    """The device wants no more of it."""

    __slots__ = ("device", "sub")

    def __init__(self, device: str, sub: int) -> None:
        self.device = device
        self.sub = sub

    def __repr__(self) -> str:
        return "Unsubscribe({} {})".format(self.device, self.sub)


class Request:
    """The device asks, and waits so long for `GatewaySession.reply`."""

    __slots__ = ("device", "payload", "request", "subject", "timeout_ms")

    def __init__(
        self, device: str, request: int, subject: str, payload: bytes, timeout_ms: int
    ) -> None:
        self.device = device
        self.request = request
        self.subject = subject
        self.payload = payload
        self.timeout_ms = timeout_ms

    def __repr__(self) -> str:
        return "Request({} {} {!r} {} bytes {} ms)".format(
            self.device, self.request, self.subject, len(self.payload), self.timeout_ms
        )


class Answer:
    """The device answered what `GatewaySession.request` handed to it."""

    __slots__ = ("device", "payload", "request", "status")

    def __init__(self, device: str, request: int, status: int, payload: bytes) -> None:
        self.device = device
        self.request = request
        self.status = status
        self.payload = payload

    def __repr__(self) -> str:
        return "Answer({} {} status={} {} bytes)".format(
            self.device, self.request, self.status, len(self.payload)
        )


class Gone:
    """The device's subscriptions and all requests of either side have ended, unanswered ones too.

    Comes when the device is silent, restarts or says hello again; what it still wants it says anew.
    """

    __slots__ = ("device",)

    def __init__(self, device: str) -> None:
        self.device = device

    def __repr__(self) -> str:
        return "Gone({})".format(self.device)

"""The link's own exceptions, because it also runs where leafnode.errors is not.

LinkError
├── InvalidOption      a session was built with a value out of its range
├── InvalidName        a device name that cannot be one token of a subject
├── InvalidSubject     a subject that no reading can be published on
└── ReadingTooLarge    subject and payload do not fit one frame, or the ring

What arrives from the wire never raises: it is counted.
"""


class LinkError(Exception):
    """Root of what the link raises: each one is the calling program's mistake."""


class InvalidOption(LinkError):  # noqa: N818 -- a condition, named as people say it
    """A value out of its range."""

    def __init__(self, option: str, value: int, least: int, most: int) -> None:
        super().__init__(option, value, least, most)
        self.option = option
        self.value = value
        self.least = least
        self.most = most

    def __str__(self) -> str:
        return "{}: {} is not within {} to {}".format(
            self.option, self.value, self.least, self.most
        )


class InvalidName(LinkError):  # noqa: N818
    """Device names are 1 to 32 bytes of letters, digits, '-' and '_'."""


class InvalidSubject(LinkError):  # noqa: N818
    """Subjects are printable ASCII tokens without wildcards, joined by dots."""


class ReadingTooLarge(LinkError):  # noqa: N818
    """A reading that could never be sent."""

    def __init__(self, size: int, size_max: int) -> None:
        super().__init__(size, size_max)
        self.size = size
        self.size_max = size_max

    def __str__(self) -> str:
        return "a reading of {} bytes; at most {} fit".format(self.size, self.size_max)

"""The text dialect from a board's side, in Python: what a sketch does, and what tests hold it by.

    sender = TextSender("uno", boot_id)
    sender.point("temperature", "21.5", "C")
    sender.receive(line.read())
    line.write(sender.data_to_send(now_ms))

Knows lines and their numbers; no clock, no port. Keeps a reading until the gateway has it on disk,
one line under way, every line with a checksum. Truth: docs/device-link.md, "The text dialect".
"""

_REPEAT_MS = 500
_LINE_BYTES_MAX = 256


def sealed(line: bytes) -> bytes:
    """Return a line with its checksum and its end."""
    total = 0
    for byte in line:
        total ^= byte
    return line + "*{:02X}\n".format(total).encode()


class TextSender:
    """`on_message(subject, payload)` is called for messages and requests; what it returns for a
    request is the answer.
    """

    def __init__(self, name: str, boot_id: int, kept_max: int = 16) -> None:
        self.acked = 0
        self.dropped = 0  # readings that gave way to newer ones
        self.bad_lines = 0
        self.greeted = False
        self.on_message = None
        self._hello = "hello {} {}".format(name, boot_id).encode()
        self._kept_max = kept_max
        self._kept = []  # (number, line)
        self._last_number = 0
        self._subjects = []  # served
        self._answers = []
        self._say_at_ms = None  # None: at once
        self._buffer = b""

    @property
    def unacked(self) -> int:
        return len(self._kept)

    def point(self, subject: str, value: str, unit: str = "") -> None:
        """Keep a reading; the oldest gives way to it when there is no room."""
        if len(self._kept) == self._kept_max:
            self._kept.pop(0)
            self.dropped += 1
        self._last_number += 1
        text = "#{} pt {} {} {}".format(self._last_number, subject, value, unit)
        self._kept.append((self._last_number, text.rstrip(" ").encode()))

    def serve(self, subject: str) -> None:
        self._subjects.append("serve {}".format(subject).encode())
        if self.greeted:
            self._answers.append(self._subjects[-1])

    def receive(self, data: bytes) -> None:
        """Take bytes from the line, cut anywhere."""
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()[-_LINE_BYTES_MAX:]
        for line in lines:
            body, _, _ = line.strip().rpartition(b"*")
            if sealed(body).strip() == line.strip():
                self._hear(body.decode())
            elif line.strip():
                self.bad_lines += 1

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what is due now, b"" when nothing is."""
        lines = self._answers
        self._answers = []
        is_due = self._say_at_ms is None or now_ms - self._say_at_ms >= 0
        if is_due and (not self.greeted or self._kept):
            self._say_at_ms = now_ms + _REPEAT_MS
            lines.append(self._kept[0][1] if self.greeted else self._hello)
        return b"".join([sealed(line) for line in lines])

    def _hear(self, text: str) -> None:
        words = text.split(" ")
        if text == "ok hello":
            self.greeted = True
            self._answers = list(self._subjects)
            self._say_at_ms = None
        elif text == "hello?":
            self.greeted = False
            self._say_at_ms = None
        elif words[0] == "ok" and len(words) == 2 and words[1].isdigit():
            while self._kept and self._kept[0][0] <= int(words[1]):
                self._kept.pop(0)
                self.acked += 1
            self._say_at_ms = None
        elif words[0] == "msg" and len(words) > 1:
            self._call(words[1], words[2:])
        elif words[0] == "req" and len(words) > 2:
            answer = self._call(words[2], words[3:])
            self._answers.append("rep {} {}".format(words[1], answer).encode())

    def _call(self, subject: str, words: "list[str]") -> str:
        if self.on_message is None:
            return ""
        return self.on_message(subject, " ".join(words)) or ""

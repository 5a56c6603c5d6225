"""The text dialect from a board's side, in Python: what a sketch does, and what tests hold it by.

    sender = TextSender("uno", boot_id)
    sender.point("temperature", "21.5", "C")
    sender.receive(line.read())
    line.write(sender.data_to_send(now_ms))

Knows lines and their numbers; no clock, no port. Keeps a reading until the gateway has it on disk,
one line under way, every line with a checksum. Truth: docs/device-link.md, "The text dialect".
"""

_REPEAT_MS = 500
_ASK_MS = 3000  # that a gateway which has all of ours and stored none is asked
_LINE_BYTES_MAX = 256


def sealed(line: bytes) -> bytes:
    """Return a line with its checksum and its end."""
    total = 0
    for byte in line:
        total ^= byte
    return line + "*{:02X}\n".format(total).encode()


def _is_due(at_ms: "int | None", now_ms: int) -> bool:
    return at_ms is None or now_ms - at_ms >= 0


class TextSender:
    """`on_message(subject, payload)` is called for messages and requests; what it returns for a
    request is the answer.
    """

    def __init__(self, name: str, boot_id: int, kept_max: int = 16) -> None:
        self.acked = 0
        self.dropped = 0  # readings that gave way to newer ones
        self.bad_lines = 0  # damaged, or no UTF-8
        self.greeted = False
        self.on_message = None
        self._hello = "hello {} {}".format(name, boot_id).encode()
        self._kept_max = kept_max
        self._kept = []  # (number, line)
        self._got = 0  # so many of them, the oldest, the gateway has and did not store yet
        self._last_number = 0
        self._subjects = []  # served
        self._unheard = []  # of them, what the gateway has not answered yet
        self._serve_at_ms = None  # None: at once
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
            self.dropped += self._got == 0
            self._got = max(0, self._got - 1)
        if self.greeted and self._got == len(self._kept):
            self._say_at_ms = None
        self._last_number += 1
        text = "#{} pt {} {} {}".format(self._last_number, subject, value, unit)
        self._kept.append((self._last_number, text.rstrip(" ").encode()))

    def serve(self, subject: str) -> None:
        self._subjects.append("serve {}".format(subject).encode())
        self._unheard.append(self._subjects[-1])
        self._serve_at_ms = None

    def receive(self, data: bytes) -> None:
        """Take bytes from the line, cut anywhere."""
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()[-_LINE_BYTES_MAX:]
        for line in lines:
            body, _, _ = line.strip().rpartition(b"*")
            if sealed(body).strip() == line.strip():
                self._take(body)
            elif line.strip():
                self.bad_lines += 1

    def data_to_send(self, now_ms: int) -> bytes:
        """Return what is due now, b"" when nothing is."""
        lines = self._answers
        self._answers = []
        if self.greeted and self._unheard and _is_due(self._serve_at_ms, now_ms):
            self._serve_at_ms = now_ms + _REPEAT_MS
            lines += self._unheard
        if _is_due(self._say_at_ms, now_ms) and (not self.greeted or self._kept):
            at = min(self._got, len(self._kept) - 1)  # the last again: does it still have them?
            has_all = self.greeted and self._got == len(self._kept)
            self._say_at_ms = now_ms + (_ASK_MS if has_all else _REPEAT_MS)
            lines.append(self._kept[at][1] if self.greeted else self._hello)
        return b"".join([sealed(line) for line in lines])

    def _take(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeError:  # a message of bytes that are no text: it is not for us
            self.bad_lines += 1
        else:
            self._hear(text)

    def _hear(self, text: str) -> None:
        words = text.split(" ")
        if text == "ok hello":
            self.greeted = True
            self._got = 0  # it may have been started anew
            self._unheard = list(self._subjects)
            self._say_at_ms = self._serve_at_ms = None
        elif text == "hello?":
            self.greeted = False
            self._say_at_ms = None
        elif words[0] in ("ok", "got") and len(words) == 2 and words[1].isdigit():
            self._on_ack(int(words[1]), words[0] == "ok")
        elif words[0] in ("ok", "no") and words[1:2] == ["sub"]:
            answered = "serve {}".format(words[-1]).encode()  # or it may not be
            self._unheard = [line for line in self._unheard if line != answered]
        elif words[0] == "msg" and len(words) > 1:
            self._call(words[1], words[2:])
        elif words[0] == "req" and len(words) > 2:
            answer = self._call(words[2], words[3:])
            self._answers.append("rep {} {}".format(words[1], answer).encode())

    def _on_ack(self, number: int, is_stored: bool) -> None:
        if not self.greeted:
            return
        count = len([one for one, _ in self._kept if one <= number])
        is_news = count > self._got or (is_stored and count > 0)
        self._got = max(self._got, count)
        if is_stored:
            self._kept = self._kept[count:]
            self._got -= count
            self.acked += count
        if is_news:
            self._say_at_ms = None

    def _call(self, subject: str, words: "list[str]") -> str:
        if self.on_message is None:
            return ""
        return self.on_message(subject, " ".join(words)) or ""

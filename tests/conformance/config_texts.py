"""Random configuration files: entries of a grammar, written in all ways there are, then damaged.

Knows the language and which values suit which key; not what either server makes of a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

FILES: Final = {
    "tags.conf": "server_tags: [x, y]\n",
    "user.conf": "user: u\npassword: p\n",
    "empty.conf": "",
    "json.conf": '{"server_tags": ["x"]}',
    "defines.conf": "INCLUDED: abc\n",
    "outer.conf": "server_name: $VALUE\n",
    "broken.conf": "port: [",
}
ENVIRONMENT: Final = {
    "ENV_WORD": "abc",
    "ENV_NUMBER": "4333",
    "ENV_SIZE": "64kb",
    "ENV_BOOL": "on",
    "ENV_QUOTED": '"a b"',
    "ENV_OTHER": "$ENV_WORD",
    "ENV_HASH": "'$2a$11$ooo'",
    "ENV_EMPTY": "",
    "ENV_BAD": "a b",
}
_HASH: Final = "$2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG"
_TEXTS: Final = (
    "abc",
    '"abc"',
    "'abc'",
    '"a b"',
    '"a\\x41\\"b"',
    "a\\x42c",
    "a:b",
    "a=b",
    "a#b",
    "a//b",
    "a(b",
    'a"b',
    "héé",
    "5a",
    "1m30s",
    "1e3",
    "1.2.3.4",
    '"true"',
    "'5'",
    "$ENV_WORD",
    "$ENV_QUOTED",
    "$ENV_OTHER",
    "$VALUE",
    "x'",
)
_BOOLEANS: Final = ("true", "FALSE", "on", "Off", "yes", "no", "$ENV_BOOL")
_COUNTS: Final = ("5", "1k", "10", "$ENV_NUMBER", "0", "007")
_SIZES: Final = ("65536", "64k", "64K", "64kb", "64KB", "64ki", "64Kib", "1m", "1MiB", "$ENV_SIZE")
_TIMES: Final = ('"2s"', "2s", "100ms", "'1m'", "1h30m", "1m30s", '"1.5s"', "5")
_ADDRESSES: Final = ("127.0.0.1:4333", '"127.0.0.1:4333"', "4333", '"[::1]:4333"', "localhost:4333")
# What may stand behind a key. Text in braces and brackets is written anew each time: see `_value`.
_TOP: Final[dict[str, tuple[str, ...]]] = {
    "server_name": _TEXTS,
    "default_js_domain": ("{}",),
    "client_advertise": ("abc", '"abc:5"', "1.2.3.4:5"),
    "debug": _BOOLEANS,
    "trace": _BOOLEANS,
    "logtime": _BOOLEANS,
    "no_header_support": _BOOLEANS,
    "port": ("4333", "-1", "$ENV_NUMBER", '"4333"'),
    "listen": _ADDRESSES,
    "http": _ADDRESSES,
    "host": ("127.0.0.1", '"::1"', "localhost"),
    "max_payload": _SIZES,
    "max_pending": ("64mb", "128MB", "67108864"),
    "max_control_line": ("4k", "4096", "8KB"),
    "max_connections": _COUNTS,
    "max_subscriptions": _COUNTS,
    "ping_max": ("2", "3", "$ENV_NUMBER"),
    "ping_interval": _TIMES,
    "write_deadline": _TIMES,
    "lame_duck_duration": ('"60s"', "60s", "'2m'", "1h30m"),
    "pid_file": ("/tmp/x.pid", "x.pid", "'./x.pid'"),
    "server_tags": ("[]", "[text]", "[text text]", "abc"),
    "server_metadata": ("{}", "{text}"),
    "authorization": ("{}", "{user}", "{token}", "{users}", "include"),
    "accounts": ("{}", "{accounts}", "[names]"),
    "mappings": ("{}", "{mappings}"),
    "jetstream": ("{}", "{jetstream}", "true", "enabled"),
    "leafnodes": ("{}", "{leafnodes}"),
}
_BLOCKS: Final[dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "{text}": (("a", _TEXTS), ("b", _TEXTS)),
    "{user}": (
        ("user", ("abc", '"a b"', "$ENV_WORD")),
        ("password", ("abc", _HASH, f'"{_HASH}"', "$ENV_HASH")),
        ("timeout", ("1", "1.5", '"2s"', "2")),
    ),
    "{token}": (("token", ("abc", "'a b'", "$ENV_WORD", _HASH)), ("timeout", ("1", "2.5"))),
    "{users}": (("users", ("[users]",)), ("timeout", ("1", "2.5"))),
    "{accounts}": (("A", ("{}", "{account}")), ("'B'", ("{}",))),
    "{account}": (("users", ("[users]",)), ("exports", ("[exports]",)), ("imports", ("[]",))),
    "{mappings}": (("foo", ("bar", "'bar'", "a.>")), ("foo.*", ("bar.$1", "'b.$1'"))),
    "{jetstream}": (
        ("store_dir", ("/tmp/x", "x", "'./x'")),
        ("max_mem", _SIZES),
        ("max_file", ("1g", "10GB", "1TiB")),
        ("domain", ("abc", "'abc'")),
    ),
    "{leafnodes}": (("reconnect", _TIMES[:6]), ("remotes", ("[]", "[remotes]"))),
    "{remote}": (("url", ("nats://a:1", "'nats://a:1'")), ("reconnect", ("2s",))),
    "{permitted}": (("user", ("p",)), ("password", ("abc",)), ("permissions", ("{permissions}",))),
    "{permissions}": (
        ("publish", (">", "'a.*'", "[subjects]")),
        ("subscribe", ("a", "[subjects]")),
    ),
    "{export}": (("stream", ("a.>", "'b'")),),
}
# How many of a block's entries it is nothing without.
_NEEDED: Final = {"{user}": 2, "{permitted}": 2, "{token}": 1, "{export}": 1, "{remote}": 1}
_ARRAYS: Final[dict[str, tuple[str, ...]]] = {
    "[text]": _TEXTS[:3],
    "[text text]": _TEXTS,
    "[names]": ("A", "'B'", "C"),
    "[users]": ("{user}", "{permitted}"),
    "[exports]": ("{export}",),
    "[remotes]": ("{remote}",),
    "[subjects]": ("a", "'b.>'", "c.*"),
}
_BETWEEN: Final = (": ", ":", " = ", "=", " ", "\t", " : ", "\n", " \n ", ":  ")
_AFTER_MARK: Final = (":\n", " =\r\n")
_COMMENTS: Final = (" # c", " // c", "# c: d", "\t//")
_DAMAGE: Final = (
    *"{}[]:=,;#\n\"'()\\$ /\t\r-.5",
    *(
        "//",
        "\ufeff",
        "\u00a0",
        "\u0663",
        "{}",
        "}}",
        ",,",
        "[]",
        ":=",
        "$VALUE",
        "include tags.conf",
    ),
)


def text(random: Random) -> str:
    """Return a file: half of them are right in what they are meant to be."""
    written = _Writer(random).file()
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        at = random.randrange(len(written) + 1)
        written = (
            written[:at] + random.choice(_DAMAGE) + written[at + random.choice((0, 0, 1, 2)) :]
        )
    return written


class _Writer:
    def __init__(self, random: Random) -> None:
        self._random = random

    def file(self) -> str:
        random = self._random
        keys = random.sample(list(_TOP), random.randrange(1, 5))
        entries = [self._entry(key, _TOP[key]) for key in keys]
        if any("$VALUE" in entry for entry in entries) and random.random() < 0.9:
            entries.insert(0, self._entry("VALUE", ("abc", "'a b'", "v1")))
        if random.random() < 0.15:
            name = random.choice((*FILES, "none.conf"))
            path = random.choice((name, f"'{name}'", f'"{name}"', f"./{name}"))
            entries.insert(random.randrange(len(entries) + 1), f"{self._word('include')} {path}")
        if random.random() < 0.3:
            return self._braces(entries)
        return self._joined(entries, (*"\n\n\n;,}", "\r\n", "\r", " \n\n"), last=0.7)

    def _braces(self, entries: list[str]) -> str:
        random = self._random
        levels = random.choice((1, 1, 1, 2))
        inner = self._joined(entries, (*"\n\n,,;", "\r\n"), last=0.5)
        opened = "{" * levels + random.choice(("", " ", "\n"))
        closed = random.choice(("", "", "\n", " ")) + "}" * levels
        return opened + inner + closed + random.choice(("", "", "\n", "}", " # c\n", "\ndebug: on"))

    def _joined(self, entries: list[str], ends: tuple[str, ...], *, last: float) -> str:
        random = self._random
        out = [random.choice(("", "", "", "\n", "# c\n", "// c\n", "  "))]
        for index, entry in enumerate(entries):
            end = random.choice(ends)
            if end[0] in "\r\n" and random.random() < 0.2:
                end = random.choice(_COMMENTS) + end
            is_last = index == len(entries) - 1
            out += [entry, "" if is_last and random.random() > last else end]
            out.append(random.choice(("", "", " ", "\n", "  # c\n")) if not is_last else "")
        return "".join(out)

    def _entry(self, key: str, values: tuple[str, ...]) -> str:
        random = self._random
        written = self._value(random.choice(values))
        if written == "include":
            return f"{key} {{ include user.conf }}"
        between = random.choice(_AFTER_MARK if random.random() < 0.03 else _BETWEEN)
        if random.random() < 0.03:
            written = ""
        if written[:1] in {"'", '"', "{", "["} and random.random() < 0.2 and key[:1] not in "'\"":
            return f'"{key}"{written}'
        return self._word(key) + between + written

    def _word(self, key: str) -> str:
        random = self._random
        if key[0] in "'\"" or random.random() < 0.7:
            return key
        written = random.choice((key.upper(), key.title(), f'"{key}"', f"'{key}'"))
        return written if key in _TOP or written[0] in "'\"" else key

    def _value(self, value: str) -> str:
        if block := _BLOCKS.get(value):
            needed = _NEEDED.get(value, 0)
            kept = [e for i, e in enumerate(block) if i < needed or self._random.random() < 0.8]
            entries = [self._entry(key, values) for key, values in kept]
            inner = self._joined(entries, ("\n", "\n", ",", ";", " ,", "\r\n", " \n "), last=0.5)
            return "{" + inner + self._random.choice(("", " ", "\n")) + "}"
        if items := _ARRAYS.get(value):
            chosen = [
                self._value(self._random.choice(items)) for _ in range(self._random.randrange(1, 4))
            ]
            inner = self._joined(chosen, ("\n", ",", ", ", ",\n", "\r\n"), last=0.3)
            return "[" + inner + self._random.choice(("", " ", "\n")) + "]"
        return value

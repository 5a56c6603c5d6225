r"""Scripts: what clients do to JetStream, as text, and how to read them.

A file holds chapters, each on streams of its own. `# …` is a remark.

    == STR-03 another configuration under the same name       a chapter; its first word is its name
    == LIM-01 [as LIM] …     [on domain] …                    of another account, on another server
    @STREAM.CREATE.S {"name":"S"}              a request to $JS.API.…, and its answer
    orders.1 {Nats-Msg-Id: a; X: b} hello      a request with headers
    many 3 @DIRECT.GET.S {"seq":1,"batch":9}   answers until the third or a status
    silent @NOPE                               a request that nobody answers
    pub orders.1 hello                         no answer is wanted; `pub 5 …`: <<i>> from 0
    pub to d orders.1 hello                    the reply subject is that of the subscription d
    pub to _D.x orders.1 hello                 the reply subject itself; `pub 5 …`: <<n>> in it, too
    sub d push.subject [group]                 a subscription of its own; `unsub d`
    take d 2                                   the next two messages of d; `quiet d`: none has come
    until state.messages=0 @STREAM.INFO.S      asks again until the answer says so
    sleep 300ms                                at least
    http healthz?details=true                  the monitoring port
    restart                                    the server, with `[on own]`
    ~@INFO => streams=1                        only what `=>` says counts

`… => 400/10058 text` is the error that must come (the text anywhere in it), `=> ok` none;
`=> 404 No Messages` a status; `=> state.messages=3 seq=1` fields; `=> data=x` a payload;
`=> n=3` the number of messages. Several are divided by `;`. What no `=>` asks for is compared
between the servers all the same. `area/name: …` names a step by itself: it is a row of its own.
<<x*300>> repeats, <<now+30s>> is a time, <<r1>> the reply subject of the first message that came
last, <<pin>> the last Nats-Pin-Id, <<h:Name>> the last header of that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHAPTER = re.compile(r"== (\S+)(?: \[as (\w+)\])?(?: \[on (\w+)\])?(?: (.*))?")
_NAMED = re.compile(r"([\w.-]+/[^ :]+): (.*)")
_VERBS = {"silent", "pub", "sub", "unsub", "take", "quiet", "until", "sleep", "many", "http"}
_VERBS |= {"restart"}
_HEADERS = re.compile(r"(\S+) \{([\w-]+: [^{}]*)\}(?: (.*))?$", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One line."""

    line: int
    row: str  # what a difference here counts for; empty: the setting
    verb: str
    args: str
    expects: tuple[str, ...] = ()
    only_expected: bool = False  # the rest is not compared


@dataclass(frozen=True)
class Chapter:
    """What runs on one connection to one account, from nothing."""

    name: str
    title: str
    account: str  # empty: any
    server: str
    steps: list[Step] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(step.row for step in self.steps if step.row))


@dataclass(frozen=True)
class Message:
    """What a step sends."""

    subject: str
    header: bytes
    payload: bytes


def read(path: Path) -> list[Chapter]:
    """Return the chapters of a file."""
    chapters: list[Chapter] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _CHAPTER.fullmatch(line)
        if found:
            name, account, server, title = found.groups("")
            chapters.append(Chapter(name, title, account, server or "main"))
        else:
            chapters[-1].steps.append(_step(chapters[-1], number, line))
    return chapters


def _step(chapter: Chapter, number: int, line: str) -> Step:
    text, _, expected = line.removeprefix("~").partition(" => ")
    only = line.startswith("~")
    expects = tuple(one.strip() for one in expected.split(";") if one.strip())
    row = chapter.name if "/" not in chapter.name else ""
    named = _NAMED.fullmatch(text)
    if named:
        row, text = named[1], named[2]
    verb, _, args = text.partition(" ")
    if verb not in _VERBS:
        verb, args = "ask", text
    return Step(number, row, verb, args.rstrip(), expects, only)


def message(text: str) -> Message:
    """Return what `subject {Name: value; …} payload` stands for, substitutions made."""
    headers = b""
    found = _HEADERS.match(text)
    if found:
        lines = [line.strip(" ") for line in found[2].split(";")]
        headers = ("NATS/1.0\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()
        subject, payload = found[1], found[3] or ""
    else:
        subject, _, payload = text.partition(" ")
    if subject.startswith("@"):
        subject = "$JS.API." + subject[1:]
    return Message(subject, headers, payload.encode())

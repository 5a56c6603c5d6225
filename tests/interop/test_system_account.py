"""The system account beside that of a real nats-server 2.15.1: the same subjects, the same keys,
the same types, the same refusals; and message traces with the same steps.

Both get the same configuration and the same clients. What one of them has alone is listed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import nats
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswer

from tests.hub.process import nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.gateway import running_gateway

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.client import Client
    from nats.aio.msg import Msg

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

CONFIG: Final = """
server_name: srv
server_tags: ["line:3"]
jetstream { store_dir: "{dir}/js", domain: edge }
system_account: SYS
authorization { users: [{user: g, password: g}] }
accounts {
  SYS { users: [{user: sys, password: sys}] }
  A {
    jetstream: enabled
    users: [{user: a, password: a, permissions: {publish: {deny: ["x.>"]}}}]
    mappings: {old: "a.new"}
    exports: [{stream: "a.>"}, {stream: "c.*"}]
    imports: [{service: {account: B, subject: svc}, to: "req.svc"}]
  }
  B {
    users: [{user: b, password: b}]
    imports: [
      {stream: {account: A, subject: "a.>"}, prefix: from}
      {stream: {account: A, subject: "c.*"}, prefix: via, allow_trace: true}
    ]
    exports: [{service: svc}]
  }
}
"""
# What one of them has alone, or more of: paths of keys.
UNLIKE: Final = {
    *(".feature_flags", ".server.feature_flags", ".data.feature_flags"),
    *(".statsz.gomaxprocs", ".data.git_commit"),
    *(f"{path}.config.sync_always" for path in (".data", ".data.jetstream", ".statsz.jetstream")),
    *(".data.leafnode", ".data.leaf"),  # ours; the hub has a leaf listener
    *(".data.imports", ".data.mappings"),  # there JetStream and $SYS are reached by some
}

# Asked in the system account: subject (with {id}) and body.
SYSTEM_REQUESTS: Final = [
    *((f"$SYS.REQ.SERVER.PING.{name}", "") for name in ("IDZ", "STATSZ", "VARZ", "CONNZ", "SUBSZ")),
    *((f"$SYS.REQ.SERVER.PING.{name}", "") for name in ("ROUTEZ", "GATEWAYZ", "LEAFZ", "JSZ")),
    *((f"$SYS.REQ.SERVER.PING.{name}", "") for name in ("ACCOUNTZ", "HEALTHZ", "RAFTZ")),
    *((f"$SYS.REQ.SERVER.{{id}}.{name}", "") for name in ("IDZ", "STATSZ", "CONNZ", "HEALTHZ")),
    *(("$SYS.REQ.SERVER.PING", ""), ("$SYS.REQ.USER.INFO", ""), ("$SYS.DEBUG.SUBSCRIBERS", ">")),
    *((f"$SYS.REQ.ACCOUNT.A.{name}", "") for name in ("CONNS", "STATZ", "CONNZ", "SUBSZ", "LEAFZ")),
    *((f"$SYS.REQ.ACCOUNT.A.{name}", "") for name in ("INFO", "JSZ")),
    *((f"$SYS.REQ.ACCOUNT.NOPE.{name}", "") for name in ("STATZ", "INFO", "JSZ", "CONNS")),
    *(("$SYS.REQ.ACCOUNT.PING.STATZ", ""), ("$SYS.REQ.SERVER.PING.NOPE", "")),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", '{"accounts":["A"]}'),
    ("$SYS.REQ.SERVER.PING.IDZ", "[bad"),
    ("$SYS.REQ.SERVER.PING.VARZ", "{bad"),
    ("$SYS.REQ.SERVER.PING.CONNZ", '{"sort":"bad"}'),
    ("$SYS.REQ.SERVER.PING.CONNZ", '{"sort":5}'),
    ("$SYS.REQ.SERVER.PING.CONNZ", '{"auth":true,"subscriptions":true,"acc":"A"}'),
    ("$SYS.REQ.SERVER.PING.CONNZ", "[]"),
    ("$SYS.REQ.SERVER.PING.STATSZ", '{"server_name":5}'),
    *(
        ("$SYS.REQ.SERVER.PING.HEALTHZ", body)
        for body in ('{"server_name":"sr"}', '{"tags":["x"]}')
    ),
    *(("$SYS.REQ.SERVER.PING.HEALTHZ", body) for body in ('{"domain":"edge"}', '{"domain":"e"}')),
    ("$SYS.REQ.SERVER.PING.HEALTHZ", '{"server_name":"sr","exact_match":true}'),
    ("$SYS.REQ.SERVER.PING.HEALTHZ", '{"tags":["line:3"],"host":"127"}'),
    ("$SYS.REQ.SERVER.PING.PROFILEZ", ""),
    *(
        (f"$SYS.REQ.SERVER.{{id}}.{name}", body)
        for name in ("KICK", "LDM")
        for body in ('{"cid":9999}', "", '{"cid":-1}', "[]", '{"cid":9999,"server_name":5}')
    ),
    ("$SYS.REQ.SERVER.{id}.RELOAD", ""),
]
# Asked by a user of another account.
ACCOUNT_REQUESTS: Final = [
    *("$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"),
    *("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.IDZ"),
    *("$SYS.REQ.ACCOUNT.B.CONNZ", "$SYS.REQ.ACCOUNT.A.INFO", "$SYS.DEBUG.SUBSCRIBERS"),
]
# Published by a user of A with `Nats-Trace-Dest: t.x`: subject, reply, more headers.
TRACED: Final[list[tuple[str, str, dict[str, str]]]] = [
    ("a.b", "", {}),
    ("a.b", "", {"Nats-Trace-Only": "1"}),
    ("a.b", "", {"Nats-Trace-Only": "no"}),
    ("c.d", "", {}),
    ("nobody", "", {}),
    ("old", "", {}),
    ("x.y", "", {}),
    ("a.b", "", {"Nats-Trace-Dest": "x.y"}),
    ("a.b", "", {"Nats-Trace-Dest": "a.*"}),
    ("a.b", "", {"Nats-Trace-Dest": "trace disabled"}),
    ("req.svc", "rr", {}),
    ("req.svc", "rr", {"Nats-Trace-Only": "true"}),
    ("s.1", "", {}),
    ("s.1", "", {"Nats-Trace-Only": "1"}),
    ("s.1", "", {"Nats-Expected-Last-Sequence": "77"}),
    ("s.1", "", {"Nats-Expected-Last-Sequence": "77", "Nats-Trace-Only": "1"}),
]


def shape(value: Any, path: str = "") -> Any:
    """Keys and types of an answer; what is alike in all items of a list once."""
    if isinstance(value, dict):
        return {
            key: shape(inner, f"{path}.{key}")
            for key, inner in sorted(value.items())
            if f"{path}.{key}" not in UNLIKE
        }
    if isinstance(value, list):
        shapes = [json.dumps(shape(item, path), sort_keys=True) for item in value]
        return [json.loads(text) for text in sorted(set(shapes))]
    if path.rpartition(".")[2] in {"type", "error", "description", "code", "reason", "kind"}:
        return value
    if isinstance(value, bool) or value is None:
        return str(value)
    return "number" if isinstance(value, int | float) else type(value).__name__


NO_ANSWER: Final = "no answer"
PATIENCE_S: Final = 10.0


async def ask(client: Client, subject: str, body: str = "", *, patience_s: float) -> Any:
    try:
        answer = await client.request(subject, body.encode(), timeout=patience_s)
    except NoRespondersError:
        return "nobody is there"
    except NoAnswer:
        return NO_ANSWER
    return shape(json.loads(answer.data))


class Told(NamedTuple):
    """A message of the system account. `client`: whom it tells of, by name; "" for nobody."""

    subject: str
    client: str
    shape: Any


class Side:
    """One of the two servers, with a user of the system account and one of A."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.told: list[Told] = []

    async def __aenter__(self) -> Side:
        self.sys = await nats.connect(self.url("sys"), name="watcher")
        self.id = json.loads((await self.sys.request("$SYS.REQ.SERVER.PING.IDZ")).data)["id"]
        await self.sys.subscribe("$SYS.>", cb=self._note)
        self.app = await self.connect("a", name="app")
        await settled(self.sys, self.app)  # the server's own PING is answered, too
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self.sys, self.app):
            await client.close()

    def url(self, user: str) -> str:
        return self._url.replace("nats://", f"nats://{user}:{user}@")

    async def connect(self, user: str, **options: Any) -> Client:
        return await nats.connect(self.url(user), allow_reconnect=False, **options)

    async def _note(self, message: Msg) -> None:
        subject = message.subject.replace(self.id, "<id>")
        # Requests that came from other accounts are seen here on nats-server, and are not ours.
        if not subject.startswith(("$SYS.REQ.", "$SYS._INBOX")):
            told = json.loads(message.data)
            self.told.append(Told(subject, told.get("client", {}).get("name", ""), shape(told)))


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory: Path = tmp_path_factory.mktemp("system")
    # Without a leaf listener: with one, nats-server sends statistics to nobody, too.
    with (
        running_hub(directory / "theirs", CONFIG) as theirs,
        running_gateway(directory / "ours", CONFIG) as ours,
    ):
        yield theirs.client_url, ours.client_url


async def on_both(urls: tuple[str, str], what: Any) -> tuple[Any, Any]:
    answers = []
    for url in urls:
        async with Side(url) as side:
            answers.append(await what(side))
    return answers[0], answers[1]


async def asked_of_both(
    urls: tuple[str, str], who: str, subject: str, body: str = ""
) -> tuple[Any, Any]:
    """Ask both; one that is silent where the other is not has more time to answer."""

    async def answer(side: Side, patience_s: float) -> Any:
        subject_there = subject.replace("{id}", side.id)
        return await ask(getattr(side, who), subject_there, body, patience_s=patience_s)

    theirs, ours = await on_both(urls, lambda side: answer(side, 0.25))
    if ours != theirs and NO_ANSWER in (ours, theirs):
        theirs, ours = await on_both(urls, lambda side: answer(side, PATIENCE_S))
    return theirs, ours


@pytest.mark.parametrize(("subject", "body"), SYSTEM_REQUESTS)
async def test_the_system_account_answers_alike(
    urls: tuple[str, str], subject: str, body: str
) -> None:
    theirs, ours = await asked_of_both(urls, "sys", subject, body)

    assert ours == theirs


@pytest.mark.parametrize("subject", ACCOUNT_REQUESTS)
async def test_other_accounts_are_answered_alike(urls: tuple[str, str], subject: str) -> None:
    theirs, ours = await asked_of_both(urls, "app", subject)

    assert ours == theirs


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("$SYS.REQ.SERVER.PING.CONNZ", '{"sort":"<a>&"}'),
        ("$SYS.REQ.ACCOUNT.NOPE.INFO", ""),
        ("$SYS.REQ.SERVER.{id}.KICK", '{"cid":9999}'),
        ("$SYS.REQ.USER.INFO", ""),
    ],
)
async def test_answers_are_written_alike(urls: tuple[str, str], subject: str, body: str) -> None:
    async def written(side: Side) -> bytes:
        there = subject.replace("{id}", side.id)
        answer = await side.sys.request(there, body.encode(), timeout=PATIENCE_S)
        return re.sub(rb'"server":\{.*?"time":"[^"]*"\}', b"<server>", answer.data)

    theirs, ours = await on_both(urls, written)

    assert ours == theirs


async def lines_of_answers(side: Side) -> list[bytes]:
    """Ask on a socket of one's own; return the lines before the answers, without their numbers."""
    address = urlsplit(side.url("sys"))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)

    async def heard() -> bytes:
        while (line := await reader.readline()) == b"PING\r\n":
            pass
        return line

    await heard()
    login = b'{"user":"sys","pass":"sys","verbose":false,"headers":true}'
    # Nobody else comes to B now.
    writer.write(b"CONNECT %b\r\nSUB r 1\r\nSUB $SYS.ACCOUNT.B.CONNECT 2\r\n" % login)
    lines = []
    for subject in ("SERVER.PING.IDZ", f"SERVER.{side.id}.LDM", "USER.INFO", "ACCOUNT.A.INFO"):
        writer.write(f'PUB $SYS.REQ.{subject} r 12\r\n{{"cid":9999}}\r\n'.encode())
        lines.append(await heard())
        await heard()
    asked = b"NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n"
    size = len(asked)
    writer.write(b"HPUB $SYS.REQ.SERVER.PING.HEALTHZ r %d %d\r\n%b\r\n" % (size, size, asked))
    lines.append(await heard())
    await reader.readexactly(int(lines[-1].split()[-1]) + 2)
    async with await side.connect("b"):
        lines.append(await heard())
    writer.close()
    await writer.wait_closed()
    return [re.sub(rb" \d+\r\n", b" <size>\r\n", line) for line in lines]


async def test_the_lines_of_answers_and_events_are_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, lines_of_answers)

    assert theirs[0] == b"MSG r 1  <size>\r\n"  # an empty reply
    assert ours == theirs


async def keys_of_a_row(side: Side) -> tuple[list[str], bytes]:
    """Return the keys of CONNZ's answer for one client in their order, and its subscriptions."""
    asked = b'{"auth":true,"subscriptions":true,"user":"sys"}'
    answer = await side.sys.request("$SYS.REQ.SERVER.PING.CONNZ", asked, timeout=PATIENCE_S)
    listed = re.search(rb'"\$SYS\.[^"]*"', answer.data)
    return list(json.loads(answer.data)["data"]["connections"][0]), listed[0] if listed else b""


async def test_a_connection_is_written_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, keys_of_a_row)

    assert theirs[1] == rb'"$SYS.\u003e"'
    assert ours == theirs


async def shown_user(side: Side) -> tuple[str, list[str]]:
    """Name a key beside user and password; return who USER.INFO and CONNZ say that it is."""
    address = urlsplit(side.url("a"))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    await reader.readline()
    writer.write(b'CONNECT {"user":"a","pass":"a","nkey":"UAAA","verbose":false}\r\n')
    writer.write(b"SUB i 1\r\nPUB $SYS.REQ.USER.INFO i 0\r\n\r\n")
    await reader.readline()
    user = json.loads(await reader.readline())["data"]["user"]
    asked = b'{"auth":true,"user":"UAAA"}'
    answer = await side.sys.request("$SYS.REQ.SERVER.PING.CONNZ", asked, timeout=PATIENCE_S)
    shown = [row["authorized_user"] for row in json.loads(answer.data)["data"]["connections"]]
    writer.close()
    await writer.wait_closed()
    return user, shown


async def test_a_key_that_nothing_proves_is_shown_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, shown_user)

    assert theirs == ("UAAA", ["UAAA"])
    assert ours == theirs


WRONG: Final = b'"user":"a","pass":"wrong","lang":"go","version":"1","name":"x"'


async def be_refused(side: Side, words: bytes = WRONG) -> None:
    """Log in with a wrong password, on a socket of one's own: nats-py leaves it open."""
    address = urlsplit(side.url("a"))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    await reader.readline()
    writer.write(b"CONNECT {%b}\r\n" % words)
    assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
    writer.close()
    await writer.wait_closed()


async def events(side: Side) -> tuple[list[Told], set[str]]:
    """Let a client come, work and go, be refused, be kicked.

    Return what was told of them, in any order, and what was told of accounts.
    """
    one = await side.connect("a", name="one")
    await one.publish("a.b", b"hi")
    await settled(one)
    cid = one.client_id
    await side.sys.request(
        f"$SYS.REQ.SERVER.{side.id}.KICK", b'{"cid":%d}' % cid, timeout=PATIENCE_S
    )
    two = await side.connect("b", name="two")
    await two.close()
    await be_refused(side, WRONG.replace(b'"x"', b'"three"'))

    def of_them() -> list[Told]:
        return [told for told in side.told if told.client in {"one", "two", "three"}]

    await until(lambda: len(of_them()) >= 6)  # two came, three went, one of them refused
    await side.sys.request("$SYS.REQ.SERVER.PING.IDZ", timeout=PATIENCE_S)  # and nothing follows
    await one.close()
    accounts = {json.dumps(told) for told in side.told if told.subject.endswith(".CONNS")}
    return sorted(of_them(), key=json.dumps), accounts


# What a client says after CONNECT, before it goes; the end that is told of it.
ENDS: Final = {
    "FOO": (b"FOO\r\n", "Protocol Violation"),
    "bad arguments": (b"SUB a b c d e\r\n", "Protocol Violation"),
    "a complaint": (b"-ERR 'x'\r\n", "Parse Error"),
    "a large message": (b"PUB a 9999999\r\n", "Maximum Message Payload Exceeded"),
    "a long line": (b"PUB %b 1\r\n" % (b"a" * 5000), "Maximum Control Line Exceeded"),
    "nothing": (b"", "Client Closed"),
    "a reset": (None, "Read Error"),
}


async def ends(side: Side) -> dict[str, Any]:
    """Let clients go in many ways; return the reasons that were told, by the clients' names."""
    address = urlsplit(side.url("a"))
    for name, (said, _) in ENDS.items():
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        await reader.readline()
        login = {"verbose": False, "user": "a", "pass": "a", "name": name}
        writer.write(b"CONNECT %b\r\nPING\r\n" % json.dumps(login).encode())
        assert await reader.readline() == b"PONG\r\n"
        if said is None:
            abort = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        elif said:
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                await reader.read()  # until the server ends it
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def told() -> dict[str, Any]:
        gone = [one for one in side.told if one.subject.endswith(".DISCONNECT")]
        return {one.client: one.shape["reason"] for one in gone if one.client in ENDS}

    await until(lambda: len(told()) == len(ENDS))
    return told()


async def test_the_ends_of_connections_are_named_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, ends)

    assert theirs == {name: reason for name, (_, reason) in ENDS.items()}
    assert ours == theirs


async def refusals(side: Side) -> list[Any]:
    """Refuse a password, then a token; return what the global account is told of it."""
    told: list[Any] = []
    answers = asyncio.Queue[None]()

    async def note(message: Msg) -> None:
        told.append((message.subject, shape(json.loads(message.data))))
        answers.put_nowait(None)

    client = await side.connect("g")
    await client.subscribe("$SYS.>", cb=note)
    await settled(client)
    for words in (b'"user":"a","pass":"wrong","lang":"go"', b'"auth_token":"t0ken"'):
        await be_refused(side, words)
        await asyncio.wait_for(answers.get(), PATIENCE_S)
    await client.close()
    return told


async def test_the_global_account_is_told_alike_of_logins_that_do_not_hold(
    urls: tuple[str, str],
) -> None:
    theirs, ours = await on_both(urls, refusals)

    assert [subject for subject, _ in theirs] == ["$SYS.ACCOUNT.CLIENT.AUTH.ERR"] * 2
    assert ours == theirs


async def test_events_are_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, events)

    assert ours == theirs


async def heartbeat(side: Side) -> Any:
    def heard() -> list[Told]:
        return [told for told in side.told if told.subject == "$SYS.SERVER.<id>.STATSZ"]

    await side.sys.publish("$SYS.REQ.SERVER.PING.STATSZ", b"")
    await until(heard)
    return heard()[0]


async def test_statistics_are_alike(urls: tuple[str, str]) -> None:
    theirs, ours = await on_both(urls, heartbeat)

    assert ours == theirs


async def trace(side: Side, subject: str, reply: str, headers: dict[str, str]) -> Any:
    """Return the steps of a traced message, and who got it."""
    traces: list[Any] = []
    marked = asyncio.Event()
    got: list[str] = []

    async def note(message: Msg) -> None:
        if message.subject == "t.mark":
            marked.set()
        else:
            traces.append(json.loads(message.data))

    async def receive(message: Msg) -> None:
        got.append(message.subject)

    reader, other = await side.connect("a", name="reader"), await side.connect("b", name="other")
    await side.app.subscribe("t.*", cb=note)
    subs = [
        await reader.subscribe("a.>", cb=receive),
        await reader.subscribe("a.b", queue="q", cb=receive),
        *[await other.subscribe(pattern, cb=receive) for pattern in ("from.a.b", "svc", "via.>")],
    ]
    await settled(reader, other)
    js, stored = side.app.jetstream(timeout=PATIENCE_S), 0
    is_stored = subject.startswith("s.")
    if is_stored:
        await js.add_stream(name="S", subjects=["s.>"])
    await side.app.publish(
        subject, b"hi", reply=reply, headers={"Nats-Trace-Dest": "t.x"} | headers
    )
    # Traces leave in order, so this one's comes last; but for those that a stream completes.
    await side.app.publish("nobody", b"", headers={"Nats-Trace-Dest": "t.mark"})
    await asyncio.wait_for(marked.wait(), PATIENCE_S)
    if is_stored:
        await until(lambda: traces)
        stored = (await js.stream_info("S")).state.messages
        await js.delete_stream("S")
    for sub in subs:
        await sub.drain()  # until nothing more comes and all is handled
    for client in (reader, other):
        await client.close()
    return [timeless(one) for one in traces], sorted(got), stored


def timeless(one: dict[str, Any]) -> dict[str, Any]:
    """A trace without what differs from run to run, its steps in one order."""
    steps = [{k: v for k, v in step.items() if k not in {"ts", "cid"}} for step in one["events"]]
    return {
        "server": shape(one["server"]),
        "request": one["request"],
        "hops": one.get("hops", 0),
        "events": sorted(steps, key=lambda step: json.dumps(step, sort_keys=True)),
    }


@pytest.mark.parametrize(("subject", "reply", "headers"), TRACED)
async def test_traces_are_alike(
    urls: tuple[str, str], subject: str, reply: str, headers: dict[str, str]
) -> None:
    theirs, ours = await on_both(urls, lambda side: trace(side, subject, reply, headers))

    assert ours == theirs


async def test_other_accounts_hear_nothing_of_the_system_account(urls: tuple[str, str]) -> None:
    async with Side(urls[1]) as side:
        heard: list[str] = []

        async def note(message: Msg) -> None:
            heard.append(message.subject)

        sub = await side.app.subscribe("$SYS.>", cb=note)
        await settled(side.app)
        client = await side.connect("b", name="goes")
        await side.app.publish("$SYS.REQ.SERVER.PING", b"", reply="r")
        await settled(side.app)
        await client.close()
        await until(lambda: sum(told.client == "goes" for told in side.told) == 2)
        await sub.drain()

        assert heard == ["$SYS.REQ.SERVER.PING"]  # what it published in its own name space

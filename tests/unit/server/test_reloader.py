"""leafnode.server.reloader on a whole server in this process; signals: tests/interop."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import socket
import sys
import threading
import tty
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.auth.users import Users
from leafnode.clock import NS_PER_S, SystemClock
from leafnode.config import import_check
from leafnode.config.account_options import AccountOptions, StreamExport, StreamImport
from leafnode.config.import_check import ImportCheck
from leafnode.config.listener_options import CertificatePair, ListenerTls
from leafnode.config.options import (
    AuthCalloutOptions,
    Authorization,
    HostPort,
    JetStreamOptions,
    LeafOptions,
    LeafRemote,
    Options,
    User,
)
from leafnode.config.serial_options import FramingOptions, SerialOptions, SerialPort
from leafnode.errors import ConfigError
from leafnode.files import FileReader
from leafnode.jetstream.jetstream import UNBOUNDED
from leafnode.limits import CLIENTS_HELD_PER_TURN
from leafnode.net.tls_context import ServerTls
from leafnode.server import features
from leafnode.server.accounts import Accounts
from leafnode.server.client_ports import FIRST_ONLY
from leafnode.server.jetstreams import JetStreams
from leafnode.server.reload import changes
from leafnode.server.reloader import NO_FILE
from leafnode.server.server import Seams, Server
from leafnode.system.answers import Answers
from tests.sim.certificates import tls_pair
from tests.sim.running import running
from tests.unit.bridge.fake_stream import FakeStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from leafnode.bridge.bridge import Bridge
    from leafnode.server.reload import Change

OLD = Options(port=-1)
GONE = LeafRemote(urls=("nats-leaf://127.0.0.1:1",))
STAYS = LeafRemote(urls=("nats-leaf://127.0.0.1:2",))
COMES = LeafRemote(urls=("nats-leaf://127.0.0.1:3",))


class File:
    """What the configuration's file says when it is read again."""

    def __init__(self, options: Options) -> None:
        self.options: Options | None = options

    def load(self) -> Options:
        if self.options is None:
            raise ConfigError("x.conf", 1, 1, "", "nonsense")
        return self.options


async def while_serving(
    old: Options, story: Callable[[Server, File], Awaitable[None]], *, has_file: bool = True
) -> None:
    file = File(old)
    load = file.load if has_file else None
    server = Server(
        old, Seams(SystemClock(), random.Random(1), random.Random(1).randbytes, load=load)
    )
    async with running(server):
        await story(server, file)


@pytest.mark.real_loop
async def test_without_a_file_there_is_nothing_to_reload() -> None:
    async def story(server: Server, _: File) -> None:
        assert await server.reload() == NO_FILE

    await while_serving(OLD, story, has_file=False)


@pytest.mark.real_loop
async def test_a_file_that_cannot_be_read_changes_nothing() -> None:
    async def story(server: Server, file: File) -> None:
        before = server.options
        file.options = None

        assert await server.reload() == "x.conf:1:1: nonsense\n"
        assert server.options is before

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_an_address_for_monitoring_that_is_taken_changes_nothing() -> None:
    async def story(server: Server, file: File) -> None:
        before = server.options
        file.options = replace(OLD, http=HostPort("127.0.0.1", server.port), max_payload_bytes=5)

        assert "can't listen to the monitor port" in await server.reload()
        assert server.options is before
        assert server.info().max_payload == OLD.max_payload_bytes

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_a_syslog_daemon_is_looked_up_off_the_loop_and_one_without_address_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def look_up(*_: object, **__: object) -> None:
        asked.append(threading.get_ident())
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def story(server: Server, file: File) -> None:
        before = server.options
        file.options = replace(OLD, remote_syslog="udp://log.example:514", max_payload_bytes=5)
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", look_up)

            assert "lookup log.example: name or service not known" in await server.reload()
        assert server.options is before
        assert len(asked) == 1
        assert asked[0] != threading.get_ident()

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_monitoring_is_turned_on_and_off() -> None:
    async def story(server: Server, file: File) -> None:
        file.options = replace(OLD, http=HostPort("127.0.0.1", -1))
        assert await server.reload() == ""
        assert server.monitor is not None
        assert server.features.monitor is not None
        assert server.features.monitor.views.facts.http_port == server.monitor.port

        file.options = OLD
        assert await server.reload() == ""
        assert server.monitor is None

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_clients_hear_a_new_info_when_it_says_something_new() -> None:
    async def story(server: Server, file: File) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b'CONNECT {"protocol":1,"verbose":false}\r\nPING\r\n')
        heard = [(await reader.readline()).split()[0] for _ in range(3)]
        assert heard == [b"INFO", b"PONG", b"INFO"]

        file.options = replace(OLD, ping_max=9)
        assert await server.reload() == ""
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"PONG\r\n"

        file.options = replace(OLD, ping_max=9, max_payload_bytes=500)
        assert await server.reload() == ""
        assert b'"max_payload":500' in await reader.readline()
        writer.close()

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_remotes_come_and_go_and_those_that_are_the_same_stay() -> None:
    async def story(server: Server, file: File) -> None:
        (kept,) = [one for one in server.features.remotes if one.options == STAYS]
        file.options = replace(OLD, leafnodes=LeafOptions(remotes=(STAYS, COMES)))

        assert await server.reload() == ""

        assert [one.options for one in server.features.remotes] == [STAYS, COMES]
        assert server.features.remotes[0] is kept

    await while_serving(replace(OLD, leafnodes=LeafOptions(remotes=(GONE, STAYS))), story)


@pytest.mark.real_loop
async def test_leaf_remotes_that_stay_go_by_the_bounds_and_times_of_the_reload() -> None:
    async def story(server: Server, file: File) -> None:
        (kept,) = server.features.remotes
        leafnodes = LeafOptions(remotes=(STAYS,), reconnect_ns=5)
        file.options = replace(OLD, max_payload_bytes=500, ping_max=9, leafnodes=leafnodes)

        assert await server.reload() == ""

        assert server.features.remotes == [kept]
        environment = kept._environment
        assert (environment.max_payload_bytes, environment.ping_max) == (500, 9)
        assert kept._reconnect_ns == 5

    await while_serving(replace(OLD, leafnodes=LeafOptions(remotes=(STAYS,))), story)


@pytest.mark.real_loop
async def test_a_warning_that_no_longer_holds_is_taken_back() -> None:
    async def story(server: Server, file: File) -> None:
        assert len(server.warnings) == 1
        file.options = replace(server.options, authorization=Authorization(token="t"))

        assert await server.reload() == ""

        assert server.warnings == []
        assert server.info().auth_required

    await while_serving(replace(OLD, host="0.0.0.0"), story)


@pytest.fixture
def tls(tmp_path: Path) -> ListenerTls:
    tls_pair(tmp_path)
    pair = CertificatePair(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    return ListenerTls(pairs=(pair,))


@pytest.mark.real_loop
async def test_a_refused_address_for_https_leaves_its_certificate_to_later_reloads(
    tls: ListenerTls,
) -> None:
    https = replace(OLD, https=HostPort("127.0.0.1", -1), tls=tls)

    async def story(server: Server, file: File) -> None:
        entrance = server.entrances["monitoring"]
        assert entrance.tls is not None
        before = entrance.tls.context
        file.options = replace(https, https=HostPort("127.0.0.1", server.port))
        assert "can't listen to the monitor port" in await server.reload()
        assert server.entrances["monitoring"] is entrance
        assert entrance.tls.context is before

        file.options = https
        assert await server.reload() == ""

        assert server.entrances["monitoring"] is entrance
        assert entrance.tls.context is not before

    await while_serving(https, story)


@pytest.mark.real_loop
async def test_an_address_for_https_that_is_taken_over_comes_with_its_own_certificate(
    tls: ListenerTls,
) -> None:
    async def story(server: Server, file: File) -> None:
        assert "monitoring" not in server.entrances
        file.options = replace(OLD, https=HostPort("127.0.0.1", -1), tls=tls)
        assert await server.reload() == ""
        first = server.entrances["monitoring"]

        file.options = replace(file.options, https=HostPort("localhost", -1))
        assert await server.reload() == ""

        assert server.entrances["monitoring"] is not first
        assert len(server.listeners.open) == 2
        server.entrances["monitoring"].counters.failed += 1

        file.options = OLD
        assert await server.reload() == ""

        assert "monitoring" not in server.entrances
        assert server.entry_counters.failed == 1

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_what_tls_warns_of_comes_and_goes_with_the_tls_in_force(
    monkeypatch: pytest.MonkeyPatch, tls: ListenerTls
) -> None:
    monkeypatch.setattr(ServerTls, "warnings", ("not to be had here",))
    first = replace(tls, handshake_first=True)
    monitor = HostPort("127.0.0.1", -1)

    async def story(server: Server, file: File) -> None:
        file.options = replace(OLD, tls=first, http=HostPort("127.0.0.1", server.port))
        assert "can't listen to the monitor port" in await server.reload()
        assert server.warnings == []

        for _ in range(2):
            file.options = replace(OLD, tls=first, https=monitor)
            assert await server.reload() == ""
            assert server.warnings == ["not to be had here", FIRST_ONLY]

        file.options = replace(OLD, tls=tls, https=monitor)
        assert await server.reload() == ""
        assert server.warnings == ["not to be had here"]

        file.options = OLD
        assert await server.reload() == ""
        assert server.warnings == []

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_a_service_that_decides_on_logins_is_told_of_the_time_that_tls_gives_them(
    tls: ListenerTls,
) -> None:
    callout = AuthCalloutOptions(issuer="A", auth_users=("s",))
    users = (User("s", "p"),)
    old = replace(OLD, authorization=Authorization(users=users, auth_callout=callout))

    async def story(server: Server, file: File) -> None:
        file.options = replace(old, tls=replace(tls, timeout_ns=5 * NS_PER_S))
        assert await server.reload() == ""

        asking = server.authenticator._callout
        assert asking is not None
        assert asking._server.timeout_ns == file.options.login_timeout_ns == 6 * NS_PER_S

    await while_serving(old, story)


@pytest.mark.real_loop
async def test_what_tls_warns_of_is_said_at_the_start(tls: ListenerTls) -> None:
    async def story(server: Server, _: File) -> None:
        assert server.warnings == [FIRST_ONLY]

    await while_serving(replace(OLD, tls=replace(tls, handshake_first=True)), story)


@pytest.mark.real_loop
async def test_jetstream_is_turned_on_and_off_and_keeps_what_it_stored(tmp_path: Path) -> None:
    on = replace(OLD, jetstream=JetStreamOptions(store_dir=str(tmp_path)))
    create = b'{"name":"S","subjects":["s"]}'

    async def story(server: Server, file: File) -> None:
        for streams in (0, 1):
            file.options = on
            assert await server.reload() == ""
            assert server.info().jetstream
            jetstream = server.features.jetstream
            assert jetstream is not None
            assert len(jetstream.by_account["$G"].streams) == streams
            server.account("$G").publish(b"$JS.API.STREAM.CREATE.S", create, reply=b"nobody")

            file.options = OLD
            assert await server.reload() == ""
            assert not server.info().jetstream
            assert server.features.jetstream is None
            assert not server.account("$G").has_interest(b"$JS.API.INFO")

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_a_store_that_cannot_be_opened_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def story(server: Server, file: File) -> None:
        before = server.options
        jetstream = JetStreamOptions(store_dir=str(tmp_path / "file"))
        monitor = HostPort("127.0.0.1", -1)
        file.options = replace(OLD, jetstream=jetstream, http=monitor)

        assert str(tmp_path) in await server.reload()
        assert server.options is before
        assert server.monitor is None
        assert len(server.listeners.open) == 1

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_a_signal_before_the_start_is_over_reloads_after_it() -> None:
    file = File(replace(OLD, max_payload_bytes=5))
    seams = Seams(SystemClock(), random.Random(1), random.Random(1).randbytes, load=file.load)
    server = Server(OLD, seams)
    server.reload_by_signal()

    async with running(server), asyncio.timeout(10):
        while server.options.max_payload_bytes != 5:  # noqa: ASYNC110 -- a thread reads it
            await asyncio.sleep(0.01)


@pytest.mark.real_loop
async def test_a_reload_that_fails_by_a_defect_leaves_the_server_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(server: Server, file: File) -> None:
        def fails() -> Options:
            raise KeyError("a defect")

        server.load = fails
        assert "the reload failed" in await server.reload()
        server.load = file.load
        assert await server.reload() == ""

    await while_serving(OLD, story)

    assert "KeyError" in caplog.text


@pytest.mark.real_loop
async def test_the_users_of_a_new_configuration_are_made_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_in: list[threading.Thread] = []

    class NotedUsers(Users):
        def __init__(self, *args: Any) -> None:
            made_in.append(threading.current_thread())
            super().__init__(*args)

    async def story(server: Server, file: File) -> None:
        for module in ("leafnode.server.reloader", "leafnode.auth.authenticator"):
            monkeypatch.setattr(f"{module}.Users", NotedUsers)
        file.options = replace(OLD, authorization=Authorization(user="u", password="p"))

        assert await server.reload() == ""
        assert server.authenticator.required
        assert len(made_in) == 1
        assert made_in[0] is not threading.current_thread()

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_a_system_without_a_free_thread_is_said_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At TasksMax, before the first reload."""

    async def story(server: Server, file: File) -> None:
        file.options = replace(OLD, max_payload_bytes=5)

        def refuse(*_args: object) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as full:
            full.setattr(asyncio.get_running_loop(), "run_in_executor", refuse)
            why = "what reloads cannot be loaded: can't start new thread"
            assert await server.reload() == why
            assert not server.is_stopping

        assert await server.reload() == ""
        assert server.info().max_payload == 5

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_code_that_cannot_be_loaded_is_said_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a free descriptor, or where the package was replaced, before the first reload."""

    async def story(server: Server, file: File) -> None:
        file.options = replace(OLD, max_payload_bytes=5)
        with monkeypatch.context() as missing:
            missing.setitem(sys.modules, "leafnode.server.reloader", None)

            assert (await server.reload()).startswith("what reloads cannot be loaded: ")
            assert not server.is_stopping

        assert await server.reload() == ""
        assert server.info().max_payload == 5

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_accounts_that_change_are_worked_out_in_turns_before_anything_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 2000
    exporter = AccountOptions(
        "E", stream_exports=tuple(StreamExport(f"s{number}.*") for number in range(count))
    )
    several = tuple(StreamImport("E", f"s{number}.*") for number in range(count))
    new = replace(OLD, accounts=(exporter, AccountOptions("I", stream_imports=several)))
    worked_out = 0
    add_stream = ImportCheck.add_stream

    def counted(self: ImportCheck, importer: str, one: StreamImport) -> str:
        nonlocal worked_out
        worked_out += 1
        return add_stream(self, importer, one)

    async def story(server: Server, file: File) -> None:
        file.options = new
        monkeypatch.setattr(ImportCheck, "add_stream", counted)
        seen = set()
        reloading = asyncio.ensure_future(server.reload())
        while not reloading.done():
            if worked_out < count:
                assert server.account_set.imports() == set()
            seen.add(worked_out)
            await asyncio.sleep(0)
        assert reloading.result() == ""
        assert len(server.account_set.imports()) == count
        assert len(seen) > 2, "others had their turns"
        assert worked_out == count, "what was prepared is used"

    await while_serving(OLD, story)


@pytest.mark.real_loop
@pytest.mark.parametrize(
    ("brings", "steps"),
    [
        (True, [(import_check._Account, "__init__"), (JetStreams, "enable")]),
        (True, [(Answers, "serve_account")]),
        (False, [(Accounts, "_unwire"), (JetStreams, "disable")]),
    ],
)
async def test_a_reload_that_brings_or_takes_very_many_accounts_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    brings: bool,
    steps: list[tuple[type, str]],
) -> None:
    count = 5 * CLIENTS_HELD_PER_TURN
    few = replace(OLD, jetstream=JetStreamOptions(store_dir=str(tmp_path)))
    several = [AccountOptions(f"A{number}", jetstream=UNBOUNDED) for number in range(count)]
    many = replace(few, accounts=tuple(several))
    done = dict.fromkeys([name for _, name in steps], 0)

    async def story(server: Server, file: File) -> None:
        file.options = many if brings else few
        for owner, name in steps:
            monkeypatch.setattr(owner, name, counting(getattr(owner, name), done))
        most = dict(done)
        reloading = asyncio.ensure_future(server.reload())
        while not reloading.done():
            before = dict(done)
            await asyncio.sleep(0)
            most = {name: max(most[name], done[name] - before[name]) for name in done}
        assert reloading.result() == ""
        assert min(done.values()) >= count
        assert max(most.values()) <= CLIENTS_HELD_PER_TURN

    await while_serving(few if brings else many, story)


def counting(call: Callable[..., Any], done: dict[str, int]) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        done[call.__name__] += 1
        return call(*args)

    return counted


@pytest.mark.real_loop
async def test_two_configurations_are_compared_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at: list[int] = []

    def watched(old: Options, new: Options) -> list[Change]:
        at.append(threading.get_ident())
        return changes(old, new)

    async def story(server: Server, file: File) -> None:
        file.options = replace(OLD, debug=True)
        assert await server.reload() == ""

    monkeypatch.setattr("leafnode.server.reloader.changes", watched)
    await while_serving(OLD, story)

    assert len(at) == 1
    assert at[0] != threading.get_ident()


@pytest.mark.real_loop
async def test_users_that_a_reload_replaced_are_let_go_of() -> None:
    users = Authorization(users=(User(user="a", password="p"),))

    async def story(server: Server, file: File) -> None:
        before = server.authenticator.users
        file.options = replace(OLD, authorization=users)
        assert await server.reload() == ""
        after = server.authenticator.users
        file.options = replace(OLD, authorization=users, debug=True)
        assert await server.reload() == ""

        assert server.authenticator.users is after
        assert list(after.by_name) == ["a"]
        file.options = OLD
        assert await server.reload() == ""
        assert before.by_name == after.by_name == {}

    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_files_that_hang_end_a_reload_and_the_next_one_reads_them_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        jobs.append((asyncio.get_running_loop().create_future(), work))
        return jobs[-1][0]

    async def story(server: Server, file: File) -> None:
        own, server.files = server.files, FileReader(begin)
        file.options = replace(OLD, max_payload_bytes=4096)
        hung = "configuration: the file system does not answer"
        assert [await server.reload(), await server.reload()] == [hung, hung]
        assert len(jobs) == 1
        assert server.options.max_payload_bytes == OLD.max_payload_bytes

        server.files = own
        assert await server.reload() == ""
        assert server.options.max_payload_bytes == 4096

    monkeypatch.setattr("leafnode.server.reloader.RELOAD_FILES_TIMEOUT_NS", 1)
    await while_serving(OLD, story)


@pytest.mark.real_loop
async def test_serial_ports_go_by_the_max_payload_of_the_reload() -> None:
    wire, terminal = pty.openpty()
    tty.setraw(terminal)
    framing = FramingOptions(keep_first=True)
    port = SerialPort(device=os.ttyname(terminal), name="scale", subject="s.a", framing=framing)
    old = replace(OLD, max_payload_bytes=200, serial=SerialOptions(ports=(port,)))

    async def story(server: Server, file: File) -> None:
        bridge = server.features.bridge
        assert bridge is not None
        stream = FakeStream(server.account("$G"), b"s.>")
        stream.commits_at_once = True
        for allowed, stored, poison in ((200, 0, 1), (2000, 1, 1), (200, 1, 2)):
            file.options = replace(old, max_payload_bytes=allowed)
            assert await server.reload() == ""
            os.write(wire, b"1" * 1000 + b"\n")
            async with asyncio.timeout(10):
                while (  # noqa: ASYNC110 -- a real terminal
                    bridge.status()[0].frames < stored + poison or bridge.status()[0].queued
                ):
                    await asyncio.sleep(0)
            status = bridge.status()[0]
            assert (status.stored, status.poison) == (stored, poison)

    try:
        await while_serving(old, story)
    finally:
        os.close(wire)
        os.close(terminal)


@pytest.mark.real_loop
@pytest.mark.parametrize("is_reload", [False, True])
async def test_what_serial_ports_read_is_stored_when_they_end(*, is_reload: bool) -> None:
    wire, terminal = pty.openpty()
    tty.setraw(terminal)
    framing = FramingOptions(keep_first=True)
    port = SerialPort(device=os.ttyname(terminal), name="scale", subject="s.a", framing=framing)
    old = replace(OLD, serial=SerialOptions(ports=(port,)))
    streams: list[FakeStream] = []
    committing: list[asyncio.Task[None]] = []

    async def commit() -> None:
        while True:
            streams[0].commit()
            await asyncio.sleep(0)

    async def story(server: Server, file: File) -> None:
        bridge = server.features.bridge
        assert bridge is not None
        streams.append(FakeStream(server.account("$G"), b"s.>"))
        os.write(wire, b"".join(b"%d\n" % number for number in range(500)))
        async with asyncio.timeout(10):
            while bridge.status()[0].frames < 500:  # noqa: ASYNC110 -- a real terminal
                await asyncio.sleep(0)
        assert streams[0].payloads == []
        committing.append(asyncio.create_task(commit()))
        if is_reload:
            file.options = OLD
            assert await server.reload() == ""

    try:
        await while_serving(old, story)
    finally:
        committing[0].cancel()
        os.close(wire)
        os.close(terminal)
    assert streams[0].payloads == [b"%d" % number for number in range(500)]


@pytest.mark.real_loop
async def test_a_reload_takes_nothing_of_what_is_stored_as_the_server_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire, terminal = pty.openpty()
    tty.setraw(terminal)
    framing = FramingOptions(keep_first=True)
    port = SerialPort(device=os.ttyname(terminal), name="scale", subject="s.a", framing=framing)
    accounts = (AccountOptions("A"), AccountOptions("B"))
    old = replace(OLD, accounts=accounts, serial=SerialOptions(ports=(port,), account="A"))
    streams: list[FakeStream] = []
    stop_bridge = features.stop_bridge

    async def stopped(server: Server) -> None:
        serial = server.features.serial
        assert serial is not None
        server.options = replace(old, serial=SerialOptions(ports=(port,), account="B"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stop_bridge(server))
            tasks.create_task(features.change_serial(server))  # it was under way
            while not serial.done():  # noqa: ASYNC110 -- it closes a real terminal
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            streams[0].commit()

    async def story(server: Server, _: File) -> None:
        bridge = server.features.bridge
        assert bridge is not None
        bridges.append(bridge)
        streams.append(FakeStream(server.account("A"), b"s.>"))
        os.write(wire, b"1\n2\n3\n")
        async with asyncio.timeout(10):
            while bridge.status()[0].queued < 3:  # noqa: ASYNC110 -- a real terminal
                await asyncio.sleep(0)

    bridges: list[Bridge] = []
    monkeypatch.setattr(features, "stop_bridge", stopped)
    try:
        await while_serving(old, story)
    finally:
        os.close(wire)
        os.close(terminal)
    assert streams[0].payloads == [b"1", b"2", b"3"]
    assert (bridges[0].status()[0].stored, bridges[0].lost) == (3, 0)


@pytest.mark.real_loop
async def test_who_goes_for_new_users_is_none_too_many_unlike_on_nats_server() -> None:
    users = tuple(User(user=name, password="p") for name in "abc")
    old = replace(OLD, authorization=Authorization(users=users))

    async def story(server: Server, file: File) -> None:
        writers = [await logged_in(server, name) for name in "abc"]
        fewer = Authorization(users=users[1:])
        file.options = replace(old, authorization=fewer, max_connections=2)

        assert await server.reload() == ""

        there = [one.identity.user for one in server.registry.open.values() if one.identity]
        assert there == ["b", "c"]
        for writer in writers:
            writer.close()

    await while_serving(old, story)


async def logged_in(server: Server, user: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    login = b'CONNECT {"verbose":false,"user":"%b","pass":"p"}\r\nPING\r\n' % user.encode()
    writer.write(login)
    async with asyncio.timeout(10):
        while await reader.readline() != b"PONG\r\n":
            pass
    return writer

"""The `leafnode` process as people run it: what it prints, opens, refuses, and how it stops."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import nkeys
import pytest

from tests.hub.jwt import Key
from tests.hub.process import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
START_S = 30.0  # for whatever another process does
# Imported by the daemon only when something needs them: they cost memory and time at every start.
COSTLY = [
    "cryptography",
    "sqlite_utils",
    "click",
    "bcrypt",
    "serial",
    "nacl",
    "unittest",
    "http.server",
]


def leafnode(*arguments: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """A server for the length of a with block."""
    return started([sys.executable, "-m", "leafnode", *arguments])


def until(true: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + START_S
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process for the length of a with block."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str]) -> list[str]:
    """Return what was logged until the server said that it is ready."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line.rstrip())
        if line.rstrip().endswith("Server is ready"):
            return lines
    raise AssertionError("\n".join(lines))


def greeting(port: int) -> dict[str, object]:
    """Return the INFO of a server."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
        line = client.makefile("rb").readline()
    info: dict[str, object] = json.loads(line.removeprefix(b"INFO "))
    return info


def test_it_says_where_it_listens_and_what_is_on(tmp_path: Path) -> None:
    port, http = free_ports(2)
    with leafnode("-p", str(port), "-m", str(http), "-js", "-sd", str(tmp_path)) as process:
        log = "\n".join(wait_until_ready(process))

        clients = log.find(f"Listening for client connections on 127.0.0.1:{port}")
        assert 0 < log.find(f"Starting http monitor on 127.0.0.1:{http}") < clients
        assert f"JetStream is on: store={tmp_path}" in log
        assert greeting(port)["jetstream"] is True
        with urlopen(f"http://127.0.0.1:{http}/healthz", timeout=START_S) as answer:
            assert json.load(answer) == {"status": "ok"}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGQUIT, 2)]
)
def test_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals, status: int) -> None:
    (port,) = free_ports(1)
    with leafnode("-p", str(port), "-js", "-sd", str(tmp_path)) as process:
        wait_until_ready(process)
        with socket.create_connection(("127.0.0.1", port), timeout=START_S):
            process.send_signal(number)

            assert process.wait(timeout=START_S) == status


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=START_S).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_who_reads_gets_what_waits_for_it_before_the_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "ldm.conf"
    file.write_text(f"port: {port}\nlame_duck_duration: 30s\nlame_duck_grace_period: 100ms\n")
    body, count = b"x" * 100_000, 200  # more than the kernel holds
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=START_S) as reader,
            socket.create_connection(("127.0.0.1", port), timeout=START_S) as writer,
        ):
            pong(reader)
            reader.sendall(b"SUB d 1\r\nPING\r\n")
            assert b"PONG\r\n" in reader.recv(100)
            writer.sendall(b'CONNECT {"verbose":false}\r\n')
            writer.sendall((b"PUB d 100000\r\n" + body + b"\r\n") * count)
            pong(writer)
            writer.close()
            process.send_signal(number)

            while is_open(port):  # who dials goes to another server of his list
                time.sleep(0.01)
            assert process.poll() is None
            with reader.makefile("rb") as lines:
                assert lines.read().count(b"MSG d 1 100000\r\n") == count
        assert process.wait(timeout=START_S) == 0


def test_the_default_configuration_of_make_run_is_valid() -> None:
    with leafnode("-t", "-c", "configs/leafnode.conf") as process:
        assert process.wait(timeout=START_S) == 0


def test_a_taken_port_is_fatal_and_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with leafnode("-p", str(port)) as process:
            _, err = process.communicate(timeout=START_S)

    assert process.returncode == 1
    assert "[FTL]" in err
    assert f"127.0.0.1:{port}" in err


@pytest.mark.parametrize(
    ("resolver", "problem"),
    [
        ("MEMORY", "error resolving system account: account missing"),
        ('URL("http://127.0.0.1:1/jwt/")', "could not fetch <http://127.0.0.1:1/jwt/"),
    ],
)
def test_a_system_account_that_cannot_be_had_is_fatal_and_says_so(
    tmp_path: Path, resolver: str, problem: str
) -> None:
    operator, system = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_ACCOUNT)
    body = {"type": "operator", "version": 2, "system_account": system.public}
    token = operator.sign(operator.public, "OP", body, issued_s=int(time.time()))
    conf = tmp_path / "server.conf"
    conf.write_text(f"listen: 127.0.0.1:-1\noperator: {token}\nresolver: {resolver}\n")

    with leafnode("-c", str(conf)) as process:
        _, log = process.communicate(timeout=START_S)

    assert process.returncode == 1
    *before, last = log.splitlines()
    assert f"[FTL] {problem}" in last
    assert all("[INF]" in line for line in before)


def test_a_store_directory_that_cannot_be_used_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with leafnode("-p", "-1", "-js", "-sd", str(tmp_path / "file" / "store")) as process:
        _, err = process.communicate(timeout=START_S)

    assert process.returncode == 1
    assert "[FTL]" in err
    assert "Traceback" not in err


def test_two_servers_do_not_share_a_store(tmp_path: Path) -> None:
    with leafnode("-p", "-1", "-js", "-sd", str(tmp_path)) as first:
        wait_until_ready(first)
        with leafnode("-p", "-1", "-js", "-sd", str(tmp_path)) as second:
            _, err = second.communicate(timeout=START_S)

    assert second.returncode == 1
    assert str(tmp_path) in err


def test_user_and_password_by_flag_are_demanded() -> None:
    (port,) = free_ports(1)
    with leafnode("-p", str(port), "--user", "a", "--pass", "secret-of-a") as process:
        log = wait_until_ready(process)
        (warning,) = [line for line in log if "[WRN]" in line]
        assert warning.endswith(" Plaintext passwords detected, use nkeys or bcrypt")

        assert greeting(port)["auth_required"] is True
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            client.sendall(b'CONNECT {"user":"a","pass":"wrong"}\r\nPING\r\n')
            assert b"-ERR 'Authorization Violation'" in client.makefile("rb").read()
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            client.sendall(b'CONNECT {"user":"a","pass":"secret-of-a","verbose":false}\r\nPING\r\n')
            lines = client.makefile("rb")
            lines.readline()
            assert lines.readline() == b"PONG\r\n"


def test_a_wide_bind_without_a_login_stays_in_status_and_health(tmp_path: Path) -> None:
    port, http = free_ports(2)
    file = tmp_path / "wide.conf"
    file.write_text(f"listen: 0.0.0.0:{port}\nhttp: 127.0.0.1:{http}\nhttp: 127.0.0.1:{http}\n")
    with leafnode("-c", str(file)) as process:
        log = wait_until_ready(process)
        with urlopen(f"http://127.0.0.1:{http}/varz", timeout=START_S) as answer:
            warnings = json.load(answer)["leafnode"]["warnings"]
        with urlopen(f"http://127.0.0.1:{http}/healthz?leafnode=true", timeout=START_S) as answer:
            assert answer.status == 200
            assert json.load(answer) == {"status": "ok", "warnings": warnings}

    assert len(warnings) == 2
    assert warnings[0].startswith(f"{file}:3:1: ")
    assert warnings[1].startswith("Everybody who reaches 0.0.0.0 may publish and subscribe")
    assert [line.partition("[WRN] ")[2] for line in log if "[WRN]" in line] == warnings


def test_what_is_turned_away_is_counted_in_varz(tmp_path: Path) -> None:
    port, http = free_ports(2)
    file = tmp_path / "one.conf"
    file.write_text(
        f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{http}\nmax_connections: 1\n"
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\nauthorization {{ token: right }}\n'
    )
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            client.makefile("rb").readline()
            with socket.create_connection(("127.0.0.1", port), timeout=START_S) as beyond:
                assert b"maximum connections exceeded" in beyond.makefile("rb").read()
            client.sendall(b'CONNECT {"auth_token":"wrong"}\r\n')
            assert b"Authorization Violation" in client.makefile("rb").read()
        with socket.create_connection(("127.0.0.1", http), timeout=START_S) as client:
            client.sendall(b"NONSENSE\r\n\r\n")
            client.makefile("rb").read()
        with urlopen(f"http://127.0.0.1:{http}/varz", timeout=START_S) as answer:
            ours = json.load(answer)["leafnode"]

    assert (ours["clients"]["refused"], ours["clients"]["logins_refused"]) == (1, 1)
    assert ours["clients"]["auth_failures"] == 1
    assert ours["http"]["bad"] == 1
    assert not any(ours["net"].values())
    assert ours["jetstream"]["refused"] == 0
    assert ours["store"]["file_bytes"] > 0
    assert ours["store"]["failed"] == ""


def test_the_trace_shows_the_protocol_and_no_secret(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "login.conf"
    file.write_text(
        f"listen: 127.0.0.1:{port}\n"
        "authorization { users [ { user: u, password: pass-canary } ] }\n"
    )
    secrets = {name: f"{name}-canary" for name in ("auth_token", "jwt", "sig", "nkey", "seed")}
    logins = [{"user": "u", "pass": "pass-canary"}, secrets, {"user": "u", "pass": "bad-canary"}]
    with leafnode("-DV", "-c", str(file)) as process:
        log = wait_until_ready(process)
        for login in logins:
            with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
                lines = client.makefile("rb")
                lines.readline()
                client.sendall(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
                lines.readline()
                client.sendall(b"PUB a 2\r\nhi\r\n")
        process.terminate()
        assert process.stderr is not None
        text = "\n".join(log) + process.stderr.read()

    assert "[TRC] 127.0.0.1:" in text
    assert text.count(" - <<- [CONNECT]") == 3
    assert 'MSG_PAYLOAD: ["hi"]' in text
    assert "canary" not in text


def nats_server(tmp_path: Path) -> Path:
    """The command under the name that other projects' suites start."""
    command = tmp_path / "bin" / "nats-server"
    command.parent.mkdir()
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from leafnode.cli.main import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)
    return command


def pong(client: socket.socket) -> list[bytes]:
    """Log in as a client of protocol 1, and return all lines up to the INFO behind its PONG."""
    lines = client.makefile("rb")
    found = [lines.readline()]
    client.sendall(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n')
    return [*found, lines.readline(), lines.readline()]


def varz(port: int) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{port}/varz", timeout=START_S) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def login(port: int, user: str, password: str) -> socket.socket:
    """A connected client of protocol 1 that has seen its second INFO."""
    client = socket.create_connection(("127.0.0.1", port), timeout=START_S)
    lines = client.makefile("rb")
    lines.readline()
    fields = {"user": user, "pass": password, "verbose": False, "protocol": 1}
    client.sendall(f"CONNECT {json.dumps(fields)}\r\nPING\r\n".encode())
    assert lines.readline() == b"PONG\r\n"
    assert b'"connect_info":true' in lines.readline()
    return client


def test_called_nats_server_it_is_what_suites_expect(tmp_path: Path) -> None:
    command = str(nats_server(tmp_path))
    port, http = free_ports(2)
    version = subprocess.check_output([command, "-v"], text=True, timeout=START_S)
    assert version.startswith("nats-server: v2.")
    file = tmp_path / "x.conf"
    file.write_text(
        f'host: 127.0.0.1\nports_file_dir: "{tmp_path}"\npid_file: "{tmp_path}/pid"\nport: {port}\n'
    )
    with started([command, "-c", str(file), "-m", str(http)]) as process:
        log = wait_until_ready(process)
        ports = tmp_path / f"nats-server_{process.pid}.ports"
        assert json.loads(ports.read_text()) == {
            "nats": [f"nats://127.0.0.1:{port}"],
            "monitoring": [f"http://127.0.0.1:{http}"],
        }
        assert log[0].endswith("[INF] Starting nats-server")
        word = f"--signal=term={tmp_path}/pid"

        assert subprocess.call([command, word], timeout=START_S) == 0
        assert process.wait(timeout=START_S) == 0
        assert not ports.exists()
        assert (tmp_path / "pid").read_text() == str(process.pid)  # left, as nats-server leaves it
        for word, status in [("x", 0), ("70000", 1)]:  # no number at all, and no port
            assert subprocess.call([command, "-p", word], timeout=START_S) == status


def test_usr1_goes_on_in_a_new_log_file(tmp_path: Path) -> None:
    file = tmp_path / "x.log"
    with leafnode("-p", "-1", "-l", str(file)) as process:
        until(lambda: file.exists() and "Server is ready" in file.read_text())
        file.rename(tmp_path / "old.log")
        process.send_signal(signal.SIGUSR1)

        until(lambda: file.exists() and "File log re-opened" in file.read_text())


def test_usr2_without_clients_ends_at_once() -> None:
    with leafnode("-p", "-1") as process:
        wait_until_ready(process)
        process.send_signal(signal.SIGUSR2)

        assert process.wait(timeout=START_S) == 0


def test_usr2_asks_clients_to_go_lets_nobody_in_and_ends_with_status_0(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "ldm.conf"
    file.write_text(f"port: {port}\nlame_duck_duration: 30s\nlame_duck_grace_period: 300ms\n")
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            pong(client)
            process.send_signal(signal.SIGUSR2)

            told = json.loads(client.makefile("rb").readline().removeprefix(b"INFO "))
            assert told["ldm"] is True
            process.send_signal(signal.SIGTERM)  # it is on its way out already
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=START_S)
            assert client.recv(100) == b""  # after the grace period
        assert process.wait(timeout=START_S) == 0
        assert process.stderr is not None
        log = process.stderr.read()

    assert "Entering lame duck mode, stop accepting new clients" in log
    assert "Closing existing clients" in log


def test_the_system_account_hears_of_lame_duck_mode_behind_the_info(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "ldm.conf"
    file.write_text(f"port: {port}\naccounts {{ $SYS {{ users: [{{user: s, password: p}}] }} }}\n")
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            lines = (line for line in client.makefile("rb") if line != b"PING\r\n")
            next(lines)
            client.sendall(b'CONNECT {"user":"s","pass":"p","verbose":false,"protocol":1}\r\n')
            client.sendall(b"PING\r\nSUB $SYS.SERVER.*.LAMEDUCK 1\r\nPING\r\n")
            before = [next(lines)[:4] for _ in range(3)]
            process.send_signal(signal.SIGUSR2)

            assert before == [b"PONG", b"INFO", b"PONG"]
            assert json.loads(next(lines).removeprefix(b"INFO "))["ldm"] is True
            assert b".LAMEDUCK 1  " in next(lines)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=START_S) == 0


def test_int_ends_lame_duck_mode(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with leafnode("-p", str(port)) as process:
        wait_until_ready(process)
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
            pong(client)
            process.send_signal(signal.SIGUSR2)
            client.makefile("rb").readline()
            process.send_signal(signal.SIGINT)

            assert process.wait(timeout=START_S) == 0


class Lines:
    """What a process writes, line by line, as far as it is needed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self._stderr = process.stderr

    def until(self, words: str) -> str:
        """Return the next line that has these words."""
        for line in self._stderr:
            if words in line:
                return line.rstrip()
        raise AssertionError(words)


def test_hup_applies_a_changed_file(tmp_path: Path) -> None:
    port, http, other = free_ports(3)
    file = tmp_path / "x.conf"
    users = (
        "authorization {{ users [ {{ user: a, password: {0} }}, {{ user: b, password: b }} ] }}\n"
    )
    base = f"port: {port}\nports_file_dir: {tmp_path}\n"
    file.write_text(f"{base}http_port: {http}\n" + users.format("one"))
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        lines = Lines(process)
        loaded = varz(http)["config_load_time"]
        with login(port, "a", "one") as gone, login(port, "b", "b") as kept:
            file.write_text(f"{base}http_port: {other}\nmax_payload: 2000\n" + users.format("two"))
            process.send_signal(signal.SIGHUP)
            lines.until("Reloaded server configuration")

            assert gone.makefile("rb").read() == b"-ERR 'Authorization Violation'\r\n"
            told = json.loads(kept.makefile("rb").readline().removeprefix(b"INFO "))
            assert told["max_payload"] == 2000
            login(port, "a", "two").close()
            seen = varz(other)
            assert seen["config_load_time"] > loaded
            assert (seen["max_payload"], seen["http_port"]) == (2000, other)
            with pytest.raises(OSError, match="refused"):
                varz(http)
        (ports,) = tmp_path.glob("*.ports")
        assert json.loads(ports.read_text())["monitoring"] == [f"http://127.0.0.1:{other}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_payload: 5\nport: 1", "config reload not supported for Port: old="),
        ("max_payload: 5\nfoo: 1", 'x.conf:2:1: unknown field "foo"'),
        ("port: -1\nlog_file: /no/such/dir/x", "open /no/such/dir/x: no such file or directory"),
    ],
)
def test_a_file_that_cannot_hold_changes_nothing(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "x.conf"
    file.write_text("port: -1\nhttp: -1\nports_file_dir: " + str(tmp_path))
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        lines = Lines(process)
        file.write_text(text)
        process.send_signal(signal.SIGHUP)

        failed = lines.until("Failed to reload server configuration: ")
        assert "[ERR]" in failed
        assert problem in failed
        (ports,) = tmp_path.glob("*.ports")
        http = json.loads(ports.read_text())["monitoring"][0]
        with urlopen(f"{http}/varz", timeout=START_S) as answer:
            assert json.load(answer)["max_payload"] == 1048576


def asked(port: int, user: str, subject: str, body: bytes = b"") -> dict[str, Any]:
    """What a client is answered on a request."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_S) as client:
        lines = client.makefile("rb")
        lines.readline()
        fields = {"user": user, "pass": "x", "verbose": False}
        client.sendall(
            f"CONNECT {json.dumps(fields)}\r\nSUB inbox.x 1\r\n".encode()
            + f"PUB {subject} inbox.x {len(body)}\r\n".encode()
            + body
            + b"\r\n"
        )
        assert lines.readline().startswith(b"MSG inbox.x 1 ")
        answer: dict[str, Any] = json.loads(lines.readline())
    return answer


def test_accounts_have_jetstreams_of_their_own_and_a_reload_changes_who(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "x.conf"
    create = ("$JS.API.STREAM.CREATE.S", b'{"name":"S","subjects":["s"]}')

    def write(a: str, b: str) -> None:
        users = [f"users [ {{ user: {name}, password: x }} ]" for name in "ab"]
        file.write_text(
            f'port: {port}\njetstream {{ store_dir: "{tmp_path}/js" }}\n'
            f"accounts {{ A {{ {users[0]}, {a} }}, B {{ {users[1]} {b} }} }}\n"
        )

    write("jetstream: enabled", "")
    with leafnode("-c", str(file)) as process:
        wait_until_ready(process)
        lines = Lines(process)
        assert asked(port, "a", *create)["did_create"] is True
        assert asked(port, "b", *create)["error"]["err_code"] == 10039

        write("jetstream: { max_streams: 1 }", ", jetstream: enabled")
        process.send_signal(signal.SIGHUP)
        lines.until("Reloaded server configuration")
        assert asked(port, "b", *create)["did_create"] is True
        found = asked(port, "a", "$JS.API.INFO")
        assert (found["streams"], found["limits"]["max_streams"]) == (1, 1)

    write("jetstream: enabled", "")
    with leafnode("-c", str(file)) as process:
        log = "\n".join(wait_until_ready(process))
        assert "Streams are kept and not served, their account has no JetStream: account=B" in log
        assert asked(port, "a", "$JS.API.INFO")["streams"] == 1


def test_hup_without_a_file_is_said_and_survived() -> None:
    with leafnode("-p", "-1") as process:
        wait_until_ready(process)
        process.send_signal(signal.SIGHUP)

        Lines(process).until("can only reload config when a file is provided using -c or --config")
        process.terminate()
        assert process.wait(timeout=START_S) == 0


def test_a_flag_still_wins_over_the_file_that_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text("port: -1\n")
    with leafnode("-c", str(file), "-D", "-n", "edge") as process:
        wait_until_ready(process)
        file.write_text("port: -1\ndebug: false\nserver_name: other\nping_max: 5\n")
        process.send_signal(signal.SIGHUP)

        lines = Lines(process)
        lines.until("Reloaded: ping_max = 5")
        lines.until("Reloaded server configuration")


def test_hup_cuts_connections_beyond_a_smaller_max_connections(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "x.conf"
    file.write_text(f"port: {port}\n")
    with leafnode("-c", str(file)) as process, contextlib.ExitStack() as stack:
        wait_until_ready(process)
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=START_S))
            for _ in range(3)
        ]
        for client in clients:
            pong(client)
        file.write_text(f"port: {port}\nmax_connections: 1\n")
        process.send_signal(signal.SIGHUP)

        Lines(process).until("Closed 2 connections to fall within max_connections")
        cut = b"-ERR 'maximum connections exceeded'\r\n"
        for client in clients:
            client.settimeout(0.5)
        got = []
        for client in clients:
            try:
                got.append(client.makefile("rb").read())
            except TimeoutError:
                got.append(b"")
        assert sorted(got) == [b"", cut, cut]


def test_client_advertise_is_what_info_says() -> None:
    (port,) = free_ports(1)
    with leafnode("-p", str(port), "--client_advertise", "edge.example:4444") as process:
        wait_until_ready(process)

        info = greeting(port)

    assert (info["host"], info["port"]) == ("edge.example", 4444)


def test_it_listens_on_ipv6_and_by_name(tmp_path: Path) -> None:
    file = tmp_path / "six.conf"
    file.write_text(f'net: "::1"\nport: -1\nhttp_port: -1\nports_file_dir: "{tmp_path}"\n')
    with leafnode("-c", str(file)) as process:
        six = "\n".join(wait_until_ready(process))
        (ports,) = tmp_path.glob("*.ports")
        (url,) = json.loads(ports.read_text())["nats"]
    with leafnode("-a", "localhost", "-p", "-1") as process:
        log = "\n".join(wait_until_ready(process))

    assert url.startswith("nats://[::1]:")
    assert f"Listening for client connections on {url.removeprefix('nats://')}" in six
    assert "Starting http monitor on [::1]:" in six
    assert "Listening for client connections on localhost:" in log


def test_the_pid_file_holds_the_pid(tmp_path: Path) -> None:
    file = tmp_path / "leafnode.pid"
    with leafnode("-p", "-1", "-P", str(file)) as process:
        wait_until_ready(process)

        assert file.read_text() == str(process.pid)


def test_a_plain_start_imports_nothing_that_only_some_features_need(tmp_path: Path) -> None:
    program = f"""
import asyncio, secrets, sys
from random import SystemRandom
from leafnode.cli import main
from leafnode.clock import SystemClock
from leafnode.config.options import HostPort, JetStreamOptions, Options
from leafnode.server.server import Seams, Server
options = Options(port=-1, http=HostPort("127.0.0.1", -1),
                  jetstream=JetStreamOptions(store_dir={str(tmp_path)!r}))
async def run():
    server = Server(options, Seams(SystemClock(), SystemRandom(), secrets.token_bytes))
    server.stop()
    await server.run()
asyncio.run(run())
print([name for name in {COSTLY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout.strip() == "[]", done.stdout + done.stderr

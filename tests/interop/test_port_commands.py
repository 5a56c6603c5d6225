"""The commands of ports against a running server, with a pseudo-terminal for a sensor."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tty
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import serial

from leafnode.bridge.transports.rfc2217 import open_com_port
from leafnode.clock import SystemClock
from leafnode.config.device_name import parse
from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NMEA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"


class Gateway:
    """A server process with one port named gps; the test is the sensor."""

    def __init__(self, directory: Path, serial: str) -> None:
        self.sensor, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.sensor, False)
        self.path = os.ttyname(self._slave)
        self._file = directory / "x.conf"
        self._log = directory / "log"
        ports = directory / "ports"
        ports.mkdir()
        self._ports = ports
        self._write(serial)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "-c", str(self._file)], stderr=subprocess.DEVNULL
        )
        self.until(lambda: "Serial port opened" in self.log())
        [found] = ports.iterdir()
        urls = json.loads(found.read_text())
        self.nats, self.http = urls["nats"][0], urls["monitoring"][0]

    def _write(self, serial: str) -> None:
        self._file.write_text(
            f"""listen: 127.0.0.1:-1, http: 127.0.0.1:-1, server_name: gw
            ports_file_dir: "{self._ports}", log_file: "{self._log}"
            accounts {{ OTHER {{}}, PLANT {{ users: [ {{ user: u, password: p }} ] }} }}
            no_auth_user: u
            serial {{ {serial} ports: [
              {{ name: gps, device: "{self.path}", baud: 9600, subject: "s.{{port}}" }} ] }}"""
        )

    def reload(self, serial: str) -> None:
        reloads = self.log().count("Reloaded server configuration")
        self._write(serial)
        self._server.send_signal(signal.SIGHUP)
        self.until(lambda: self.log().count("Reloaded server configuration") > reloads)

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def until(self, condition: Any) -> None:
        for _ in range(600):
            if condition():
                return
            assert self._server.poll() is None, self.log()
            with pytest.raises(subprocess.TimeoutExpired):
                self._server.wait(0.05)
        pytest.fail(self.log())

    def command(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "NATS_URL": self.nats}
        return subprocess.Popen(
            [sys.executable, "-m", "leafnode", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **more,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        command = self.command(*words)
        out, err = command.communicate(timeout=60)
        return command.returncode, out, err

    def get(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.http}{path}", timeout=30) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as err:
            found = json.load(err)
        return found

    def port(self) -> dict[str, Any]:
        [row] = self.get("/serialz")["ports"]
        return dict(row)

    def until_open(self) -> None:
        self.until(lambda: self.port()["open"])

    def close(self) -> None:
        self._server.send_signal(signal.SIGTERM)
        self._server.wait(30)
        os.close(self.sensor)
        os.close(self._slave)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    started: list[Gateway] = []

    def begin(serial: str = "account: PLANT,") -> Gateway:
        started.append(Gateway(tmp_path, serial))
        return started[-1]

    yield begin
    for gateway in started:
        gateway.close()


@pytest.fixture
def gateway(start: Callable[..., Gateway]) -> Gateway:
    return start()


def served_at(command: subprocess.Popen[str]) -> str:
    assert command.stdout is not None
    return command.stdout.readline().strip()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's own
def test_a_port_of_the_server_is_served_over_the_network_and_goes_back(gateway: Gateway) -> None:
    with gateway.command("port", "lend", "gps", "--rfc2217", "0") as command:
        url = served_at(command)
        assert url.startswith("rfc2217://127.0.0.1:")
        assert gateway.port()["lent_ns"] > 0
        with serial.serial_for_url(url, baudrate=4800, timeout=20) as client:
            os.write(gateway.sensor, b"$GP\xff")
            assert client.read(4) == b"$GP\xff"
            client.write(b"hello")
            client.flush()
            heard = b""
            while heard != b"hello":
                with contextlib.suppress(BlockingIOError):
                    heard += os.read(gateway.sensor, 100)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=60)

    assert (command.returncode, "Traceback" in said) == (0, False), said
    assert "has it" in said
    gateway.until_open()


def test_another_gateways_client_opens_a_free_device_that_is_served(gateway: Gateway) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    with gateway.command("port", "lend", path, "--rfc2217", ":0", "--for", "1m") as command:
        url = served_at(command)
        port = open_com_port(parse(url), SerialPort(url, "p", "x", baud=9600), SystemClock())
        os.write(master, b"21.5\n")
        got = b""
        while got != b"21.5\n":
            got += port.read()
        port.close()
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)
    os.close(master)

    assert command.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gps", "--rfc2217", "nowhere"), "nowhere: expected a port of TCP"),
        (("gps", "--rfc2217", "0", "--back"), "--rfc2217 serves the port itself"),
        (("socket://h:1", "--rfc2217", "0"), "socket://h:1: expected a tty of this machine"),
        (("/dev/nothing", "--rfc2217", "0"), "/dev/nothing is not there"),
    ],
)
def test_what_cannot_be_served_is_said(gateway: Gateway, words: tuple[str, ...], said: str) -> None:
    status, out, err = gateway.run("port", "lend", *words)

    assert (status, out) == (1, "")
    assert said in err


def test_a_port_is_lent_taken_back_and_given_back_sooner(gateway: Gateway) -> None:
    status, out, err = gateway.run("port", "lend", "gps", "--for", "1h")
    assert (status, out, err) == (0, f"gps is lent for 3600 s: {gateway.path}\n", "")

    fd = os.open(gateway.path, os.O_RDWR | os.O_NOCTTY)  # nobody has it now
    os.close(fd)
    row = gateway.port()
    assert (row["open"], row["lent_ns"] > 0) == (False, True)
    health = gateway.get("/healthz?leafnode=true")
    assert health["error"].startswith("serial port gps is lent for 3")

    assert gateway.run("port", "lend", "gps", "--back")[1] == "gps is back\n"
    gateway.until_open()
    assert gateway.port()["lent_ns"] == 0
    assert "Serial port taken back: port=gps" in gateway.log()


def test_a_command_borrows_a_port_and_its_interrupt_gives_it_back(gateway: Gateway) -> None:
    borrower = gateway.command(
        *("port", "lend", "gps", "--for", "1h", "--", "sh", "-c", "echo has {}; exec sleep 100"),
        start_new_session=True,
    )
    assert borrower.stdout is not None
    assert borrower.stdout.readline() == f"has {gateway.path}\n"
    assert not gateway.port()["open"]

    os.killpg(borrower.pid, signal.SIGINT)  # as Ctrl-C does
    _, err = borrower.communicate(timeout=60)

    assert "Traceback" not in err
    gateway.until_open()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_borrower_ends_the_command_and_gives_the_port_back(
    gateway: Gateway, number: signal.Signals
) -> None:
    words = ("port", "lend", "gps", "--", "sh", "-c", "echo has {}; exec sleep 1000")
    borrower = gateway.command(*words)
    assert borrower.stdout is not None
    assert borrower.stdout.readline() == f"has {gateway.path}\n"
    assert gateway.port()["lent_to"].startswith(f"sh, pid {borrower.pid} on ")
    assert "the port is lent to sh, pid" in gateway.run("port", "lend", "gps", "true")[2]
    assert "the port is lent to sh, pid" in gateway.run("port", "detect", "gps")[2]

    borrower.send_signal(number)
    out, err = borrower.communicate(timeout=60)  # the command has its output: both have ended

    assert (borrower.returncode, out, err) == (128 + number, "", "")
    gateway.until_open()
    assert "Serial port taken back: port=gps reason=given back" in gateway.log()


def test_a_served_port_goes_back_when_its_unit_is_stopped(gateway: Gateway) -> None:
    command = gateway.command("port", "lend", "gps", "--rfc2217", "0")
    served_at(command)
    gateway.reload("account: PLANT, control: all,")

    command.send_signal(signal.SIGTERM)
    _, err = command.communicate(timeout=60)

    assert (command.returncode, err) == (0, "")
    gateway.until_open()
    assert "Serial port taken back: port=gps reason=given back" in gateway.log()


def test_what_goes_over_a_port_is_seen_until_ctrl_c(gateway: Gateway) -> None:
    watcher = gateway.command("port", "monitor", "gps")
    assert watcher.stderr is not None
    assert watcher.stdout is not None
    assert watcher.stderr.readline() == f"gps of gw, open ({gateway.path})\n"
    os.write(gateway.sensor, NMEA + NMEA)

    lines = [watcher.stdout.readline()]
    while "->" not in lines[-1]:
        lines.append(watcher.stdout.readline())
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=60)

    assert "24 47 50 47 47 41" in lines[0]
    assert lines[-1].rstrip().endswith("s.gps " + NMEA.decode().strip())
    assert (watcher.returncode, err) == (0, "")


def test_a_port_of_the_server_is_found_out_and_goes_back(gateway: Gateway) -> None:
    detector = gateway.command(
        *("port", "detect", "gps", "--speed", "9600", "--seconds", "30", "--json"),
    )
    while detector.poll() is None and not gateway.port()["lent_ns"]:
        pass
    while detector.poll() is None:
        try:
            os.write(gateway.sensor, NMEA)
        except BlockingIOError:
            continue
    out, err = detector.communicate(timeout=60)

    assert detector.returncode == 0, err
    [guess] = json.loads(out)
    assert guess["what"] == "NMEA 0183"
    gateway.until_open()


def test_errors_are_one_line(gateway: Gateway) -> None:
    assert gateway.run("port", "lend", "nothing") == (
        1,
        "",
        "leafnode port: there is no such port\n",
    )
    status, _, err = gateway.run("port", "monitor", gateway.path)
    assert status == 1
    assert "has it;" in err or "exclusively lock" in err
    assert err.endswith("as port gps: leafnode port monitor gps\n")
    assert err.count("\n") == 1


def test_a_reload_moves_the_ports_to_another_account_and_says_who_may_ask(
    start: Callable[..., Gateway],
) -> None:
    gateway = start("account: OTHER,")
    assert "nobody answers" in gateway.run("port", "lend", "gps")[2]  # in the account of the user
    os.write(gateway.sensor, NMEA * 3)
    gateway.until(lambda: gateway.port()["queued"] == 2)  # behind the first, perhaps half a line

    gateway.reload("account: PLANT,")
    assert gateway.port()["queued"] == 2
    assert gateway.run("port", "lend", "gps", "--for", "1s")[0] == 0
    gateway.until_open()
    opens = gateway.port()["opens"]
    gateway.reload("account: PLANT, control: off,")

    status, _, err = gateway.run("port", "lend", "gps")
    assert (status, "nobody answers" in err) == (1, True)
    assert gateway.port()["opens"] == opens  # for that it is not opened anew


def test_with_control_off_nobody_is_answered(start: Callable[..., Gateway]) -> None:
    gateway = start("account: PLANT, control: off,")

    status, _, err = gateway.run("port", "lend", "gps")

    assert status == 1
    assert "nobody answers" in err

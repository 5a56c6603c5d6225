"""How the line of a device is set by options of a command."""

import click
import pytest
from click.testing import CliRunner

from leafnode.cli.ports import line
from leafnode.cli.ports.errors import PortError


def test_what_was_given_is_what_a_ports_entry_has() -> None:
    got: list[dict[str, object]] = []

    @click.command()
    @line.options
    def command(**values: object) -> None:
        got.append(line.given(values))

    runner = CliRunner()
    runner.invoke(command, [])
    words = "--baud 9600 --data-bits 7 --parity even --stop-bits 2 --flow xonxoff"
    runner.invoke(command, words.split())

    assert got == [
        {},
        {"baud": 9600, "data_bits": 7, "parity": "even", "stop_bits": 2, "flow": "xonxoff"},
    ]
    assert runner.invoke(command, ["--baud", "0"]).exit_code == 2


def test_a_device_is_told_from_a_port_of_the_server() -> None:
    assert line.is_device("/dev/ttyUSB0")
    assert line.is_device("usb:0403:6001")
    assert not line.is_device("scale")
    with pytest.raises(PortError, match=r"by-id:\.\./x: expected the name"):
        line.is_device("by-id:../x")

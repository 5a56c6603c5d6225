"""Which function of a user's runs, and what it may use. Truth: docs/serial/exec.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_MS
from leafnode.config.bind import load
from leafnode.config.serial_stage_options import CodecOptions
from leafnode.errors import ConfigError
from leafnode.sha256 import sha256
from tests.unit.config.test_serial_framing import port, refused

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = b"def decode(frame): return frame\n"


def of_file(directory: Path, codec: str) -> tuple[CodecOptions, tuple[str, ...]]:
    """Return the codec of a port in a configuration in that directory, and its warnings."""
    path = directory / "leafnode.conf"
    path.write_text(
        "serial { ports [ { device: 'by-id:x', name: n, subject: s, codec " + codec + " } ] }"
    )
    options = load(str(path), {})
    assert options.serial is not None
    return options.serial.ports[0].codec, options.warnings


def file_refused(directory: Path, codec: str) -> str:
    with pytest.raises(ConfigError) as caught:
        of_file(directory, codec)
    return str(caught.value)


def test_a_file_is_found_beside_the_configuration_and_known_by_what_is_in_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "lib").mkdir()
    path = tmp_path / "lib" / "convert.py"
    path.write_bytes(SOURCE)
    path.chmod(0o644)

    codec, warnings = of_file(
        tmp_path,
        '{ type: exec, function: "lib/convert.py:decode", timeout: 50ms, memory: 64MB, cpu: 1h }',
    )

    assert codec == CodecOptions(
        "exec",
        function=f"{path}:decode",
        digest=sha256(SOURCE).hex(),
        timeout_ns=50 * NS_PER_MS,
        memory_bytes=64 * 1024 * 1024,
        cpu_s=3600,
    )
    assert warnings == ()


def test_a_function_of_a_module_is_not_looked_for() -> None:
    codec = port('codec { type: exec, function: "meters.acme:decode" }').codec

    assert (codec.function, codec.digest) == ("meters.acme:decode", "")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("codec: exec", "x.conf:2:1: ….codec: expected function, like"),
        ("codec { type: exec, function: 5 }", "….codec.function: expected"),
        ('codec { type: exec, function: "a b:c" }', "….codec.function: expected a function, like"),
        ('codec { type: exec, function: "a.py" }', "….codec.function: expected a function, like"),
        ('codec { type: exec, function: "a:b.c" }', "….codec.function: expected a function, like"),
        ('codec { type: exec, function: "m:f", timeout: 5ms }', "….codec.timeout: expected 10ms"),
        ('codec { type: exec, function: "m:f", timeout: 90s }', "….codec.timeout: expected 10ms"),
        ('codec { type: exec, function: "m:f", memory: 1MB }', "….codec.memory: expected a size"),
        ('codec { type: exec, function: "m:f", cpu: 1s }', "….codec.cpu: expected 10s to 24h"),
        ('codec { type: exec, function: "m:f", shell: true }', '….codec: unknown field "shell"'),
    ],
)
def test_a_function_is_checked(text: str, error: str) -> None:
    assert error in refused(text)


def test_a_file_that_is_not_there_is_refused_at_its_place(tmp_path: Path) -> None:
    text = file_refused(tmp_path, '{ type: exec, function: "no.py:decode" }')

    assert text.endswith(f"codec.function: {tmp_path}/no.py: No such file or directory")
    assert ".conf:1:" in text


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "convert.py"
    path.write_bytes(SOURCE)
    path.chmod(0o646)

    text = file_refused(tmp_path, '{ type: exec, function: "convert.py:decode" }')

    assert f"{path} may be written by everybody" in text


def test_of_a_file_that_its_group_may_write_is_warned(tmp_path: Path) -> None:
    path = tmp_path / "convert.py"
    path.write_bytes(SOURCE)
    path.chmod(0o664)

    _, warnings = of_file(tmp_path, '{ type: exec, function: "convert.py:decode" }')

    assert len(warnings) == 1
    assert "may be written by its group" in warnings[0]


def test_a_directory_and_a_file_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dir.py").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * (1024 * 1024 + 1))

    assert "is no file" in file_refused(tmp_path, '{ type: exec, function: "dir.py:decode" }')
    assert "has more than" in file_refused(tmp_path, '{ type: exec, function: "large.py:decode" }')

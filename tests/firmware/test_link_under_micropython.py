"""The link's and the node's unit tests again, under the real MicroPython (unix port)."""

import re
from pathlib import Path

import pytest

from tests.firmware.interpreter import DEVICE_PATHS, ROOT, run_micropython

RUNNER = ROOT / "tests/firmware/run_under_micropython.py"
LINK_TESTS = sorted((ROOT / "tests/unit/link").glob("test_*.py"))
# Hypothesis does not run there; the lossy wire of the properties does, from test_exchange.
SHARED_TESTS = [path for path in LINK_TESTS if not path.stem.endswith("_properties")]
SHARED_TESTS += [
    ROOT / f"tests/firmware/test_{name}.py"
    for name in (
        "aio",
        "boards",
        "boards_circuitpython",
        "boot_counter",
        "bus_adapters",
        "interrupt",
        "node",
        "sensors_i2c",
        "sensors_pins",
        "sensors_wire",
        "settings",
        "text_node",
    )
]


@pytest.mark.parametrize("path", SHARED_TESTS, ids=lambda path: path.stem)
def test_the_same_tests_pass_under_micropython(path: Path) -> None:
    names = re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)

    result = run_micropython(str(RUNNER), module, paths=(ROOT, *DEVICE_PATHS))

    assert result.returncode == 0, result.stdout + result.stderr
    assert [line.split()[2] for line in result.stdout.splitlines()] == sorted(names)


def test_the_runner_reports_a_failing_test(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text(
        "def test_a(): assert False\ndef test_b(): pass\nhelper = 1\n"
    )

    result = run_micropython(str(RUNNER), "test_bad", paths=(tmp_path,))

    assert result.returncode == 1
    assert "FAILED test_bad test_a" in result.stdout
    assert "ok test_bad test_b" in result.stdout

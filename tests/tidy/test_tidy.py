"""The house rules that a linter does not know, as tests. CONTRIBUTING.md has them in words."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "leafnode"
SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "firmware").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCS = (
    sorted(ROOT.glob("*.md"))
    + sorted((ROOT / "docs").rglob("*.md"))
    + sorted((ROOT / "firmware").rglob("*.md"))
)
FILE_LINES_MAX = 500
TABLES = {"leafnode/limits.py"}  # one table, whose rows are looked up by name
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
# The one function that is long on purpose: the hot loop, see docs/adr/0006-hot-lane.md.
LONG_FUNCTIONS = {"leafnode/routing/lane.py:_scan", "leafnode/routing/pairs.py:take"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=relative)
def test_a_file_is_short_enough_to_hold_one_idea(path: Path) -> None:
    is_plain = path in SOURCES and relative(path) not in TABLES
    limit = FILE_LINES_MAX if is_plain else 2 * FILE_LINES_MAX

    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    too_long = [
        node.name
        for node in functions
        if (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES_MAX
        and f"{relative(path)}:{node.name}" not in LONG_FUNCTIONS
    ]

    assert too_long == []


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=relative)
def test_a_file_has_a_name_that_says_what_is_in_it(path: Path) -> None:
    assert path.stem not in BANNED_NAMES


def modules_without_a_test() -> list[str]:
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem in {"__init__", "__main__"}:
            continue
        place = path.relative_to(PACKAGE)
        if not (ROOT / "tests" / "unit" / place.parent / f"test_{path.stem}.py").exists():
            missing.append(place.as_posix())
    return missing


def test_every_module_has_its_unit_test() -> None:
    # Protocols and plain data have nothing to run; the composition root is run whole by
    # tests/interop/test_command.py, the rest by the contract suites named in its docstring.
    exempt = {
        "bridge/port.py",
        "bridge/port_bounds.py",
        "bridge/seams.py",
        "config/account_options.py",
        "config/listener_options.py",
        "config/modbus_options.py",
        "config/options.py",
        "config/serial_bounds.py",
        "config/serial_options.py",
        "leaf/terms.py",
        "link/parts.py",
        "config/serial_stage_options.py",
        "net/transport.py",
        "routing/service_export.py",
        "server/account_views.py",
        "server/monitoring.py",
        "server/client_ports.py",
        "server/leaf_port.py",
        "server/websocket_port.py",
        "server/server.py",
        "server/system.py",
        "store/api.py",
        "store/bounds.py",
        "store/host.py",
    }

    assert [name for name in modules_without_a_test() if name not in exempt] == []


@pytest.mark.parametrize("path", DOCS, ids=relative)
def test_relative_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())

    broken = [link for link in links if not (path.parent / link).exists()]

    assert broken == []


def test_a_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name.split("-")[0] for path in (ROOT / "docs/adr").glob("*.md")]
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_nothing_is_marked_as_broken_and_left() -> None:
    word = "FIX" + "ME"

    assert [relative(path) for path in SOURCES + TESTS if word in path.read_text()] == []


def test_every_bound_is_explained() -> None:
    """A bound that a queue, buffer or cache has is a row of docs/memory.md."""
    pages = (PACKAGE / "limits.py", PACKAGE / "config" / "serial_bounds.py")
    text = "\n".join(page.read_text() for page in pages)
    names = re.findall(
        r"^([A-Z][A-Z0-9_]+_MAX|[A-Z0-9_]*MAX_[A-Z0-9_]+|[A-Z0-9_]+_BYTES): Final", text, re.M
    )
    explained = (ROOT / "docs" / "memory.md").read_text()

    assert [name for name in names if f"`{name}`" not in explained] == []


def test_every_module_says_what_it_is_and_where_its_truth_is() -> None:
    silent = [
        relative(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if not (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    ]

    assert silent == []


def test_what_is_told_to_install_is_what_the_extra_has() -> None:
    """The project is on no index: `pip install 'leafnode[x]'` finds nothing."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        one
        for name in ("modbus", "firmware", "hw")
        for one in extras["optional-dependencies"][name]
    }
    pages = [*SOURCES, ROOT / "hw" / "render.py", *(ROOT / "configs").rglob("*.conf")]
    told = [
        found for path in pages for found in re.findall(r"pip install '(.*?)'", path.read_text())
    ]

    assert set(told) == wanted

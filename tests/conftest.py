"""Async tests run on SimLoop without a plugin; a failing test prints the seed that it used."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import random
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.sim import loop as sim_loop

if TYPE_CHECKING:
    from collections.abc import Generator

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=500, deadline=None, print_blob=True)
hypothesis.settings.register_profile("nightly", max_examples=20_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


# Twenty times what the slowest test takes on a desk.
REAL_TIME_MAX_S = 200


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_loop: runs on real time, because of real sockets")
    if (terminal := config.pluginmanager.get_plugin("terminalreporter")) is not None:
        config.pluginmanager.register(Failures(terminal))


class Failures:
    """Names them as they come: of a run that somebody stops no more than an F would be seen."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write(f"\nFAILED {report.nodeid} ({report.when})\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol() -> Generator[None, None, None]:
    """A test that begins a server's log leaves its level to nobody."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests: on simulated time, or on real time where marked."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    if pyfuncitem.get_closest_marker("real_loop") is not None:
        asyncio.run(_within(function(**arguments)))
    else:
        sim_loop.run(function(**arguments))
    return True


async def _within(main: Any) -> None:
    """Real time has a bound, so that a hang is a failure with a stack."""
    async with asyncio.timeout(REAL_TIME_MAX_S):
        await main


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a randomised test: SEED in the environment, else a new one. Shown on failure."""
    value = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    request.node.user_properties.append(("seed", value))
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    del call
    report = yield
    if report.failed:
        for name, value in item.user_properties:
            if name == "seed":
                report.sections.append(("seed", f"run again with SEED={value}"))
    return report

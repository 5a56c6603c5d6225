"""leafnode.server.signals: which ones stop, with which status, and which are refused in the log."""

import asyncio
import os
import signal

import pytest

from leafnode.server import signals


async def stopped_by(number: signal.Signals) -> int:
    """Return the exit status that a signal of this process leads to."""
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    signals.install(asyncio.get_running_loop(), status.set_result)
    os.kill(os.getpid(), number)
    return await status


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGQUIT, 2)]
)
def test_a_stopping_signal_gives_the_exit_status(number: signal.Signals, status: int) -> None:
    assert asyncio.run(stopped_by(number)) == status


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_is_not_built_is_said_and_does_not_end_the_process(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> int:
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        signals.install(asyncio.get_running_loop(), status.set_result)
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        return await status

    assert asyncio.run(scenario()) == 0
    assert f"Signal {number.name}: " in caplog.text
    assert "not supported yet" in caplog.text

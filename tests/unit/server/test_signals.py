"""leafnode.server.signals: what each signal asks of the server."""

import asyncio
import os
import signal

import pytest

from leafnode.server import signals


class Asked:
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def stop(self, status: int = 0) -> None:
        self.done.set_result(f"stop {status}")

    def terminate(self) -> None:
        self.done.set_result("terminate")

    def reload_by_signal(self) -> None:
        self.done.set_result("reload")

    def reopen_log(self) -> None:
        self.done.set_result("reopen")

    def enter_lame_duck_mode(self) -> None:
        self.done.set_result("lame duck")


async def asked_by(number: signal.Signals) -> str:
    asked = Asked()
    signals.install(asyncio.get_running_loop(), asked)
    os.kill(os.getpid(), number)
    return await asked.done


@pytest.mark.parametrize(
    ("number", "wanted", "name"),
    [
        (signal.SIGINT, "stop 0", "interrupt"),
        (signal.SIGTERM, "terminate", "terminated"),
        (signal.SIGQUIT, "stop 2", "quit"),
        (signal.SIGHUP, "reload", "hangup"),
        (signal.SIGUSR1, "reopen", "user defined signal 1"),
        (signal.SIGUSR2, "lame duck", "user defined signal 2"),
    ],
)
def test_a_signal_asks_for_one_thing_and_is_said(
    number: signal.Signals, wanted: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    assert asyncio.run(asked_by(number)) == wanted
    assert f'Trapped "{name}" signal' in caplog.text

"""leafnode.store.worker: jobs in order on a thread, results in order on the loop."""

import threading

import pytest

from leafnode.store.worker import ThreadExecutor, Worker
from tests.sim.committer import HeldExecutor, Turns


def test_results_come_in_order_in_the_loops_turn() -> None:
    turns, executor = Turns(), HeldExecutor()
    worker = Worker(executor, turns.call_soon)
    results: list[int] = []
    for number in (1, 2, 3):
        worker.submit(lambda number=number: number, results.append)
    assert worker.waiting == 3

    executor.release()
    assert results == []
    turns.run()

    assert results == [1, 2, 3]
    assert worker.waiting == 0


def test_a_job_that_raises_raises_on_the_loop() -> None:
    turns, executor = Turns(), HeldExecutor()
    worker = Worker(executor, turns.call_soon)
    worker.submit(lambda: 1 // 0, lambda _: None)
    executor.release()

    with pytest.raises(ZeroDivisionError):
        turns.run()

    assert worker.waiting == 0


def test_a_job_that_ends_after_the_loop_does_harm_to_nobody() -> None:
    def closed_loop(_: object) -> None:
        raise RuntimeError("Event loop is closed")

    worker = Worker(ThreadExecutor("test"), closed_loop)
    ran: list[str] = []
    worker.submit(lambda: ran.append(threading.current_thread().name), lambda _: None)

    worker.close()

    assert ran == ["test"]


def test_closing_a_thread_finishes_its_jobs_and_ends_it() -> None:
    executor = ThreadExecutor("test")
    done: list[int] = []
    executor.submit(lambda: done.append(1))

    executor.close()

    assert done == [1]
    assert "test" not in [thread.name for thread in threading.enumerate()]

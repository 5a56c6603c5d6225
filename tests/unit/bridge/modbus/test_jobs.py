"""Requests to one slave, one after the other."""

from __future__ import annotations

from leafnode.bridge.modbus.jobs import fields_of_blocks, reading_job
from leafnode.bridge.modbus.plan import Block
from leafnode.bridge.modbus.schedule import SlaveState
from leafnode.bridge.modbus.wire import Wire
from leafnode.config.modbus_options import Register, Slave

A = Register("a", "holding", 1)
B = Register("b", "holding", 2, "u32", 2)
C = Register("c", "coil", 7, "bit")


def test_a_job_knows_its_next_request_and_its_end() -> None:
    blocks = [Block("coil", 7, 1, (C,)), Block("holding", 0, 4, (A, B))]
    job = reading_job(Wire(), SlaveState(Slave("m", 5)), blocks)

    assert (job.request.slave, job.request.function, job.what) == (5, 1, "coil 7")
    job.values.append([1])
    assert (job.request.function, job.what, job.is_done) == (3, "holding 0 to 3", False)
    job.values.append([9, 4, 0, 5])
    assert job.is_done
    assert fields_of_blocks(blocks, job.values) == {"c": True, "a": 4, "b": 5}

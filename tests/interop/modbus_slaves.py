"""pymodbus's own server on a terminal: python -m tests.interop.modbus_slaves PATH BAUD

Slaves 1 and 2 have in each table the registers 0 to 99 whose values are 1000 times the slave plus
the address, behind them a float of 230.1 (100) and the text "LEAF" (102), and coils 0 to 15, of
which every third is on.
"""

from __future__ import annotations

import asyncio
import sys

from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

SLAVES = (1, 2)
REGISTERS = 100


def device(slave: int) -> SimDevice:
    def words() -> list[SimData]:
        values: list[int] = [1000 * slave + address for address in range(REGISTERS)]
        return [
            SimData(0, values=values, datatype=DataType.REGISTERS),
            SimData(100, values=230.1, datatype=DataType.FLOAT32),
            SimData(102, values="LEAF", datatype=DataType.STRING),
        ]

    def bits() -> list[SimData]:
        on = [bit % 3 == 0 for bit in range(16)]
        return [SimData(0, values=on, datatype=DataType.BITS)]

    return SimDevice(id=slave, simdata=(bits(), bits(), words(), words()))


async def serve(path: str, baud: int) -> None:
    server = ModbusSerialServer(
        [device(slave) for slave in SLAVES], port=path, baudrate=baud, ignore_missing_devices=True
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

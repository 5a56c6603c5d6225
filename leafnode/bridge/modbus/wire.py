"""Requests and answers as bytes: the one place that knows pymodbus.

Its PDU classes encode and decode, its RTU framer frames and has the CRC; its clients own their port
and are not used (docs/adr/0023-modbus.md). What pymodbus does not check is checked here: that an
answer is the whole and only kind of answer that this request can have. Truth: "MODBUS Application
Protocol Specification" V1.1b3, section 6.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.bridge.modbus.plan import BIT_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymodbus.pdu import ModbusPDU

BROADCAST: Final = 0
_ERROR: Final = 0x80
_EXCEPTION_BYTES: Final = 5
_CRC_BYTES: Final = 2
CANDIDATES_MAX: Final = 32  # of one read; a CRC of 255 bytes takes 60 us on a PC


class Request(NamedTuple):
    """A frame to send, and how its answer begins, how long it is and how it is decoded."""

    frame: bytes
    slave: int
    function: int
    head: bytes
    answer_bytes: int
    decode: Callable[[bytes], list[int]]


class Answer(NamedTuple):
    """What a slave said. `exception`: its code, 0 for none. `at`: bytes of noise before it."""

    values: list[int]
    exception: int
    at: int
    size: int


class Wire:
    """Makes requests and finds their answers. Raises ImportError where pymodbus is missing."""

    def __init__(self) -> None:
        from pymodbus.framer import FramerRTU
        from pymodbus.pdu import DecodePDU, bit_message, register_message

        self._framer = FramerRTU(DecodePDU(is_server=False))
        self._reads: dict[str, tuple[type[ModbusPDU], type[ModbusPDU]]] = {
            "coil": (bit_message.ReadCoilsRequest, bit_message.ReadCoilsResponse),
            "discrete": (
                bit_message.ReadDiscreteInputsRequest,
                bit_message.ReadDiscreteInputsResponse,
            ),
            "holding": (
                register_message.ReadHoldingRegistersRequest,
                register_message.ReadHoldingRegistersResponse,
            ),
            "input": (
                register_message.ReadInputRegistersRequest,
                register_message.ReadInputRegistersResponse,
            ),
        }

    def read(self, slave: int, table: str, address: int, count: int) -> Request:
        """Return the request that reads so many registers or bits."""
        request_class, answer_class = self._reads[table]
        is_bits = table in BIT_TABLES
        size = (count + 7) // 8 if is_bits else 2 * count
        pdu = request_class(dev_id=slave, address=address, count=count)

        def decode(frame: bytes) -> list[int]:
            answer = answer_class()
            answer.decode(frame[2:-_CRC_BYTES])
            return [int(bit) for bit in answer.bits[:count]] if is_bits else [*answer.registers]

        function = pdu.function_code
        head = bytes((slave, function, size))
        frame = self._framer.buildFrame(pdu)
        return Request(frame, slave, function, head, len(head) + size + _CRC_BYTES, decode)

    def write(
        self, slave: int, table: str, address: int, values: list[int], *, multiple: bool
    ) -> Request:
        """Return the request that writes these registers or coils; `multiple` as the function."""
        from pymodbus.pdu import bit_message, register_message

        several = multiple or len(values) > 1
        pdu: ModbusPDU
        if table == "coil":
            bits = [bool(value) for value in values]
            pdu = (
                bit_message.WriteMultipleCoilsRequest(address=address, bits=bits, dev_id=slave)
                if several
                else bit_message.WriteSingleCoilRequest(address=address, bits=bits, dev_id=slave)
            )
        else:
            request_class = (
                register_message.WriteMultipleRegistersRequest
                if several
                else register_message.WriteSingleRegisterRequest
            )
            pdu = request_class(address=address, registers=values, dev_id=slave)
        frame = self._framer.buildFrame(pdu)
        # The answer repeats the request up to where the values of several begin.
        head = frame[:6]
        return Request(frame, slave, pdu.function_code, head, len(head) + _CRC_BYTES, lambda _: [])

    def find(self, request: Request, data: bytes) -> Answer | None:
        """Return the answer to the request in what came since it was sent, or None."""
        error = bytes((request.slave, request.function | _ERROR))
        for at in _starts(data, request.head, error):
            is_answer = data.startswith(request.head, at)
            size = request.answer_bytes if is_answer else _EXCEPTION_BYTES
            frame = data[at : at + size]
            if not self._is_whole(frame, size):
                continue
            if is_answer:
                return Answer(request.decode(frame), 0, at, size)
            return Answer([], frame[2], at, size)
        return None

    def _is_whole(self, frame: bytes, size: int) -> bool:
        content, check = frame[:-_CRC_BYTES], frame[-_CRC_BYTES:]
        return len(frame) == size and self._framer.check_CRC(content, int.from_bytes(check, "big"))


def _starts(data: bytes, *heads: bytes) -> list[int]:
    """Return where an answer may begin, from the first on: each costs a check."""
    found = re.finditer(b"(?=%b)" % b"|".join(map(re.escape, heads)), data)
    return [match.start() for match in islice(found, CANDIDATES_MAX)]

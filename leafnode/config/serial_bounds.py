"""Bounds of the serial stages: framings, codecs, patterns, mapping.

A bound that a queue, cache or buffer uses is named in docs/memory.md together with what happens at
it. Those of ports and of the queue to the stream are in leafnode/limits.py.
"""

from __future__ import annotations

from typing import Final

from leafnode.clock import NS_PER_S
from leafnode.limits import KIB, MIB

FRAME_MARK_BYTES_MAX: Final = 64  # of a start or end mark, and of what follows the end
BOARDS_MAX: Final = 64  # names that a port's entry gives its boards
POLL_BYTES_MAX: Final = 256  # of the question that a polled sensor gets
RESCAN_BYTES_PER_BYTE: Final = 8  # looked at again after wrong checks, for each byte that came
RESCAN_BYTES_MAX: Final = 64 * KIB  # or four frames: so much at once
# Of a codec, and of a line in text, that looks at each byte: about a millisecond.
CODEC_FRAME_MAX: Final = 64 * KIB
READING_FIELDS_MAX: Final = 128  # of one reading, from any codec
FIELD_NAME_CHARS_MAX: Final = 64
PATTERN_DEPTH_MAX: Final = 20  # brackets inside of each other, in a regular expression
PATTERN_STATES_MAX: Final = 512  # characters of it, with repetitions
PATTERN_WORK_MAX: Final = 1_000_000  # pairs looked at to find what it may cost
PATTERN_STEPS_MAX: Final = 50_000  # that it may need for a reading: about a millisecond
PATTERN_INPUT_MAX: Final = 4096  # characters of a reading that it is tried on
CBOR_DEPTH_MAX: Final = 8
CBOR_VALUES_MAX: Final = 512  # of one reading
FILTER_SUBJECTS_MAX: Final = 256  # whose last value a port remembers
WINDOW_SUBJECTS_MAX: Final = 64  # gathered at once, of one port; then the windows end early
WINDOW_TEXT_BYTES_MAX: Final = MIB  # held by them beside numbers; then they end early, too
MODBUS_GROUPS_MAX: Final = 64  # of one slave
MODBUS_BUFFER_MAX: Final = 512  # bytes in which the answer to one request is looked for
COMMANDS_WAITING_MAX: Final = 16  # of one port, besides the one under way
COMMAND_BYTES_MAX: Final = 4096  # of a command's payload
COMMAND_WAIT_NS: Final = 5 * NS_PER_S  # what waited longer is not sent
COMMAND_OPENING_NS: Final = NS_PER_S  # at most: what was asked before an opening may answer yet
POLL_ANSWER_NS: Final = NS_PER_S  # of silence: what does not answer within this time will not
COMMAND_INPUT_MAX: Final = 256  # characters of a payload that its pattern is tried on

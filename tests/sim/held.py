"""How many bytes of memory something holds: what grows without a bound shows in it."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_OTHERS = (type, ModuleType, FrameType, BuiltinFunctionType)  # of everybody


def held_bytes(one: object, others: Iterable[object]) -> int:
    """Return the size of all that is reached from `one`, but not through any of `others`."""
    seen = {id(other) for other in others}
    left: list[Any] = [one]
    size = 0
    while left:
        at = left.pop()
        if id(at) in seen or isinstance(at, _OTHERS):
            continue
        seen.add(id(at))
        size += sys.getsizeof(at)
        if isinstance(at, FunctionType):  # else all of its module
            left += (at.__closure__ or (), at.__defaults__ or ())
        else:
            left += gc.get_referents(at)
    return size

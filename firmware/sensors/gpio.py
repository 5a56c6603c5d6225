"""A digital input: doors, switches, alarm contacts.

Knows a function that returns 0 or 1 (machine.Pin.value, or `lambda: pin.value` of a
digitalio.DigitalInOut); not the pin. Truth: firmware/README.md, "Sensors".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Input:
    """0 or 1, told when it changes and after `every` reads without a change (0: never).

    A change counts when `stable` reads one after the other agree: contacts bounce.
    """

    def __init__(
        self,
        read: "Callable[[], int]",
        *,
        invert: int = 0,
        stable: int = 1,
        every: int = 0,
    ) -> None:
        if stable < 1:
            raise ValueError("stable: at least 1")
        self._read = read
        self._invert = 1 if invert else 0
        self._stable = stable
        self._every = every
        self._told = -1  # nothing yet
        self._seen = -1
        self._agreed = 0
        self._quiet = 0

    def value(self) -> "int | None":
        """Return the level when it is to be told, else None."""
        level = (1 if self._read() else 0) ^ self._invert
        if level != self._seen:
            self._seen = level
            self._agreed = 0
        self._agreed = min(self._agreed + 1, self._stable)
        self._quiet += 1
        changed = level != self._told and self._agreed >= self._stable
        if not changed and not (self._told >= 0 and 0 < self._every <= self._quiet):
            return None
        if changed:
            self._told = level
        self._quiet = 0
        return self._told

"""To whom a port is lent, and until when.

Knows no port: `port_life` closes it and opens it again. Truth: docs/serial/tools.md, "port lend".
"""

from __future__ import annotations

from dataclasses import dataclass

from leafnode.clock import NS_PER_S


@dataclass(frozen=True, slots=True)
class Loan:
    """One lending. Without a `lease` it is nobody's: whoever asks makes it longer or ends it.

    With one it is its holder's, who renews it for as long as it is needed; who is gone does not.
    """

    until_ns: int  # monotonic
    lease: str = ""
    holder: str = ""  # for people
    is_returned: bool = False  # before its time

    def is_out(self, now_ns: int) -> bool:
        return now_ns < self.until_ns

    def seconds(self, now_ns: int) -> int:
        """For how long it is out yet, rounded up."""
        return -(-max(0, self.until_ns - now_ns) // NS_PER_S)

    def refusal(self, now_ns: int) -> str:
        """Say to somebody else that the port is lent."""
        whose = f" to {self.holder}" if self.holder else ""
        renewed = ", or longer where it is renewed" if self.lease else ""
        return f"the port is lent{whose}, for {self.seconds(now_ns)} s more{renewed}"

    @property
    def why_over(self) -> str:
        if self.is_returned:
            return "given back"
        return "not renewed" if self.lease else "its time is over"

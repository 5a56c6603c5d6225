"""What a gateway's session counts. Numbers only grow; the owner reads them, nobody resets them.

Knows nothing else; no device loads it. Truth: docs/device-link.md, "Counters".
"""

from .counters import LineCounters


class GatewayCounters(LineCounters):
    """Counters of a GatewaySession."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0  # given to the application
        self.duplicates = 0
        self.out_of_order = 0  # ahead of the expected sequence; the device goes back
        self.window_full = 0  # more uncommitted readings than the window allows
        self.missing = 0  # sequences that the device gave up before they came here
        self.unknown_boots = 0
        self.unknown_aliases = 0
        self.stale_hellos = 0  # overtaken by a later one
        self.refused = 0
        self.hellos = 0  # HELLO accepted
        self.links_lost = 0


class ChannelCounters:
    """Counters of a GatewayChannel."""

    def __init__(self) -> None:
        self.taken = 0  # frames of the device
        self.repeats = 0  # taken before: our TAKEN was lost
        self.strays = 0  # of another epoch, ahead of a lost one, or a TAKEN of nothing under way
        self.refused = 0  # subscriptions, requests and aliases that are not allowed or malformed
        self.delivered = 0  # frames that the device took
        self.resent = 0
        self.dropped = 0  # messages that gave way to newer ones
        self.too_large = 0  # for the device's frames
        self.busy = 0  # requests beyond REQUESTS_MAX, of either side
        self.late = 0  # answers to what nobody waits for any more
        self.lost = 0  # waited for the device or were under way when it was gone

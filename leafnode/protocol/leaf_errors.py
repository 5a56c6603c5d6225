"""What a leaf node can get wrong that a client cannot, with the bytes that nats-server answers.

One class for each text; which of them ends what is leaf_acceptor's. Knows no connections. Truth:
nats-server 2.15.1 server/leafnode.go, server/errors.go; texts measured on its binary.
"""

from __future__ import annotations

from leafnode.errors import ProtocolError
from leafnode.protocol.errors import PermissionsViolation, Worded, quoted


class LeafViolation(PermissionsViolation):
    """A message or interest of a leaf node outside what its user may. It ends the link."""

    closes = True


class DuplicateLeafConnection(ProtocolError):  # noqa: N818 -- named after its wire text
    """The same server has connected anew, for the same accounts."""

    wire_error = b"Duplicate Remote LeafNode Connection"


class NotALeafNode(ProtocolError):  # noqa: N818 -- what happened
    """A CONNECT of a client on the port for leaf nodes."""

    wire_error = b"attempted to connect to leaf node port"


class ClusterNameHasSpaces(ProtocolError):  # noqa: N818 -- named after its wire text
    """A leaf node whose cluster has a name that no server accepts."""

    wire_error = b"cluster name cannot contain spaces"


class SameClusterName(ProtocolError):  # noqa: N818 -- named after its wire text
    """A leaf node whose cluster is named like ours: nothing of it would be passed on."""

    wire_error = b"remote leafnode has same cluster name"


class GatewayOnLeafPort(Worded):
    """A CONNECT of a gateway on the port for leaf nodes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        gateway = quoted(name.encode("utf-8", "replace"))
        self.wire_text = b"Rejecting connection from gateway %b on the leafnode port" % gateway


class LeafVersionTooOld(Worded):
    """A leaf node below `leafnodes.min_version`."""

    def __init__(self, minimum: str) -> None:
        super().__init__(minimum)
        text = b"connection rejected since minimum version required is %b"
        self.wire_text = text % quoted(minimum.encode())


class LoopDetected(Worded):
    """A link on which our own loop subject comes back: the links form a ring."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        text = b"Loop detected for leafnode account=%b. Delaying attempt to reconnect for 30s"
        self.wire_text = text % quoted(account.encode("utf-8", "replace"))

"""What a command of ports says when it cannot."""

from leafnode.cli.ports.errors import PortError
from leafnode.errors import LeafnodeError


def test_it_is_one_line_of_ours() -> None:
    assert isinstance(PortError("no"), LeafnodeError)
    assert str(PortError("no")) == "no"

"""A gateway's peer is what its HELLO said."""

from leafnode.link.hello import HelloBody
from leafnode.link.peer import Peer


def test_a_peer_is_what_its_hello_said_and_alive():
    peer = Peer(77, HelloBody(1, 8, 256, 3, "node1"), is16=True)

    assert (peer.device, peer.boot_id, peer.window) == ("node1", 77, 8)
    assert (peer.frame_bytes_max, peer.capabilities, peer.about) == (256, 3, "")
    assert (peer.is16, peer.alive) == (True, True)

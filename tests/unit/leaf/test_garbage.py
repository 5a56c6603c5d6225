"""What a leaf below us leaves when it goes: nothing that waits for the garbage collector."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from tests.sim.garbage import left_by
from tests.sim.leaf_port import LeafPortWorld, SimLeaf


def test_a_leaf_that_was_here_leaves_nothing() -> None:
    port = LeafPortWorld()

    def once() -> None:
        leaf = port.leaf()
        leaf.says(b"LS+ a\r\nLS+ b q 2\r\nLMSG a 1\r\nx\r\nPING\r\n")
        leaf.end.close()
        for _ in range(3):
            port.settle()

    assert left_by(once) == []
    assert port.registry.open == {}


def test_a_leaf_whose_login_does_not_hold_leaves_nothing() -> None:
    port = LeafPortWorld(bind(parse("authorization { user: u, password: p }", "x.conf")))

    def once() -> None:
        port.leaf(user="u", **{"pass": "x"})
        port.settle()

    assert left_by(once) == []


def test_a_leaf_that_says_nothing_leaves_nothing() -> None:
    port = LeafPortWorld()

    def once() -> None:
        leaf = SimLeaf(port)
        port.clock.advance(3 * NS_PER_S)
        leaf.hears()

    assert left_by(once) == []

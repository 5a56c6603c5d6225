"""Scenario 06: operator mode with a memory resolver; an edge comes by its .creds file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.hub.jwt import Operator
from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.edge import until
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    carries,
    client_of,
    dials,
    linked,
    running,
    wants,
)
from tests.interop.scenarios.streams import arrived, elsewhere, made, numbers, publish

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

SHORT_S = 4  # a slow machine may find the JWT expired before the link was ever up
JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {} }}'
KINDS = pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])


@KINDS
async def test_a_link_comes_back_with_a_renewed_jwt_and_carries_streams(
    hub: str, edge: str, tmp_path: Path
) -> None:
    operator = Operator(now_s=int(time.time()))
    creds, user = tmp_path / "edge.creds", tmp_path / "user.creds"
    operator.write_creds(user, "user")
    operator.write_creds(creds, "edge", exp=int(time.time()) + SHORT_S)
    config = f"{operator.config()}\n{JETSTREAM.format('hub')}"
    with running(hub, tmp_path, "hub", config) as above:
        link = dials(above, more=f'credentials: "{creds}"')
        with running(edge, tmp_path, "edge", JETSTREAM.format("edge"), leafnodes=link) as below:
            (log,) = below.directory.glob("*.log")
            words = ("User Authentication Expired", "Authorization Violation")
            await until(
                lambda: any(word in log.read_text() for word in words),
                timeout_s=SHORT_S + PATIENCE_S,
            )
            operator.write_creds(creds, "edge")
            await wants(above, "$JS.edge.API.CONSUMER.>")

            async with (
                client_of(above, user_credentials=str(user)) as up,
                client_of(below) as down,
            ):
                await carries(down, up, below, "up")
                await carries(up, down, above, "down")
                (row,) = above.get("leafz")["leafs"]
                assert row["account"] == operator.account.public

                await made(down, "EV", subjects=["ev.>"])
                await made(up, "ALL", sources=[elsewhere("EV", "edge")])
                await publish(down, "ev.x", range(50))
                await arrived(up, "ALL", 50)
                assert await numbers(up, "ALL") == list(range(50))


@KINDS
async def test_what_a_users_jwt_allows_is_kept_and_the_link_never_drops(
    hub: str, edge: str, tmp_path: Path
) -> None:
    operator = Operator(now_s=int(time.time()), jetstream=False)
    creds, user = tmp_path / "edge.creds", tmp_path / "user.creds"
    permissions = {
        "pub": {"allow": ["out.>"], "deny": ["out.no"]},
        "sub": {"allow": ["in.>"], "deny": ["in.no"]},
    }
    operator.write_creds(user, "user")
    operator.write_creds(creds, "edge", permissions=permissions)
    with running(hub, tmp_path, "hub", operator.config()) as above:
        link = dials(above, more=f'credentials: "{creds}"')
        with running(edge, tmp_path, "edge", leafnodes=link) as below:
            await linked(below)
            async with (
                client_of(above, user_credentials=str(user)) as up,
                client_of(below) as down,
            ):
                at_hub, at_edge = await up.subscribe("out.>"), await down.subscribe(">")
                for literal in ("in.no", "else"):  # a leaf that asked for it would be cut
                    await down.subscribe(literal)
                await settled(up, down)
                await wants(below, "out.>")
                await wants(above, ">")
                for subject in ("out.no", "out.yes"):
                    await down.publish(subject, b"up")
                await settled(down)
                assert (await at_hub.next_msg(timeout=PATIENCE_S)).subject == "out.yes"
                for subject in ("else", "in.no", "in.yes"):
                    await up.publish(subject, b"down")
                await settled(up)
                got = [await at_edge.next_msg(timeout=PATIENCE_S) for _ in range(3)]

        assert [m.subject for m in got if m.data == b"down"] == ["in.yes"]
        (log,) = above.directory.glob("*.log")
        assert "Violation" not in log.read_text()

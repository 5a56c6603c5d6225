"""What a service and a measurement learn of clients with JWTs: the same on this server and on a
real nats-server 2.15.1.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import nats
import pytest

from tests.hub.process import nats_server_path, running_hub
from tests.interop.barrier import settled
from tests.interop.gateway import running_gateway
from tests.interop.test_monitoring_jwt import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from nats.aio.msg import Msg

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]
# What two servers and two runs have in common.
SIGNED = ("acc", "user", "name", "jwt", "issuer_key", "name_tag", "tags", "kind", "client_type")


class Sharing(Trust):
    """B asks A's service, and lets A know who asks; A measures."""

    def __init__(self) -> None:
        super().__init__()
        latency = {"sampling": 100, "results": "lat"}
        export = {"name": "q", "subject": "q.>", "type": "service", "service_latency": latency}
        asked = {"name": "q", "subject": "q.x", "account": self.accounts["A"].public}
        asked |= {"type": "service", "local_subject": "l.q"}
        self.tokens["A"] = self._account("A", exports=[export])
        self.tokens["B"] = self._account("B", imports=[{**asked, "share": True}])


async def learned(url: str, creds: dict[str, str]) -> list[dict[str, Any]]:
    """What is told of the requester, and of both by the measurement."""
    async with contextlib.AsyncExitStack() as clients:
        service = await nats.connect(url, user_credentials=creds["A"], name="service")
        clients.push_async_callback(service.close)
        asker = await nats.connect(url, user_credentials=creds["B"], name="asker")
        clients.push_async_callback(asker.close)
        told: list[dict[str, Any]] = []

        async def answer(message: Msg) -> None:
            assert message.headers is not None
            told.append(json.loads(message.headers["Nats-Request-Info"]))
            await message.respond(b"yes")

        measured = await service.subscribe("lat")
        await service.subscribe("q.x", cb=answer)
        await settled(service)
        await asker.request("l.q", b"?", timeout=10)
        measurement = json.loads((await measured.next_msg(timeout=10)).data)
        return [*told, measurement["requestor"], measurement["responder"]]


async def test_services_and_measurements_tell_the_same_of_clients(tmp_path: Path) -> None:
    trust = Sharing()
    creds = {name: trust.creds(tmp_path / f"{name}.creds", name) for name in ("A", "B")}
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(running_hub(tmp_path / "theirs", trust.config()))
        ours = stack.enter_context(running_gateway(tmp_path / "ours", trust.config()))

        sides = [await learned(server.client_url, creds) for server in (ours, theirs)]

    assert [sorted(one) for one in sides[0]] == [sorted(one) for one in sides[1]]
    for mine, other in zip(*sides, strict=True):
        assert [mine[key] for key in SIGNED] == [other[key] for key in SIGNED]
    assert sides[0][0]["name_tag"] == "ann"

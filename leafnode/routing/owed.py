"""One answer that is owed: it comes in one account and goes on to the requester in another.

Knows the reply on which it comes and the one under which it leaves; not who may ask. Truth:
nats-server 2.15.1 server/accounts.go, server/client.go processServiceImport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import SERVICE_WORK
from leafnode.routing import latency as measure
from leafnode.routing.answers import ACK_PREFIX, is_of_the_api
from leafnode.routing.deliver import deliver
from leafnode.routing.latency import Measurement
from leafnode.routing.permissions import LOGIN_REQUESTS
from leafnode.routing.route import Message
from leafnode.routing.service_export import Answers, Passed

if TYPE_CHECKING:
    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.latency import Headers, Latency
    from leafnode.routing.peer import Peer
    from leafnode.routing.service_export import ServiceExport
    from leafnode.routing.services import Services


class Response:
    """One answer that is owed: from a reply in the exporter's account to one in the importer's."""

    __slots__ = (
        "answers",
        "asked",
        "export",
        "headers",
        "importer",
        "latency",
        "reply",
        "requester",
        "requester_info",
        "responders",
        "share",
        "started_ns",
        "started_wall_ns",
        "to",
        "touched_ns",
        "units",
    )

    def __init__(
        self,
        responders: Services,
        importer: Services,
        reply: bytes,
        to: bytes,
        export: ServiceExport,
        requester: Peer,
    ) -> None:
        self.responders = responders  # of the account where `reply` is published
        self.importer = importer  # of the account where `to` is subscribed
        self.reply = reply
        self.to = to
        self.export = export
        self.requester = requester
        self.answers = Answers.ONE
        self.asked = b""  # the importer's subject of the request
        self.share = False
        self.latency: Latency | None = None  # None: not measured, or measured already
        self.headers: Headers = {}
        self.requester_info: ClientInfo | None = None
        self.started_ns = 0
        self.started_wall_ns = 0
        self.touched_ns, self.units = 0, 1  # `units`: as how many answers it counts, see `Awaited`

    def forward(self, origin: Peer, message: Message) -> int:
        """Bring one message of the answer back; return how many received it."""
        if message.passed and any(one.export is self.export for one in message.passed):
            return 0
        origin.outbox.work_left -= SERVICE_WORK
        message = message.ready
        further = None
        reply = message.reply if message.reply != LOGIN_REQUESTS else b""  # nobody asks for a login
        if reply and not reply.startswith(ACK_PREFIX):
            further = self.importer.expect_further(self, origin, reply)
            reply = further.reply
        self.measure(measure.OK, responder=origin)
        account = self.importer.account
        to = self.to if account.mappings is None else account.mappings.choose(self.to)
        passed = (*message.passed, Passed(self.export, self.share, None, is_answer=True))
        answer = Message(
            to,
            reply,
            message.header_size,
            message.body,
            None,
            passed,
            fate=message.fate,
            shown=message.shown,
        )
        # Who asked chose where it goes, and may not be one who may ask there.
        received = deliver(account, origin, answer, once=True) if not is_of_the_api(to) else 0
        if not received and further is not None:
            further.end()  # what is asked back is not measured
        if not received or self.answers is Answers.ONE or not message.body:
            self.end()
        else:
            self.touch()
        return received

    def touch(self) -> None:
        """Wait as long again for the next message."""
        self.touched_ns = self.responders.world.monotonic_ns()
        if self.export.open.pop(self.reply, None) is not None:
            self.export.open[self.reply] = self
            self.importer.awaited.touch(self)

    def end(self, outcome: tuple[int, str] | None = None) -> None:
        """Owe it no longer. Twice does nothing.

        `outcome` is measured if nothing was before; None: something was, or nothing has to be.
        """
        if self.export.open.pop(self.reply, None) is None:
            return
        self.responders.responses.pop(self.reply, None)
        self.importer.awaited.remove(self)
        if outcome is not None:
            self.measure(outcome)

    def measure(self, outcome: tuple[int, str], responder: Peer | None = None) -> None:
        """Publish what became of the request, once."""
        latency, self.latency = self.latency, None
        if latency is None:
            return
        world = self.responders.world
        requester = world.client_info(self.requester, detailed=self.share)
        responder_info = world.client_info(responder, detailed=True) if responder else None
        answered_ns = world.monotonic_ns() - self.started_ns if responder else 0
        measurement = Measurement(
            outcome,
            requester or self.requester_info,
            self.started_wall_ns,
            self.headers,
            responder_info,
            answered_ns,
        )
        world.measured(self.responders.account, latency.subject, measurement)

"""How whoever asks hears that it was not done."""

from __future__ import annotations

from leafnode.bridge.service_error import refuse
from leafnode.protocol import header
from tests.unit.bridge.fake_stream import new_account


def test_an_error_is_headers_and_mostly_nothing_else() -> None:
    account = new_account()
    heard: list[tuple[bytes | None, bytes | None, bytes]] = []
    account.subscribe(
        b"in.>",
        lambda delivery: heard.extend(
            (
                header.get(body[:size], b"Nats-Service-Error"),
                header.get(body[:size], b"Nats-Service-Error-Code"),
                body[size:],
            )
            for _, size, body in delivery.messages
        ),
    )

    refuse(account, b"in.1", 429, b"too many")
    refuse(account, b"in.1", 500, b"failed", b"why")

    assert heard == [(b"too many", b"429", b""), (b"failed", b"500", b"why")]

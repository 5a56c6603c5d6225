"""leafnode.config.digest: the digests that nats-server 2.15.1 shows for these files (measured)."""

from __future__ import annotations

import pytest

from leafnode.config.digest import config_digest
from leafnode.config.parser import parse


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (
            "listen: 127.0.0.1:41129\nhttp: 127.0.0.1:34555\n",
            "sha256:f376c83f3bb8bc9d7d67a10d8b99397e944ebd1301c622cce74099f8cbf74b73",
        ),
        (
            "listen: 127.0.0.1:56791\nhttp: 127.0.0.1:54249\nX: 5\nmax_payload: 1MB\n"
            'max_connections: $X\nserver_name: "a<b>&"\n',
            "sha256:3b2da4ed914041e2139b28db96853c6210d87856ce252cf51679552f0fead5fc",
        ),
    ],
)
def test_a_file_has_the_digest_that_nats_server_gives_it(text: str, digest: str) -> None:
    assert config_digest(parse(text, "x.conf").root) == digest


def test_order_and_comments_change_nothing_and_every_value_does() -> None:
    digests = [
        config_digest(parse(text, "x.conf").root)
        for text in ("a: 1, b: [x, 2.5]", "b: [x, 2.5] # c\na = 1", "a: 1, b: [x, 2.6]")
    ]

    assert digests[0] == digests[1] != digests[2]

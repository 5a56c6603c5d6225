"""What a remote proves itself with. Source: nats-server 2.15.1 server/leafnode.go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.auth.base64url import raw_url
from leafnode.auth.nkey import verify
from leafnode.config.options import LeafRemote
from leafnode.errors import AuthError
from leafnode.leaf.login import read_login
from leafnode.leaf.urls import parse_url
from leafnode.protocol.leaf_op import LeafCredentials
from tests.hub.jwt import Operator, user_key

if TYPE_CHECKING:
    from pathlib import Path

URLS = ("nats-leaf://hub",)


def test_without_keys_the_url_says_who_we_are() -> None:
    login = read_login(LeafRemote(URLS))

    assert login.credentials(parse_url("nats-leaf://ann:secret@hub"), "nonce") == LeafCredentials(
        user="ann", password="secret"
    )
    assert login.credentials(parse_url("nats-leaf://t0ken@hub"), "nonce") == LeafCredentials(
        user="t0ken", auth_token="t0ken"
    )


def test_a_seed_file_signs_the_nonce_and_names_its_key(tmp_path: Path) -> None:
    public, seed = user_key()
    file = tmp_path / "edge.nk"
    file.write_text(seed)

    credentials = read_login(LeafRemote(URLS, nkey=str(file))).credentials(
        parse_url("hub"), "nonce"
    )

    assert (credentials.nkey, credentials.jwt) == (public, "")
    assert verify(public, b"nonce", raw_url(credentials.sig))


def test_a_creds_file_sends_its_jwt_and_a_signature_but_no_nkey(tmp_path: Path) -> None:
    file = tmp_path / "edge.creds"
    Operator(now_s=1).write_creds(file, "edge", exp=5)

    login = read_login(LeafRemote(URLS, credentials=str(file)))
    credentials = login.credentials(parse_url("hub"), "nonce")

    assert credentials.nkey == ""
    assert credentials.jwt in file.read_text()
    assert len(credentials.sig) == 86
    assert (login.jwt_file, login.jwt_expires_s) == (str(file), 5)
    assert credentials.jwt not in repr(login)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=r"absent\.creds: No such file"):
        read_login(LeafRemote(URLS, credentials=str(tmp_path / "absent.creds")))

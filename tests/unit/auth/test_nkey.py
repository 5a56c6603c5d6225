"""NKEYs in text form and their signatures. Source: nats-io/nkeys, RFC 8032."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.nkey import Signer, is_public_user_key, read_seed_file, verify
from leafnode.errors import AuthError
from leafnode.limits import CREDENTIALS_FILE_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

USER_SEED = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
ACCOUNT_SEED = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_ACCOUNT)
SIGNER = Signer(USER_SEED, source="test")


def test_a_signature_is_base64_for_urls_without_padding_and_verifies() -> None:
    signature = SIGNER.sign("EsbRnPg3CTsA6gA")

    assert len(signature) == 86
    assert "=" not in signature
    assert verify(SIGNER.public_key, b"EsbRnPg3CTsA6gA", signature)


def test_the_key_and_signature_are_what_the_nkeys_library_makes_of_the_same_seed() -> None:
    pair = nkeys.from_seed(bytearray(USER_SEED))

    assert pair.public_key.decode() == SIGNER.public_key
    expected = base64.urlsafe_b64encode(pair.sign(b"nonce")).rstrip(b"=").decode()
    assert SIGNER.sign("nonce") == expected


def test_a_signature_in_standard_base64_with_padding_holds_too() -> None:
    raw = base64.urlsafe_b64decode(SIGNER.sign("nonce") + "==")

    assert verify(SIGNER.public_key, b"nonce", base64.b64encode(raw).decode())


def test_a_signature_over_another_nonce_or_by_another_key_does_not_hold() -> None:
    other = Signer(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER), source="test")

    assert not verify(SIGNER.public_key, b"another", SIGNER.sign("nonce"))
    assert not verify(other.public_key, b"nonce", SIGNER.sign("nonce"))


@given(st.text(max_size=100), st.text(max_size=100))
def test_malformed_keys_and_signatures_are_just_wrong(key: str, signature: str) -> None:
    assert not verify(key, b"nonce", SIGNER.sign("nonce"))
    assert not verify(SIGNER.public_key, b"nonce", signature)


@given(st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_changed_letter_makes_a_public_key_invalid(index: int, letter: str) -> None:
    key = SIGNER.public_key
    changed = key[:index] + letter + key[index + 1 :]

    assert is_public_user_key(changed) == (changed == key)


def test_a_public_key_of_another_role_is_no_user() -> None:
    account = nkeys.from_seed(bytearray(ACCOUNT_SEED)).public_key.decode()

    assert is_public_user_key(SIGNER.public_key)
    assert not is_public_user_key(account)


@pytest.mark.parametrize(
    "seed",
    [
        b"",
        b"SU",
        USER_SEED[:-1],
        USER_SEED + b"A",
        USER_SEED[:20] + bytes([USER_SEED[20] ^ 1]) + USER_SEED[21:],
        USER_SEED.lower(),
        ACCOUNT_SEED,
        b"\xff" * 58,
    ],
)
def test_a_damaged_or_foreign_seed_is_refused_without_showing_it(seed: bytes) -> None:
    with pytest.raises(AuthError) as caught:
        Signer(seed, source="/etc/leafnode/edge.nk")

    assert "/etc/leafnode/edge.nk" in str(caught.value)
    assert len(seed) < 12 or seed[2:12].decode("latin-1") not in str(caught.value)


def test_a_signer_shows_only_its_public_key() -> None:
    assert repr(SIGNER) == f"Signer({SIGNER.public_key})"


def test_a_seed_file_may_have_comments_around_the_seed(tmp_path: Path) -> None:
    file = tmp_path / "edge.nk"
    file.write_bytes(b"# the edge\n\n  " + USER_SEED + b"  \r\n")

    assert read_seed_file(str(file)).public_key == SIGNER.public_key


def test_a_missing_unreadable_or_empty_seed_file_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.nk"
    empty.write_text("nothing here\n")

    for path, words in [
        (tmp_path / "absent.nk", "No such file"),
        (tmp_path, "Is a directory"),
        (empty, "no user seed"),
    ]:
        with pytest.raises(AuthError) as caught:
            read_seed_file(str(path))
        assert str(path) in str(caught.value)
        assert words in str(caught.value)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.nk"
    file.write_bytes(USER_SEED + b"\n" + b"#" * (CREDENTIALS_FILE_BYTES_MAX - 59))

    assert read_seed_file(str(file)).public_key == SIGNER.public_key

    file.write_bytes(USER_SEED + b"\n" + b"#" * (CREDENTIALS_FILE_BYTES_MAX - 58))
    with pytest.raises(AuthError, match="larger than"):
        read_seed_file(str(file))

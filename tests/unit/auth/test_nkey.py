"""NKEYs in text form, signatures, sealing.

Source: nats-io/nkeys; RFC 8032 section 7.1; "Cryptography in NaCl" section 10.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth import nkey
from leafnode.auth.base64url import raw_url
from leafnode.auth.nkey import (
    CurveKeyPair,
    KeyPair,
    Signer,
    is_public_user_key,
    read_seed_file,
    verify,
)
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
    assert verify(SIGNER.public_key, b"EsbRnPg3CTsA6gA", raw_url(signature))


def test_the_key_and_signature_are_what_the_nkeys_library_makes_of_the_same_seed() -> None:
    pair = nkeys.from_seed(bytearray(USER_SEED))

    assert pair.public_key.decode() == SIGNER.public_key
    expected = base64.urlsafe_b64encode(pair.sign(b"nonce")).rstrip(b"=").decode()
    assert SIGNER.sign("nonce") == expected


def test_a_signature_over_another_nonce_or_by_another_key_does_not_hold() -> None:
    other = Signer(nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER), source="test")

    assert not verify(SIGNER.public_key, b"another", raw_url(SIGNER.sign("nonce")))
    assert not verify(other.public_key, b"nonce", raw_url(SIGNER.sign("nonce")))


@given(st.text(max_size=100), st.none() | st.binary(max_size=100))
def test_malformed_keys_and_signatures_are_just_wrong(key: str, signature: bytes | None) -> None:
    assert not verify(key, b"nonce", raw_url(SIGNER.sign("nonce")))
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


# RFC 8032, 7.1: secret key, public key, message, signature
RFC_8032 = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
        "46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
        "d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
}
SERVER_PREFIX = 13 << 3  # N
CURVE_PREFIX = 23 << 3  # X
# NaCl's published box: Bob's secret key, Alice's public key, nonce, message, box
BOX_SECRET = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
BOX_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"  # of BOX_SECRET
BOX_PEER = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
BOX_NONCE = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"
BOX_MESSAGE = (
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129"
    "6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
    "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
)
BOX = (
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a"
    "c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
    "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74"
    "e355a5"
)


def as_text(prefix: int, key: str) -> str:
    """The text form of a public key, by nobody's code but this: prefix, key, CRC-16/XMODEM."""
    body = bytes([prefix]) + bytes.fromhex(key)
    crc = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + crc).decode().rstrip("=")


@pytest.mark.parametrize("vector", RFC_8032.values(), ids=RFC_8032)
def test_a_key_pair_signs_as_published(vector: tuple[str, str, str, str]) -> None:
    secret, public, message, signature = vector
    pair = KeyPair("N", bytes.fromhex(secret))

    assert pair.public_key == as_text(SERVER_PREFIX, public)
    assert pair.sign(bytes.fromhex(message)).hex() == signature


def test_a_curve_key_pair_seals_and_opens_the_published_box() -> None:
    pair = CurveKeyPair(bytes.fromhex(BOX_SECRET))
    peer = as_text(CURVE_PREFIX, BOX_PEER)
    nonce, message = bytes.fromhex(BOX_NONCE), bytes.fromhex(BOX_MESSAGE)
    sealed = b"xkv1" + nonce + bytes.fromhex(BOX)

    assert pair.public_key == as_text(CURVE_PREFIX, BOX_PUBLIC)
    assert pair.seal(message, peer, nonce) == sealed
    assert pair.open(sealed, peer) == message


@pytest.mark.parametrize("at", [0, 3, 4, 27, 28, -1])
def test_a_changed_box_does_not_open(at: int) -> None:
    sealed = bytearray(b"xkv1" + bytes.fromhex(BOX_NONCE + BOX))
    sealed[at] ^= 1

    with pytest.raises(AuthError):
        CurveKeyPair(bytes.fromhex(BOX_SECRET)).open(bytes(sealed), as_text(CURVE_PREFIX, BOX_PEER))


@pytest.mark.parametrize("letter", nkey.ALL_KINDS)
def test_a_public_key_that_ends_in_padding_is_none(letter: str) -> None:
    """56 characters and a right checksum, and one to four bytes less than a key has."""
    prefix = nkey.ALL_KINDS[letter]
    for raw_bytes in (31, 32, 33, 34):
        short = bytes([prefix]) + bytes(raw_bytes - 3)
        text = base64.b32encode(short + binascii.crc_hqx(short, 0).to_bytes(2, "little")).decode()
        assert (len(text), text[-1]) == (56, "=")

        assert not nkey.is_public_key(text, letter)
        assert not verify(text, b"nonce", bytes(64), kinds=nkey.ALL_KINDS)


def test_a_point_that_keeps_no_secret_is_refused_by_seal_and_open() -> None:
    pair = CurveKeyPair(bytes.fromhex(BOX_SECRET))
    weak = as_text(CURVE_PREFIX, bytes(32).hex())

    with pytest.raises(AuthError, match="keeps no secret"):
        pair.seal(b"data", weak, bytes.fromhex(BOX_NONCE))
    with pytest.raises(AuthError, match="keeps no secret"):
        pair.open(b"xkv1" + bytes.fromhex(BOX_NONCE + BOX), weak)

"""NKEYs: Ed25519 keys in the base 32 that NATS writes them in, to sign a nonce and to check one.

Every length, prefix and checksum is checked before the cryptography sees a byte; no error's text
holds a seed. Knows no connections. The library is imported with the first key, not at start.
Truth: nats-io/nkeys (text form, xkeys), RFC 8032 (signatures), NaCl's box.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from leafnode.errors import AuthError
from leafnode.files import read_regular
from leafnode.limits import CREDENTIALS_FILE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SEED_PREFIX: Final = 18 << 3  # 'S'
_USER_PREFIX: Final = 20 << 3  # 'U'
# What a public key is for, by the letter it starts with, and its first byte.
ALL_KINDS: Final = {"A": 0, "C": 2 << 3, "N": 13 << 3, "O": 14 << 3, "U": 20 << 3}
_CURVE_PREFIX: Final = 23 << 3  # 'X': keys that encrypt and cannot sign
_SEALED: Final = b"xkv1"
_SEAL_NONCE_BYTES: Final = 24
_KEY_BYTES: Final = 32
_PUBLIC_KEY_CHARS: Final = 56
_SEED_CHARS: Final = 58
_SIGNATURE_BYTES: Final = 64


class Signer:
    """A user's key pair. Only the public key can be read or printed."""

    __slots__ = ("_key_pair", "public_key")

    def __init__(self, seed: bytes, *, source: str) -> None:
        """Raise AuthError naming `source` when the seed is not a user's."""
        _check_seed(seed, source)
        import nkeys

        kept = bytearray(seed)
        self._key_pair: Any = nkeys.from_seed(kept)
        self.public_key: str = bytes(self._key_pair.public_key).decode()
        kept[:] = bytes(len(kept))  # the signing key is built: the text form is not needed again

    def sign(self, nonce: str) -> str:
        """Return the signature over the nonce's text in base 64 for URLs, without padding."""
        signature: bytes = self._key_pair.sign(nonce.encode())
        return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return f"Signer({self.public_key})"


def read_seed_file(path: str) -> Signer:
    """Return the key pair of a file's first user seed. Raises AuthError. Blocks: file access."""
    for line in read_secret_file(path).splitlines():
        word = line.strip()
        if word.startswith(b"SU"):
            return Signer(word, source=path)
    raise AuthError(f"{path}: no user seed found (a line that starts with SU)")


def read_secret_file(path: str) -> bytes:
    """Return a small file's content. Raises AuthError that names the file. Blocks: file access."""
    try:
        content = read_regular(path, CREDENTIALS_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as err:  # ValueError: a path with a NUL
        raise AuthError(f"{path}: {getattr(err, 'strerror', None) or err}") from err
    if len(content) > CREDENTIALS_FILE_BYTES_MAX:
        raise AuthError(f"{path}: larger than {CREDENTIALS_FILE_BYTES_MAX} bytes: not credentials")
    return content


class KeyPair:
    """A key pair of this process, made when it starts: of the server, or of one callout."""

    __slots__ = ("_key", "public_key")

    def __init__(self, kind: str, random_bytes: bytes) -> None:
        """`kind` is the letter that the public key starts with, `random_bytes` 32 fresh ones."""
        from nacl.signing import SigningKey

        self._key: Any = SigningKey(random_bytes)
        self.public_key = _encode(ALL_KINDS[kind], bytes(self._key.verify_key))

    def sign(self, data: bytes) -> bytes:
        signature: bytes = self._key.sign(data).signature
        return signature

    def __repr__(self) -> str:
        return f"KeyPair({self.public_key})"


class CurveKeyPair:
    """A key pair that encrypts (an xkey, X…). Only the public key can be read or printed."""

    __slots__ = ("_key", "public_key")

    def __init__(self, random_bytes: bytes) -> None:
        from nacl.public import PrivateKey

        self._key: Any = PrivateKey(random_bytes)
        self.public_key = _encode(_CURVE_PREFIX, bytes(self._key.public_key))

    def seal(self, data: bytes, recipient: str, nonce: bytes) -> bytes:
        """Return `data` as only `recipient` can read it. The nonce is used once, 24 bytes.

        Raises AuthError for a recipient that is no public xkey.
        """
        sealed: bytes = self._box(recipient).encrypt(data, nonce).ciphertext
        return _SEALED + nonce + sealed

    def open(self, data: bytes, sender: str) -> bytes:
        """Return what `sender` sealed for this key. Raises AuthError."""
        from nacl.exceptions import CryptoError

        head = len(_SEALED) + _SEAL_NONCE_BYTES
        if not data.startswith(_SEALED) or len(data) <= head:
            raise AuthError("what was to be decrypted is not sealed")
        try:
            opened: bytes = self._box(sender).decrypt(data[head:], data[len(_SEALED) : head])
        except CryptoError as err:
            raise AuthError("could not be decrypted with this key") from err
        return opened

    def _box(self, public_key: str) -> Any:
        from nacl.exceptions import CryptoError
        from nacl.public import Box, PublicKey

        key = _key_bytes(public_key, {"X": _CURVE_PREFIX})
        if key is None:
            raise AuthError("not a public xkey (X…)")
        try:
            return Box(self._key, PublicKey(key))
        except CryptoError as err:  # one of the few points whose secret is the same with any key
            raise AuthError("a public xkey that keeps no secret") from err

    def __repr__(self) -> str:
        return f"CurveKeyPair({self.public_key})"


def is_public_key(text: str, kind: str) -> bool:
    """Say whether it is a public key that starts with this letter, with a right checksum."""
    return _key_bytes(text, {kind: ALL_KINDS[kind]}) is not None


def is_public_user_key(text: str) -> bool:
    """Say whether it is a user's public key (U…) with a right checksum."""
    return is_public_key(text, "U")


def verify(
    public_key: str, data: bytes, signature: bytes | None, *, kinds: Mapping[str, int] | None = None
) -> bool:
    """Say whether `signature` is that key's over `data`. Any malformed input is just False.

    `kinds`: which keys may sign this; a user's, if not said.
    """
    key = _key_bytes(public_key, {"U": _USER_PREFIX} if kinds is None else kinds)
    if key is None or signature is None or len(signature) != _SIGNATURE_BYTES:
        return False
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key).verify(data, signature)
    except BadSignatureError:
        return False
    return True


def _check_seed(seed: bytes, source: str) -> None:
    raw = _decode(seed, _SEED_CHARS)
    if raw is None:
        raise AuthError(f"{source}: the seed is damaged (length, alphabet or checksum)")
    prefix = raw[0] & 0b1111_1000
    role = (raw[0] & 0b111) << 5 | (raw[1] & 0b1111_1000) >> 3
    if prefix != _SEED_PREFIX or role != _USER_PREFIX:
        raise AuthError(f"{source}: the seed is not a user's (it does not start with SU)")


def _key_bytes(text: str, kinds: Mapping[str, int]) -> bytes | None:
    raw = _decode(text.encode("utf-8", "replace"), _PUBLIC_KEY_CHARS)
    if raw is None or raw[0] not in kinds.values():
        return None
    return raw[1:]


def _encode(prefix: int, key: bytes) -> str:
    body = bytes([prefix]) + key
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).decode()


def _decode(text: bytes, chars: int) -> bytes | None:
    """Return prefix and key without the checksum, or None when the text is damaged."""
    if len(text) != chars:
        return None
    try:
        raw = base64.b32decode(text + b"=" * (-chars % 8))
    except binascii.Error:
        return None
    if len(raw) != chars * 5 // 8:
        return None  # padding in the place of letters: fewer bytes than a key has
    body, checksum = raw[:-2], int.from_bytes(raw[-2:], "little")
    return body if binascii.crc_hqx(body, 0) == checksum else None

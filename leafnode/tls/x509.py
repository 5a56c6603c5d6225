"""As much of a certificate as ssl does not tell: its public key's digest and the names it is for.

Knows DER (X.690) and where the two stand in a certificate (RFC 5280). Reads certificates of ours
and what clients sent, of which TLS verified the first; everything malformed is a ValueError.
"""

from __future__ import annotations

import calendar
import hashlib
import ssl
import time
from typing import Final

from leafnode.limits import OID_BYTES_MAX

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_OCTETS: Final = 0x04
_DNS_NAME: Final = 0x82  # [2] of GeneralName
_OID: Final = 0x06
_COMMON_NAME: Final = "2.5.4.3"
# Strings by their tag, and how Go reads them; T61String as Latin 1.
_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1E: "utf-16-be",
}
_SUBJECT_ALT_NAME_OID: Final = bytes((0x06, 3, 0x55, 0x1D, 0x11))
_UTC_TIME: Final = 0x17  # of two digits of a year, up to 2049; after that GeneralizedTime
_ISSUER: Final = 2
_VALIDITY: Final = 3
_BEFORE_SUBJECT: Final = 4  # serial number, signature algorithm, issuer, validity
_LENGTH_BYTES_MAX: Final = 3
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def key_digest(der: bytes) -> str:
    """Return the hex of SHA-256 over the SubjectPublicKeyInfo. Raises ValueError."""
    _, key, _ = _parts(der)
    return hashlib.sha256(key).hexdigest()


def names(der: bytes) -> tuple[str, ...]:
    """Return the DNS names it is for, in lower case; those of the subject where there are none."""
    subject, _, extensions = _parts(der)
    found = _alternative_names(extensions)
    return found or _common_names(subject)


def attributes(der: bytes) -> list[tuple[str, str | bytes]]:
    """Return what the subject says, in order: what each is, in numbers, and its value.

    A value that is no string stays DER. Raises ValueError.
    """
    subject, _, _ = _parts(der)
    return [(name, _text(value)) for name, value in _attributes(subject)]


def not_after_s(der: bytes) -> int:
    """Return until when it holds, in seconds since 1970. Raises ValueError."""
    validity = _values(_one(_fields(der)[_VALIDITY], _SEQUENCE))
    if len(validity) != 2:
        raise ValueError("a certificate that holds for no time")
    form = "%y%m%d%H%M%SZ" if validity[1][0] == _UTC_TIME else "%Y%m%d%H%M%SZ"
    text = _content(validity[1]).decode("ascii", "replace")
    return calendar.timegm(time.strptime(text, form))


def issuer(der: bytes) -> bytes:
    """Return the name of who signed it, in DER. Raises ValueError."""
    return _fields(der)[_ISSUER]


def first_certificate(pem: str) -> bytes:
    """Return the DER of the first certificate of a PEM file. Raises ValueError."""
    return certificates(pem)[0]


def certificates(pem: str) -> list[bytes]:
    """Return the DER of all certificates of a PEM file, at least one. Raises ValueError."""
    found = []
    start = pem.find(_BEGIN)
    while start >= 0:
        stop = pem.find(_END, start)
        if stop < 0:
            break
        found.append(ssl.PEM_cert_to_DER_cert(pem[start : stop + len(_END)]))
        start = pem.find(_BEGIN, stop)
    if not found:
        raise ValueError("there is no certificate in it")
    return found


def _parts(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the subject's content, the whole key, and the extensions' content, maybe empty."""
    fields = _fields(der)
    subject, key = fields[_BEFORE_SUBJECT : _BEFORE_SUBJECT + 2]
    extensions = b""
    for field in fields[_BEFORE_SUBJECT + 2 :]:
        if field[0] == _EXTENSIONS:
            extensions = _one(_one(field, _EXTENSIONS), _SEQUENCE)
    return _one(subject, _SEQUENCE), key, extensions


def _fields(der: bytes) -> list[bytes]:
    """Return what stands in a certificate from its serial number to its key, at least."""
    certificate = _values(_one(der, _SEQUENCE))
    if not certificate:
        raise ValueError("an empty certificate")
    fields = _values(_one(certificate[0], _SEQUENCE))
    if fields and fields[0][0] == _VERSION:
        fields.pop(0)
    if len(fields) < _BEFORE_SUBJECT + 2:
        raise ValueError("a certificate without a key")
    return fields


def _alternative_names(extensions: bytes) -> tuple[str, ...]:
    for extension in _values(extensions):
        parts = _values(_one(extension, _SEQUENCE))
        if parts and parts[0] == _SUBJECT_ALT_NAME_OID:
            listed = _values(_one(_one(parts[-1], _OCTETS), _SEQUENCE))
            return tuple(
                _one(name, _DNS_NAME).decode("ascii", "replace").lower()
                for name in listed
                if name[0] == _DNS_NAME
            )
    return ()


def _common_names(subject: bytes) -> tuple[str, ...]:
    return tuple(
        _content(value).decode("utf-8", "replace").lower()
        for name, value in _attributes(subject)
        if name == _COMMON_NAME
    )


def _attributes(subject: bytes) -> list[tuple[str, bytes]]:
    """Return the subject's attributes: what each is, in numbers, and its value with its tag."""
    found = []
    for relative in _values(subject):
        for attribute in _values(_content(relative)):
            parts = _values(_one(attribute, _SEQUENCE))
            if len(parts) == 2:
                found.append((_dotted(_one(parts[0], _OID)), parts[1]))
    return found


def _text(value: bytes) -> str | bytes:
    encoding = _ENCODINGS.get(value[0])
    return _content(value).decode(encoding, "replace") if encoding else value


def _dotted(data: bytes) -> str:
    """Return an object identifier in numbers (X.690 8.19)."""
    if len(data) > OID_BYTES_MAX:
        raise ValueError("an attribute with too long a name")
    numbers, number = [], 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise ValueError("an attribute without a name")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _values(data: bytes) -> list[bytes]:
    """Return the values that stand one behind the other, each with its tag and length."""
    found = []
    while data:
        start, end = _bounds(data)
        del start
        found.append(data[:end])
        data = data[end:]
    return found


def _one(data: bytes, tag: int) -> bytes:
    """Return the content of a value that must have this tag."""
    if not data or data[0] != tag:
        raise ValueError(f"expected the tag {tag:#x}")
    return _content(data)


def _content(data: bytes) -> bytes:
    start, end = _bounds(data)
    return data[start:end]


def _bounds(data: bytes) -> tuple[int, int]:
    """Return where the content of the first value starts and ends."""
    if len(data) < 2:
        raise ValueError("a value without a length")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= _LENGTH_BYTES_MAX:
            raise ValueError("a length of a certificate's value that cannot be")
        start += count
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("a value that is cut off")
    return start, start + length

"""A client's certificate as a name: the users that it may stand for, in nats-server's order.

Knows names; TLS verified them before. A distinguished name is compared as its parts, never as
text that somebody else put together: order, repetitions and several values in one part count.
Truth: nats-server 2.15.1 server/auth.go checkClientTLSCertSubject, internal/ldap/dn.go; RFC 4514.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

# One relative distinguished name: its attributes with their values. Order means nothing in it.
RelativeName = frozenset[tuple[tuple[str, str], int]]
DistinguishedName = tuple[RelativeName, ...]
_Unordered = frozenset[tuple[RelativeName, int]]

# OpenSSL's long names of what nats-server knows, and how a user is written.
_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "postalCode": "POSTALCODE",
    "serialNumber": "SERIALNUMBER",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
}
# What Go 1.27 has fields for, in the order it writes them.
_GO_ORDER: Final = ("SERIALNUMBER", "CN", "OU", "O", "POSTALCODE", "STREET", "L", "ST", "C")
_BY_NUMBER: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
}
_ESCAPED: Final = frozenset(',+"\\<>;')
_SPECIAL: Final = frozenset(' "#+,;<=>\\')
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was verified. `subject` has the parts in the certificate's order, each with one or
    more (attribute, value), attributes by OpenSSL's long names. `chain` is DER: itself
    first, then who vouches for it, up to the authority that is trusted.
    """

    subject: tuple[tuple[tuple[str, str], ...], ...] = ()
    emails: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    chain: tuple[bytes, ...] = field(default=(), repr=False)


def certificate_of(verified: Mapping[str, Any], chain: tuple[bytes, ...] = ()) -> Certificate:
    """Return what `ssl.SSLObject.getpeercert` says of a verified certificate."""
    names: dict[str, list[str]] = {"email": [], "DNS": [], "URI": []}
    for kind, *value in verified.get("subjectAltName", ()):
        if kind in names and len(value) == 1 and isinstance(value[0], str):
            names[kind].append(value[0])
    subject = tuple(
        tuple((str(attribute), str(value)) for attribute, value in part)
        for part in verified.get("subject", ())
    )
    return Certificate(
        subject, tuple(names["email"]), tuple(names["DNS"]), tuple(names["URI"]), chain
    )


class Names:
    """The names of users as certificates may spell them, each parsed once.

    Parsed at each login, those of 1,000 users held the loop for 48 ms.
    """

    __slots__ = ("_by_parts", "_known")

    def __init__(self, users: Collection[str]) -> None:
        self._known = users
        # By their parts in any order; of those the ones that came first.
        self._by_parts: dict[_Unordered, list[tuple[DistinguishedName, str]]] = {}
        for user in users:
            name = parse_name(user)
            if name is not None:
                self._by_parts.setdefault(_unordered(name), []).append((name, user))

    def user_of(self, certificate: Certificate, allows: Callable[[str], bool]) -> str | None:
        """Return the user that a certificate stands for, of those that `allows` says yes to.

        E-mail addresses come first, then DNS names, URIs, and last the subject: with its parts in
        order, in any order, and as Go writes it.
        """
        for text in (*certificate.emails, *certificate.dns_names, *certificate.uris):
            if text and text in self._known and allows(text):
                return text
        if not certificate.subject:
            return None
        wanted = subject_name(certificate)
        if wanted is not None:
            alike = self._by_parts.get(_unordered(wanted), ())
            for is_exact in (True, False):
                for name, user in alike:
                    if (name == wanted or not is_exact) and allows(user):
                        return user
        written = go_subject(certificate)
        components = [f"DC={value}" for key, value in _attributes(certificate) if key == "DC"]
        for text in ([",".join([written, *components])] if components else []) + [written]:
            if text and text in self._known and allows(text):
                return text
        return None


def subject_name(certificate: Certificate) -> DistinguishedName | None:
    """Return the subject, its last part first; None where an attribute has no known name."""
    parts = []
    for part in reversed(certificate.subject):
        named = [(_SHORT.get(attribute, ""), value) for attribute, value in part]
        if not all(attribute for attribute, _ in named):
            return None
        parts.append(_relative_name(named))
    return tuple(parts)


def parse_name(text: str) -> DistinguishedName | None:
    """Return the distinguished name that a text spells (RFC 4514), or None."""
    parts: list[RelativeName] = []
    part: list[tuple[str, str]] = []
    position = 0
    while position <= len(text):
        equals = text.find("=", position)
        if equals < 0:
            return None
        attribute = text[position:equals].strip(" ")
        read = _read_value(text, equals + 1)
        if read is None or not attribute or not attribute.replace(".", "").isalnum():
            return None
        value, end = read
        part.append((attribute, value))
        if end == len(text) or text[end] == ",":
            parts.append(_relative_name(part))
            part = []
        if end == len(text):
            return tuple(parts)
        position = end + 1
    return None


def go_subject(certificate: Certificate) -> str:
    """Return the subject as Go writes what it has fields for: the users' names are held to that."""
    return ",".join(_go_fields(_attributes(certificate)))


def go_name(attributes: Sequence[tuple[str, str | bytes]]) -> str:
    """Return a subject as Go writes it whole. Attributes are in numbers, with their values.

    What it has no field for stands behind, the last one first, and what is no string as DER.
    """
    parts = _go_fields(
        [(_BY_NUMBER.get(name, ""), value) for name, value in attributes if isinstance(value, str)]
    )
    parts += [
        f"{name}={_escaped(value) if isinstance(value, str) else '#' + value.hex()}"
        for name, value in reversed(attributes)
        if name not in _BY_NUMBER
    ]
    return ",".join(parts)


def _go_fields(attributes: Sequence[tuple[str, str]]) -> list[str]:
    values: dict[str, list[str]] = {}
    for attribute, value in attributes:
        values.setdefault(attribute, []).append(value)
    # Of these Go keeps one, the last.
    values |= {name: values[name][-1:] for name in ("CN", "SERIALNUMBER") if name in values}
    return [
        "+".join(f"{name}={_escaped(value)}" for value in values[name])
        for name in _GO_ORDER
        if name in values
    ]


def _attributes(certificate: Certificate) -> list[tuple[str, str]]:
    return [
        (_SHORT.get(attribute, ""), value)
        for part in certificate.subject
        for attribute, value in part
    ]


def _unordered(name: DistinguishedName) -> _Unordered:
    return frozenset(Counter(name).items())


def _relative_name(attributes: list[tuple[str, str]]) -> RelativeName:
    counted = Counter((attribute.upper(), value) for attribute, value in attributes)
    return frozenset(counted.items())


def _read_value(text: str, position: int) -> tuple[str, int] | None:
    """Return the value that starts here, without blanks around it, and where it ends."""
    if text[position : position + 1] == "#":
        return None  # BER, which nats-server does not read either
    value = bytearray()
    kept = 0  # of the value, what may not be stripped
    while position < len(text) and text[position] not in ",+":
        char = text[position]
        position += 1
        if char != "\\":
            if char != " " or value:
                value += char.encode("utf-8", "replace")
            if char != " ":
                kept = len(value)
            continue
        following = text[position : position + 2]
        if following[:1] and following[0] in _SPECIAL:
            value += following[0].encode()
            position += 1
        elif len(following) == 2 and _HEX_DIGITS.issuperset(following):
            value.append(int(following, 16))
            position += 2
        else:
            return None
        kept = len(value)
    return value[:kept].decode("utf-8", "replace"), position


def _escaped(value: str) -> str:
    """Return it as Go's pkix escapes it."""
    shown = "".join(f"\\{char}" if char in _ESCAPED else char for char in value)
    if shown[:1] in {"#", " "}:
        shown = "\\" + shown
    if len(value) > 1 and value.endswith(" "):
        shown = shown[:-1] + "\\ "
    return shown

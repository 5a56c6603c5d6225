"""Subject transforms: `orders.*.>` becomes `in.{{wildcard(1)}}.>`; for mappings and imports.

Knows subjects, the functions a destination may use and how a transform is turned round; not who
uses it. Randomness is a parameter. Truth: nats-server 2.15.1 server/subject_transform.go; the
words of a refusal are its words.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.errors import TransformError
from leafnode.limits import TRANSFORM_BYTES_MAX
from leafnode.protocol.subject import is_literal, is_valid

if TYPE_CHECKING:
    from random import Random

_INT32_MAX: Final = 2**31 - 1
_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,10}")
_CALL: Final = re.compile(rb"\{\{\s*([A-Za-z]+)\s*\((.*)\)\s*\}\}")
_COMMA: Final = re.compile(rb",\s*")
_WILDCARD: Final = re.compile(rb"\$([1-9][0-9]*)|\{\{\s*[wW]ildcard\s*\( *([1-9][0-9]*) *\)\s*\}\}")
_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619

_BLANK: Final = re.compile(rb"[\t\n\f\r ]")
_ODD: Final = "invalid transform"
_ODD_ALONE: Final = f"invalid mapping destination: {_ODD}"
_UNKNOWN: Final = "unknown function"
_RANGE: Final = "wildcard index out of range"
_FEW: Final = "not enough arguments passed to the function"
_MANY: Final = "too many arguments passed to the function"
_WRONG: Final = "function argument is invalid or in the wrong format"
_ONLY_WILDCARDS: Final = "the only mapping function allowed for import transforms is {{Wildcard()}}"
_NOT_ALL: Final = "not using all of the token wildcard(s)"


class Function(Enum):
    """What makes one token of the destination, or several."""

    LITERAL = "literal"
    WILDCARD = "wildcard"
    PARTITION = "partition"
    SPLIT = "split"
    SPLIT_FROM_LEFT = "splitfromleft"
    SPLIT_FROM_RIGHT = "splitfromright"
    SLICE_FROM_LEFT = "slicefromleft"
    SLICE_FROM_RIGHT = "slicefromright"
    LEFT = "left"
    RIGHT = "right"
    RANDOM = "random"


_WHOLE: Final = frozenset({Function.LITERAL, Function.WILDCARD, Function.RANDOM})


class _Part(NamedTuple):
    function: Function
    indexes: tuple[int, ...] = ()  # wildcards from 1 while parsing, source tokens from 0 then
    number: int = 0
    text: bytes = b""


class Transform:
    """Makes one subject of another. `strict` transforms can be turned round: imports need that."""

    __slots__ = ("_parts", "_rest_at", "byte_work", "destination", "is_fixed", "source")

    def __init__(self, source: bytes, destination: bytes, *, strict: bool = False) -> None:
        """Raises TransformError."""
        if max(len(source), len(destination)) > TRANSFORM_BYTES_MAX:
            raise TransformError(f"longer than {TRANSFORM_BYTES_MAX} bytes")
        self.source = source or b">"
        if b" " in self.source:
            raise TransformError("invalid subject")
        self.destination = destination
        source_tokens, wildcards, full = _tokens_of(self.source)
        tokens, stars, destination_full = _tokens_of(destination)
        if stars or full != destination_full:
            raise TransformError("invalid subject")
        places = [index for index, token in enumerate(source_tokens) if token == b"*"]
        parts = [_parse(token) for token in tokens]
        if wildcards or full:
            if strict:
                _check_strict(parts, tokens, destination, wildcards)
            parts = [_located(part, token, places) for part, token in _pairs(parts, tokens)]
        else:
            parts = [_without_wildcards(part, token) for part, token in _pairs(parts, tokens)]
        # What `>` stands for is copied from this token of the source on.
        self._rest_at = len(source_tokens) - 1 if full else -1
        self._parts = parts[:-1] if full else parts
        self.is_fixed = all(part.function is not Function.RANDOM for part in parts)
        # How often a byte of the subject is gone through, at most: whoever applies it counts that.
        self.byte_work = sum(
            max(1, len(one.indexes)) for one in parts if one.function not in _WHOLE
        )

    def apply(self, subject: bytes, random: Random | None = None) -> bytes:
        """Return what a literal subject that the source matches becomes.

        `random` may be left out where `is_fixed` is true.
        """
        tokens = subject.split(b".")
        made = [_make(part, tokens, random) for part in self._parts]
        if self._rest_at >= 0:
            made += tokens[self._rest_at :]
        return b".".join(made)

    def reverse(self) -> Transform:
        """Return the transform that leads back; only for strict ones. Raises TransformError."""
        source, holders = untokenize(self.destination)
        places = {_wildcard_of(holder): place for place, holder in enumerate(holders, 1)}
        tokens = self.source.split(b".")
        stars = [index for index, token in enumerate(tokens) if token == b"*"]
        for number, index in enumerate(stars, 1):
            if number not in places:  # named in a way that only one direction understands, as $01
                raise TransformError(_NOT_ALL, self.destination)
            tokens[index] = b"$%d" % places[number]
        return Transform(source, b".".join(tokens), strict=True)


def _pairs(parts: list[_Part], tokens: list[bytes]) -> zip[tuple[_Part, bytes]]:
    return zip(parts, tokens, strict=True)


def mapping_transform(source: bytes, destination: bytes) -> Transform:
    """Return the transform of a mapping, looked at in nats-server's order. Raises TransformError.

    Source: server/sublist.go ValidateMapping.
    """
    is_whole = False
    for token in destination.split(b"."):
        if not token or is_whole:
            # Without a token that is wrong it says by itself what an error with one says first.
            raise TransformError(*((_ODD, token) if token else (_ODD_ALONE,)))
        if len(token) > 4 and token[:2] == b"{{" and token[-2:] == b"}}":
            if _function_of(token) is None:
                raise TransformError(_UNKNOWN, token)
        elif token == b">":
            is_whole = True
        elif _BLANK.search(token):
            raise TransformError(_ODD_ALONE)
    return Transform(source, destination)


def tokenize(subject: bytes) -> bytes:
    """Return a pattern as a destination: `foo.*.*` becomes `foo.$1.$2`."""
    count = 0
    tokens = subject.split(b".")
    for index, token in enumerate(tokens):
        if token == b"*":
            count += 1
            tokens[index] = b"$%d" % count
    return b".".join(tokens)


def untokenize(destination: bytes) -> tuple[bytes, list[bytes]]:
    """Return the pattern of what a destination makes, and its wildcards' names in order."""
    holders = []
    tokens = destination.split(b".")
    for index, token in enumerate(tokens):
        if _WILDCARD.fullmatch(token):
            holders.append(token)
            tokens[index] = b"*"
    return b".".join(tokens), holders


def stream_transforms(subject: bytes, local: bytes) -> tuple[Transform, Transform] | None:
    """Return what makes an importer's subject of an exporter's, and what leads back; None: a stream
    import needs neither.

    `local` may name the wildcards of the exporter's `subject`. Raises TransformError.
    """
    if not is_valid(untokenize(local)[0]):
        raise TransformError("invalid subject")
    if is_literal(subject) or local == subject:
        return None
    transform = Transform(subject, tokenize(local), strict=True)
    return transform, transform.reverse()


def import_transform(subject: bytes, local: bytes) -> Transform | None:
    """Return what makes an exporter's subject of an importer's; None: it is always the same.

    The exporter's `subject` is the pattern whose wildcards `local` names. Raises TransformError.
    """
    pattern, _ = untokenize(subject)
    if not is_valid(untokenize(local)[0]):
        raise TransformError("invalid subject")
    if b"*" not in pattern.split(b".") and not pattern.endswith(b">"):
        return None
    return Transform(pattern, tokenize(local), strict=True).reverse()


def _wildcard_of(holder: bytes) -> int:
    found = _WILDCARD.fullmatch(holder)
    assert found is not None, "untokenize found it"
    return int(found[1] or found[2])


def _tokens_of(subject: bytes) -> tuple[list[bytes], int, bool]:
    """Return a subject's tokens, how many are `*`, and whether it ends in `>`."""
    tokens = subject.split(b".")
    # Blanks may stand within a function.
    if not is_valid(subject.replace(b" ", b"")):
        raise TransformError("invalid subject")
    return tokens, tokens.count(b"*"), tokens[-1] == b">"


def _parse(token: bytes) -> _Part:
    """Read one token of a destination."""
    if len(token) > 1 and token[:1] == b"$":
        number = _integer(token[1:])
        # Other things rely on tokens that start with $.
        return _literal(token) if number is None else _Part(Function.WILDCARD, (number,))
    if len(token) <= 4 or token[:2] != b"{{" or token[-2:] != b"}}":
        if b" " in token:
            raise TransformError("invalid subject")
        return _literal(token)
    called = _function_of(token)
    if called is None:
        raise TransformError(_UNKNOWN, token)
    function, arguments = called
    return _read_arguments(function, token, _COMMA.split(arguments))


def _function_of(token: bytes) -> tuple[Function, bytes] | None:
    """Return which function a token calls, and its arguments; None: none that is known."""
    call = _CALL.fullmatch(token)
    name = call[1].lower().decode() if call else ""
    return (Function(name), call[2]) if call and name in _FUNCTIONS else None


_FUNCTIONS: Final = frozenset(one.value for one in Function if one is not Function.LITERAL)


def _literal(token: bytes) -> _Part:
    return _Part(Function.LITERAL, text=token)


def _integer(word: bytes) -> int | None:
    return int(word) if _INTEGER.fullmatch(word) else None


def _read_arguments(function: Function, token: bytes, words: list[bytes]) -> _Part:
    if function is Function.WILDCARD:
        if words == [b""]:
            raise TransformError(_FEW, token)
        if len(words) > 1:
            raise TransformError(_MANY, token)
        return _Part(function, (_argument(words[0], token),))
    if function is Function.RANDOM and len(words) != 1:
        raise TransformError(_FEW, token)
    if function in {Function.PARTITION, Function.RANDOM}:
        number, *indexes = (_argument(word, token) for word in words)
        if number > _INT32_MAX:
            raise TransformError(_WRONG, token)
        return _Part(function, tuple(indexes), number)
    if len(words) < 2:
        raise TransformError(_FEW, token)
    if len(words) > 2:
        raise TransformError(_MANY, token)
    index = _argument(words[0], token)
    if function is not Function.SPLIT:
        return _Part(function, (index,), _argument(words[1], token))
    if b" " in words[1]:
        raise TransformError(_WRONG, token)
    return _Part(function, (index,), text=words[1])


def _argument(word: bytes, token: bytes) -> int:
    number = _integer(word.strip(b" "))
    if number is None:
        raise TransformError(_WRONG, token)
    return number


def _check_strict(
    parts: list[_Part], tokens: list[bytes], destination: bytes, wildcards: int
) -> None:
    """Raise TransformError unless the transform can be turned round."""
    for part, token in _pairs(parts, tokens):
        if part.function not in {Function.LITERAL, Function.WILDCARD}:
            raise TransformError(_ONLY_WILDCARDS, token)
        if any(number < 1 for number in part.indexes):
            raise TransformError(_RANGE, b"%b: [%d]" % (token, part.indexes[0]))
    used = {number for part in parts for number in part.indexes}
    if not used.issuperset(range(1, wildcards + 1)):
        raise TransformError(_NOT_ALL, destination)


def _located(part: _Part, token: bytes, places: list[int]) -> _Part:
    """Turn numbers of wildcards into positions of source tokens."""
    if not part.indexes:
        return part
    for number in part.indexes:
        if number > len(places):
            raise TransformError(_RANGE, b"%b: [%d]" % (token, number))
    # Numbers below 1 stand for the first token there, too.
    at = tuple(places[number - 1] if number > 0 else 0 for number in part.indexes)
    return part._replace(indexes=at)


def _without_wildcards(part: _Part, token: bytes) -> _Part:
    """A literal source has nothing to take from but itself."""
    if part.function not in {Function.LITERAL, Function.RANDOM, Function.PARTITION}:
        raise TransformError(_RANGE, token)
    return part._replace(indexes=()) if part.indexes else part


def _make(part: _Part, tokens: list[bytes], random: Random | None) -> bytes:
    """Return one token of the result; split ones bring dots of their own."""
    match part.function:
        case Function.LITERAL:
            return part.text
        case Function.PARTITION:
            key = b"".join(tokens[at] for at in part.indexes) if part.indexes else b".".join(tokens)
            return b"%d" % (_fnv32a(key) % (part.number & 0xFFFFFFFF)) if part.number else b"0"
        case Function.RANDOM:
            assert random is not None, "a caller without randomness asks is_fixed first"
            return b"%d" % random.randrange(abs(part.number)) if part.number else b"0"
        case _:
            return _cut(part, tokens[part.indexes[0]])


def _cut(part: _Part, token: bytes) -> bytes:
    """Return a source token, or what a function takes of it."""
    function, size = part.function, part.number
    if function is Function.WILDCARD:
        return token
    if function is Function.SPLIT:
        pieces = token.split(part.text) if part.text else _characters(token)
        return b".".join(filter(None, pieces))
    if not 0 < size < len(token):
        return token  # too short to be cut there
    match function:
        case Function.SPLIT_FROM_LEFT:
            return token[:size] + b"." + token[size:]
        case Function.SPLIT_FROM_RIGHT:
            return token[:-size] + b"." + token[-size:]
        case Function.LEFT:
            return token[:size]
        case Function.RIGHT:
            return token[-size:]
        case Function.SLICE_FROM_LEFT:
            return b".".join(token[at : at + size] for at in range(0, len(token), size))
        case _:
            first = len(token) % size
            head = [token[:first]] if first else []
            return b".".join(
                head + [token[at : at + size] for at in range(first, len(token), size)]
            )


def _characters(token: bytes) -> list[bytes]:
    text = token.decode("utf-8", "surrogateescape")
    return [one.encode("utf-8", "surrogateescape") for one in text]


def _fnv32a(data: bytes) -> int:
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value

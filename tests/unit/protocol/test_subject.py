"""leafnode.protocol.subject against the rules of nats-server server/sublist.go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol import subject

TOKENS = st.sampled_from([b"a", b"b", b"*", b">", b"*x"])
PATTERNS = st.lists(TOKENS, min_size=1, max_size=4).map(b".".join).filter(subject.is_valid)
LITERALS = PATTERNS.filter(subject.is_literal)


@pytest.mark.parametrize(
    "text", [b"a", b"a.b", b"*", b">", b"a.*.c", b"a.>", b"a.*b", b"\xc3\xa4.b"]
)
def test_valid_subjects(text: bytes) -> None:
    assert subject.is_valid(text)


@pytest.mark.parametrize(
    "text", [b"", b".", b"a.", b".a", b"a..b", b"a b", b"a\tb", b"a.>.b", b"a\r", b"a\nb", b"a\0b"]
)
def test_invalid_subjects(text: bytes) -> None:
    assert not subject.is_valid(text)


@pytest.mark.parametrize("text", [b"a.b", b"a.*", b"a.>", b"a.>.b", b">.a"])
def test_wildcards_are_words_of_what_is_published(text: bytes) -> None:
    assert subject.is_routable(text)


@pytest.mark.parametrize("text", [b"", b"a..b", b"a.", b"a b", b"a\rb", b"a\0b"])
def test_what_reaches_nobody(text: bytes) -> None:
    assert not subject.is_routable(text)


def test_a_wildcard_is_one_only_as_a_whole_token() -> None:
    assert subject.is_literal(b"foo.*bar")
    assert subject.is_literal(b"foo.b>")
    assert not subject.is_literal(b"foo.*")
    assert not subject.is_literal(b">")


def test_no_message_is_published_under_a_wildcard() -> None:
    assert subject.is_valid_literal(b"a.b")
    assert not subject.is_valid_literal(b"a.*")
    assert not subject.is_valid_literal(b"a..b")


@pytest.mark.parametrize(
    ("pattern", "literal", "expected"),
    [
        (b"a.b", b"a.b", True),
        (b"a.*", b"a.b", True),
        (b"a.*", b"a.b.c", False),
        (b"a.>", b"a.b.c", True),
        (b"a.>", b"a", False),
        (b">", b"a", True),
        (b"*.b", b"a.b", True),
        (b"*", b"a.b", False),
        (b"a.*x", b"a.yx", False),
    ],
)
def test_matches(pattern: bytes, literal: bytes, expected: bool) -> None:
    assert subject.matches(pattern, literal) is expected


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (b"$SYS.x", True),
        (b"$JS", True),
        (b"_INBOX.x", True),
        (b"_INBOX_alice.x", True),
        (b"s.$SYS", False),
        (b"s._INBOX.x", False),
        (b"_inbox.x", False),
        (b"", False),
    ],
)
def test_what_is_the_servers_own_or_of_an_inbox_is_internal(
    literal: bytes, *, expected: bool
) -> None:
    assert subject.is_internal(literal) is expected


@given(PATTERNS, LITERALS)
def test_a_subset_matches_no_more_than_what_it_lies_in(pattern: bytes, literal: bytes) -> None:
    for other in (b">", b"*", b"a.>", b"*.*", b"a.*", b"a.b"):
        if subject.is_subset(pattern, other) and subject.matches(pattern, literal):
            assert subject.matches(other, literal)


@given(PATTERNS, PATTERNS, LITERALS)
def test_patterns_that_share_a_subject_collide(one: bytes, other: bytes, literal: bytes) -> None:
    if subject.matches(one, literal) and subject.matches(other, literal):
        assert subject.collides(one, other)
    assert subject.collides(one, other) == subject.collides(other, one)


@given(LITERALS, PATTERNS)
def test_a_literal_collides_with_exactly_what_matches_it(literal: bytes, pattern: bytes) -> None:
    assert subject.collides(literal, pattern) is subject.matches(pattern, literal)
    assert subject.is_subset(literal, pattern) is subject.matches(pattern, literal)

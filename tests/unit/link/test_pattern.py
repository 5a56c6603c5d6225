"""Subjects with wildcards: what may be subscribed to, and what matches."""

from leafnode.link.pattern import is_pattern, matches


def test_wildcards_stand_alone_in_their_token():
    for pattern in (b"a", b"a.b", b"*", b">", b"a.*", b"a.>", b"*.b.*", b"*.>"):
        assert is_pattern(pattern), pattern


def test_what_nats_would_not_take_is_refused():
    for pattern in (b"", b".", b"a.", b".a", b"a..b", b"a*", b">.a", b"a.>.b", b"a b", b"a\r\n"):
        assert not is_pattern(pattern), pattern
    assert not is_pattern(b"x" * 129)


def test_a_literal_matches_itself():
    assert matches(b"a.b", b"a.b")
    assert not matches(b"a.b", b"a.c")
    assert not matches(b"a.b", b"a")
    assert not matches(b"a", b"a.b")


def test_a_star_stands_for_one_token_and_an_arrow_for_the_rest():
    assert matches(b"a.*", b"a.b")
    assert not matches(b"a.*", b"a.b.c")
    assert not matches(b"a.*", b"a")
    assert matches(b"a.>", b"a.b")
    assert matches(b"a.>", b"a.b.c")
    assert not matches(b"a.>", b"a")
    assert matches(b">", b"a")

"""Who is called when interest in a subject changes."""

from __future__ import annotations

from leafnode.routing.followers import Followers


def test_a_change_is_told_to_those_whose_subject_it_touches() -> None:
    followers, calls = Followers(), list[str]()
    one, two, other = (lambda name=name: calls.append(name) for name in ("one", "two", "other"))
    followers.follow(b"a.b", one)
    followers.follow(b"a.b", two)
    followers.follow(b"a.c", other)

    assert followers.changed(b"a.b") == 1
    assert calls == ["one", "two"]
    assert followers.changed(b"a.*") == 2
    assert calls[2:] == ["one", "two", "other"]
    followers.changed(b"b.>")
    assert len(calls) == 5


def test_who_left_is_not_called_and_may_leave_twice() -> None:
    followers, calls = Followers(), list[str]()

    def call() -> None:
        calls.append("x")
        followers.leave(b"a", call)

    followers.follow(b"a", call)
    followers.changed(b"a")
    followers.leave(b"a", call)
    followers.changed(b">")

    assert calls == ["x"]
    assert len(followers) == 0

"""leafnode.auth.tags against a look at each tag."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.claims import AccountBody, UserBody
from leafnode.auth.tags import Tags
from leafnode.limits import TEMPLATE_TAGS_AT_ONCE

TAG = st.text(st.sampled_from("ab:;9\x00é"), max_size=5)


@given(st.lists(TAG, max_size=30), TAG)
def test_a_tag_has_the_values_that_a_look_at_each_gives(tags: list[str], name: str) -> None:
    wanted = [tag.removeprefix(f"{name}:") for tag in tags if tag.startswith(f"{name}:")]

    arranged = Tags(tuple(tags))

    assert arranged.values(name) == wanted
    assert arranged.count(name) == len(wanted)


def test_very_many_are_soon_asked_only_once_they_are_arranged() -> None:
    few, many = (
        Tags(tuple(f"a:{number}" for number in range(count)))
        for count in (TEMPLATE_TAGS_AT_ONCE, TEMPLATE_TAGS_AT_ONCE + 1)
    )
    assert few.is_soon_asked
    assert not many.is_soon_asked

    assert many.count("a") == TEMPLATE_TAGS_AT_ONCE + 1

    assert many.is_soon_asked


def test_those_of_an_account_and_of_a_user_are_arranged_once() -> None:
    for body in (AccountBody(tags=("a:b",)), UserBody(tags=("a:b",))):
        assert body.tags_by_name is body.tags_by_name
        assert body.tags_by_name.values("a") == ["b"]

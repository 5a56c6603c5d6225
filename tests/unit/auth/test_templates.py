"""leafnode.auth.templates. Source: nats-server 2.15.1 server/auth.go (behaviour)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.claims import AccountBody, AccountClaims, Rules, UserBody, UserClaims, UserLimits
from leafnode.auth.templates import filled_in, is_long
from leafnode.errors import AuthError
from leafnode.limits import (
    TEMPLATE_CHARS_AT_ONCE,
    TEMPLATE_FIELDS_AT_ONCE,
    TEMPLATE_SUBJECTS_AT_ONCE,
    TEMPLATE_SUBJECTS_MAX,
    TEMPLATE_TAGS_AT_ONCE,
)

USER = UserClaims(
    iss="AKEY",
    sub="UANN",
    name="ann",
    nats=UserBody(issuer_account="AACC", tags=("dep:it", "dep:hr", "site:x")),
)
ACCOUNT = AccountClaims(iss="O", sub="AACC", name="app", nats=AccountBody(tags=("org:nats",)))


def allowed(*entries: str) -> Rules:
    return filled_in(UserLimits(pub=Rules(allow=entries)), USER, ACCOUNT).pub


@pytest.mark.parametrize(
    ("entry", "subjects"),
    [
        ("plain.>", ("plain.>",)),
        ("{{name()}}.{{subject()}}", ("ann.UANN",)),
        ("{{ Name() }}", ("ann",)),
        ("{{account-name()}}.{{account-subject()}}", ("app.AACC",)),
        ("{{tag(site)}}.a", ("x.a",)),
        ("{{tag(dep)}}.{{account-tag(org)}}", ("it.nats", "hr.nats")),
        ("{{tag(dep)}}.{{tag(dep)}}", ("it.it", "it.hr", "hr.it", "hr.hr")),
    ],
)
def test_fields_stand_for_the_user_s_words(entry: str, subjects: tuple[str, ...]) -> None:
    assert allowed("x", entry).allow == ("x", *subjects)


def test_a_missing_tag_allows_nothing_rather_than_everything() -> None:
    assert allowed("{{tag(none)}}.a") == Rules((), (">",))
    assert allowed("{{tag(none)}}.a", "b") == Rules(("b",))


def test_a_missing_tag_in_a_deny_list_refuses_the_user() -> None:
    template = UserLimits(sub=Rules(deny=("{{tag(none)}}.a",)))

    with pytest.raises(AuthError):
        filled_in(template, USER, ACCOUNT)


def test_words_that_make_no_subject_allow_nothing() -> None:
    user = UserClaims(iss="A", name="a b", nats=USER.nats)

    rules = filled_in(UserLimits(pub=Rules(allow=("{{name()}}",))), user, ACCOUNT).pub

    assert rules == Rules((), (">",))


def test_an_unknown_operation_refuses_the_user() -> None:
    with pytest.raises(AuthError):
        allowed("{{nobody()}}")


def test_too_many_subjects_refuse_the_user() -> None:
    tags = tuple(f"t:{n}" for n in range(65))
    user = UserClaims(iss="A", nats=UserBody(tags=tags))
    template = UserLimits(pub=Rules(allow=("{{tag(t)}}.{{tag(t)}}",)))
    assert TEMPLATE_SUBJECTS_MAX == 64 * 64

    with pytest.raises(AuthError):
        filled_in(template, user, ACCOUNT)
    fewer = UserClaims(iss="A", nats=UserBody(tags=tags[:64]))
    assert len(filled_in(template, fewer, ACCOUNT).pub.allow) == TEMPLATE_SUBJECTS_MAX


def test_a_value_that_looks_like_a_field_is_not_filled_in_again() -> None:
    user = UserClaims(iss="A", sub="U", name="{{subject()}}", nats=USER.nats)

    rules = filled_in(UserLimits(pub=Rules(allow=("{{name()}}",))), user, ACCOUNT).pub

    assert rules.allow == ("{{subject()}}",)


@pytest.mark.parametrize(
    ("entries", "tags", "long"),
    [
        (1, 1, False),
        (TEMPLATE_SUBJECTS_AT_ONCE // 2, 1, False),
        (TEMPLATE_SUBJECTS_AT_ONCE + 1, 0, True),
        (1, 11, False),  # 121 subjects
        (1, 12, True),
        (2, 11, True),
    ],
)
def test_how_many_subjects_come_of_a_template_is_known_before(
    entries: int, tags: int, long: bool
) -> None:
    template = UserLimits(
        pub=Rules(allow=("a.{{tag(t)}}.{{tag(t)}}",) * (entries // 2)),
        sub=Rules(deny=("a.{{tag(t)}}.{{tag(t)}}",) * (entries - entries // 2)),
    )
    nats = UserBody(tags=tuple(f"t:{number}" for number in range(tags)))

    assert is_long(template, UserClaims(iss="A", nats=nats), ACCOUNT) is long


def test_a_template_that_cannot_be_filled_in_is_not_long() -> None:
    template = UserLimits(pub=Rules(allow=("{{nothing()}}",)))

    assert not is_long(template, USER, ACCOUNT)


def is_long_for(*entries: str, tags: tuple[str, ...] = ("t:1",)) -> bool:
    account = AccountClaims(iss="O", nats=AccountBody(tags=tags))
    return is_long(UserLimits(pub=Rules(allow=entries)), USER, account)


@pytest.mark.parametrize("operation", ["account-tag(t)", "account-tag(none)", "name()"])
def test_very_many_fields_are_long_whatever_comes_of_them(operation: str) -> None:
    """120 entries of 20 fields that stood for nothing took 0.9 s of everybody with 4,000 tags."""
    field = f"{{{{{operation}}}}}"

    assert not is_long_for(field * (TEMPLATE_FIELDS_AT_ONCE // 2), field)
    assert is_long_for(*[field * (TEMPLATE_FIELDS_AT_ONCE // 8)] * 8, field)


def test_long_text_is_long_and_so_is_what_much_text_comes_of() -> None:
    assert not is_long_for("a" * TEMPLATE_CHARS_AT_ONCE)
    assert is_long_for("a", "a" * TEMPLATE_CHARS_AT_ONCE)
    assert is_long_for("a.{{account-tag(t)}}", tags=("t:" + "a" * TEMPLATE_CHARS_AT_ONCE,))
    assert is_long_for("a" * (TEMPLATE_CHARS_AT_ONCE // 2) + "{{tag(dep)}}")


def test_what_is_long_stays_so_with_an_unknown_operation_behind_it() -> None:
    """It is refused once all that comes before it was worked out."""
    tags = tuple(f"t:{number}" for number in range(TEMPLATE_SUBJECTS_AT_ONCE + 1))

    assert is_long_for("{{account-tag(t)}}", "{{nothing()}}", tags=tags)
    assert not is_long_for("{{account-tag(t)}}", "{{nothing()}}", tags=tags[:-1])


def test_very_many_tags_are_arranged_beside_the_loop_once() -> None:
    account = AccountClaims(
        iss="O", nats=AccountBody(tags=tuple(f"a:{n}" for n in range(TEMPLATE_TAGS_AT_ONCE + 1)))
    )
    asking = UserLimits(pub=Rules(allow=("{{account-tag(t)}}", "x")))
    assert not is_long(UserLimits(pub=Rules(allow=("{{tag(dep)}}",))), USER, account)
    assert is_long(asking, USER, account)

    assert filled_in(asking, USER, account).pub.allow == ("x",)

    assert not is_long(asking, USER, account)


@given(st.lists(st.sampled_from(["{", "}", "{{", "}}", "{{a}}", "a"]), min_size=1).map("".join))
def test_fields_are_where_a_search_finds_them(entry: str) -> None:
    """Truth: nats-server's mustacheRE, a search that takes the square of the text's length."""
    found = re.compile(r"\{\{([^}]+)\}\}")
    named = entry.replace("a", "name()")
    fields = found.findall(named)

    if set(fields) <= {"name()"}:
        assert allowed(named).allow == (found.sub("ann", named),)
    else:
        with pytest.raises(AuthError, match="unknown operation"):
            allowed(named)

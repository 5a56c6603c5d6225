"""leafnode.auth.templates. Source: nats-server 2.15.1 server/auth.go (behaviour)."""

from __future__ import annotations

import pytest

from leafnode.auth.claims import AccountBody, AccountClaims, Rules, UserBody, UserClaims, UserLimits
from leafnode.auth.templates import filled_in, is_long
from leafnode.errors import AuthError
from leafnode.limits import TEMPLATE_SUBJECTS_AT_ONCE, TEMPLATE_SUBJECTS_MAX

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

"""leafnode.auth.permissions: what a configuration says as rules."""

import pytest

from leafnode.auth.permissions import permissions_of
from leafnode.config.options import PermissionsOptions, ResponseOptions, SubjectRules
from leafnode.routing.permissions import Permissions, ResponseRule


def test_no_permissions_allow_everything() -> None:
    assert permissions_of(None) is None


def test_an_empty_allow_list_of_a_configuration_allows_all_but_what_is_denied() -> None:
    found = permissions_of(PermissionsOptions(publish=SubjectRules(deny=("no.>",))))

    assert found is not None
    assert found.may_publish(b"a")
    assert not found.may_publish(b"no.x")


def test_who_may_answer_and_is_told_nothing_else_may_only_answer() -> None:
    found = permissions_of(PermissionsOptions(responses=ResponseOptions(3, 5)))

    assert found is not None
    assert not found.may_publish(b"a")
    assert found.responses == ResponseRule(3, 5)


def test_who_may_answer_keeps_what_it_may_publish() -> None:
    options = PermissionsOptions(SubjectRules(("a",)), responses=ResponseOptions(-1, -1))

    found = permissions_of(options)

    assert found is not None
    assert found.may_publish(b"a")
    assert found.responses == ResponseRule(0, 0)


def test_an_entry_may_name_a_queue() -> None:
    found = permissions_of(PermissionsOptions(subscribe=SubjectRules(("a v.*",))))

    assert found is not None
    assert found.may_subscribe(b"a", b"v.1")
    assert not found.may_subscribe(b"a")


def rules(*, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> Permissions:
    both = SubjectRules(allow, deny)
    found = permissions_of(PermissionsOptions(both, both))
    assert found is not None
    return found


@pytest.mark.parametrize("entry", ["a.>.b", "a\tb\tc", ".a", "a b c"])
def test_an_entry_that_is_no_subject_allows_nothing(entry: str) -> None:
    alone = rules(allow=(entry,))
    beside = rules(allow=(entry, "ok"))

    for subject in (b"a", b"a.x", b"a.x.b", b"ok", entry.encode()):
        assert not alone.may_publish(subject)
        assert not alone.may_subscribe(subject)
        assert beside.may_publish(subject) is (subject == b"ok")
        assert beside.may_subscribe(subject) is (subject == b"ok")


def test_an_entry_that_is_no_subject_denies_nothing() -> None:
    found = rules(deny=("a.>.b", "no"))

    assert found.may_publish(b"a.x.b")
    assert found.may_subscribe(b"a.x.b")
    assert not found.may_publish(b"no")
    assert not found.may_subscribe(b"no")


def test_a_queue_behind_a_subject_that_may_not_be_published_on_is_passed_over() -> None:
    found = rules(deny=("no\tq",))

    assert not found.may_publish(b"no")
    assert found.may_subscribe(b"no")
    assert not found.may_subscribe(b"no", b"q")


def test_a_queue_allows_nobody_to_publish() -> None:
    assert not rules(allow=("a\tq",)).may_publish(b"a")
    assert rules(allow=("a\tq",)).may_subscribe(b"a", b"q")

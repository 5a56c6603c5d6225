"""leafnode.auth.permissions: what a configuration says as rules."""

from leafnode.auth.permissions import permissions_of
from leafnode.config.options import PermissionsOptions, ResponseOptions, SubjectRules
from leafnode.routing.permissions import ResponseRule


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

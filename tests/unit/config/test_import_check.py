"""leafnode.config.import_check: who may import what; cases were tried on nats-server 2.15.1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode.config.account_options import (
    AccountOptions,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.import_check import Exports, ImportCheck
from leafnode.limits import PATTERN_WALK_NODES
from leafnode.protocol.patterns import Walk
from leafnode.slices import finish

STREAM = 'Error adding stream import "{}": {}'
SERVICE = 'Error adding service import "{}": {}'
CYCLE = "import forms a cycle"


def account(name: str, *exports: StreamExport | ServiceExport) -> AccountOptions:
    return AccountOptions(
        name,
        stream_exports=tuple(one for one in exports if isinstance(one, StreamExport)),
        service_exports=tuple(one for one in exports if isinstance(one, ServiceExport)),
    )


@pytest.mark.parametrize(
    ("export", "subject", "is_offered"),
    [
        (StreamExport("a.>"), "a.b", True),
        (StreamExport("a.>"), "a.>", True),
        (StreamExport("a.b"), "a.*", False),
        (StreamExport("a", ("I",)), "a", True),
        (StreamExport("a", ("X",)), "a", False),
        (StreamExport("a.*", account_token_position=2), "a.I", True),
        (StreamExport("a.*", account_token_position=2), "a.X", False),
        (StreamExport("a.*", account_token_position=2), "a.*", False),
        (StreamExport("a", token_required=True), "a", False),
    ],
)
def test_an_export_offers_its_subjects_to_some(
    export: StreamExport, subject: str, *, is_offered: bool
) -> None:
    assert Exports([export]).offers(subject, "I", Walk(), activated=False) == is_offered


def test_an_activation_opens_what_needs_one() -> None:
    assert Exports([StreamExport("a", token_required=True)]).offers(
        "a", "I", Walk(), activated=True
    )


def test_the_export_of_exactly_the_subject_decides() -> None:
    exports = [StreamExport(">"), StreamExport("a", ("X",))]

    assert not Exports(exports).offers("a", "I", Walk(), activated=False)


def test_what_is_not_offered_is_refused_in_the_words_of_nats_server() -> None:
    check = ImportCheck([account("E"), account("I")])

    assert check.add_stream("I", StreamImport("E", "a")) == STREAM.format(
        "a", "stream import not authorized"
    )
    assert check.add_service("I", ServiceImport("E", "a")) == SERVICE.format(
        "a", "service import not authorized"
    )
    assert check.add_service("I", ServiceImport("X", "a")) == (
        '"X" account not defined for service import'
    )


def test_the_same_import_twice_is_refused() -> None:
    check = ImportCheck([account("E", StreamExport("a"), ServiceExport("s")), account("I")])
    assert check.add_stream("I", StreamImport("E", "a")) == ""
    assert check.add_service("I", ServiceImport("E", "s", to="t")) == ""

    assert check.add_stream("I", StreamImport("E", "a", to="b")) == STREAM.format(
        "a", "stream import already exists"
    )
    assert check.add_service("I", ServiceImport("E", "s", to="t")) == (
        'Duplicate service import subject "t", previously used in import for account "E", '
        'subject "s"'
    )


def test_a_service_may_come_again_by_a_name_that_names_its_wildcards() -> None:
    """Also where that is the same: who asks is asked for by each, as on nats-server."""
    check = ImportCheck([account("E", ServiceExport("s.*")), account("I")])

    names = ("s.*", "s.$1", "s.{{wildcard(1)}}", "s.*")
    problems = [check.add_service("I", ServiceImport("E", "s.*", to=to)) for to in names]

    assert problems[:3] == ["", "", ""]
    assert problems[3].startswith('Duplicate service import subject "s.*"')
    for name in names[1:3]:
        problem = check.add_service("I", ServiceImport("E", "s.*", to=name))
        assert problem.startswith(f'Duplicate service import subject "{name}"')


def test_a_name_that_leaves_out_a_wildcard_is_refused() -> None:
    check = ImportCheck([account("E", StreamExport("a.*.*"), ServiceExport("s.*.*")), account("I")])

    for problem in (
        check.add_stream("I", StreamImport("E", "a.*.*", to="b.$1")),
        check.add_service("I", ServiceImport("E", "s.*.*", to="b.$1")),
    ):
        assert problem.endswith("not using all of the token wildcard(s) in b.$1")


def test_services_in_a_circle_are_refused_at_the_one_that_closes_it() -> None:
    check = ImportCheck([account(name, ServiceExport("q")) for name in "ABC"])
    assert check.add_service("A", ServiceImport("B", "q")) == ""
    assert check.add_service("B", ServiceImport("C", "q")) == ""

    assert check.add_service("C", ServiceImport("A", "q")) == SERVICE.format("q", CYCLE)


def test_services_in_a_circle_through_other_names_are_refused() -> None:
    check = ImportCheck([account("A", ServiceExport("a.*")), account("B", ServiceExport("b.*"))])
    assert check.add_service("A", ServiceImport("B", "b.*", to="a.$1")) == ""

    assert check.add_service("B", ServiceImport("A", "a.*", to="b.$1")) == SERVICE.format(
        "a.*", CYCLE
    )


def test_services_both_ways_that_do_not_meet_are_no_circle() -> None:
    check = ImportCheck([account("A", ServiceExport("a")), account("B", ServiceExport("b"))])

    assert check.add_service("A", ServiceImport("B", "b")) == ""
    assert check.add_service("B", ServiceImport("A", "a")) == ""


def test_streams_in_a_circle_are_refused() -> None:
    check = ImportCheck([account("A", StreamExport("s.>")), account("B", StreamExport("s.>"))])
    assert check.add_stream("A", StreamImport("B", "s.>")) == ""

    assert check.add_stream("B", StreamImport("A", "s.>")) == STREAM.format("s.>", CYCLE)


DEEP = [
    ".".join([*("*" if number >> bit & 1 else "a" for bit in range(10)), "x"])
    for number in range(1 << 10)
]
CROSSING = "wildcards that cross in too many ways to be compared"


def test_imports_that_cross_too_many_exports_are_refused_and_others_are_not() -> None:
    services = [ServiceExport(one) for one in DEEP]
    check = ImportCheck([account("E", StreamExport("s"), *services), account("I")])
    told = {check.add_service("I", ServiceImport("E", "a." * 10 + f"y{n}")) for n in range(100)}

    assert told == {
        SERVICE.format("a." * 10 + f"y{n}", problem)
        for n in range(100)
        for problem in ["service import not authorized", CROSSING]
        if (problem == CROSSING) == (n >= PATTERN_WALK_NODES // (2047 - 128))
    }
    assert check.add_stream("I", StreamImport("E", "s")) == ""
    assert check.add_service("I", ServiceImport("E", DEEP[1])) == ""
    assert check.service_export("E", DEEP[1]) == services[1]


def test_a_service_is_found_again_without_another_walk() -> None:
    services = [ServiceExport("q.*"), *(ServiceExport(one) for one in DEEP)]
    check = ImportCheck([account("E", *services), account("I")])
    assert check.add_service("I", ServiceImport("E", "q.a")) == ""
    told = [check.add_service("I", ServiceImport("E", "a." * 10 + f"y{n}")) for n in range(100)]
    assert CROSSING in told[-1]

    assert check.service_export("E", "q.a") == services[0]


def test_an_exporter_that_offers_the_same_still_knows_its_answers() -> None:
    crossing = "a." * 9 + "b.x"
    exporter = account("E", *(ServiceExport(one) for one in DEEP))
    before = ImportCheck([exporter, account("I")])
    assert before.add_service("I", ServiceImport("E", crossing)) == ""

    check = finish(
        before.revised({"E": replace(exporter, name_tag="other"), "I": account("I")}, ())
    )
    told = [check.add_service("X", ServiceImport("E", "a." * 10 + f"y{n}")) for n in range(100)]

    assert CROSSING in told[-1], "a walk would take too long now"
    assert check.service_export("E", crossing) == ServiceExport("a." * 9 + "*.x")
    fewer = finish(check.revised({"E": account("E", ServiceExport("r"))}, ()))
    assert fewer.service_export("E", "r") == ServiceExport("r")
    assert fewer.service_export("E", crossing) is None


def test_an_import_that_is_called_otherwise_now_has_other_transforms() -> None:
    before = ImportCheck([account("A"), account("B", StreamExport("s.*.*"))])
    one, same, other = (
        StreamImport("B", "s.*.*", to=to) for to in ("x.$1.$2", "x.$1.$2", "y.$2.$1")
    )
    assert before.add_stream("A", one) == ""

    def shown(check: ImportCheck, one: StreamImport) -> bytes:
        transforms = check.stream_transforms("A", one)
        assert transforms is not None
        return transforms[0].apply(b"s.1.2")

    for again, subject in ((same, b"x.1.2"), (other, b"y.2.1")):
        check = finish(before.revised({}, ["A"]))
        assert check.add_stream("A", again) == ""
        assert shown(check, again) == subject
        is_kept = check.stream_transforms("A", again) is before.stream_transforms("A", one)
        assert is_kept is (again is same)

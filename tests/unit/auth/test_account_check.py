"""leafnode.auth.account_check: what an account cannot be. Texts: nats-io/jwt v2.8.2."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.auth import jwt
from leafnode.auth.account_check import check_account, problem_of
from leafnode.auth.claims import AccountClaims
from leafnode.errors import AuthError
from leafnode.limits import CLAIMS_PROBLEMS_SHOWN_MAX
from tests.hub.jwt import Key
from tests.sim.realm import ACCOUNT, NOW_S, Realm, User, scope

REALM = Realm()
OTHER = Key(ACCOUNT)


def claims(key: Key | None = None, **more: Any) -> AccountClaims:
    return jwt.decode(REALM.account_jwt(key, **more), AccountClaims)


def refused(account: AccountClaims) -> str:
    with pytest.raises(AuthError) as caught:
        check_account(account, NOW_S)
    return str(caught.value)


def stream(**more: Any) -> dict[str, Any]:
    return {"subject": "s.*", "type": "stream", "account": OTHER.public, **more}


def service(**more: Any) -> dict[str, Any]:
    return {"subject": "q.*", "type": "service", "account": OTHER.public, **more}


def activation(**nats: Any) -> str:
    body = {"type": "activation", "version": 2, "kind": "stream", "subject": "s.>", **nats}
    return OTHER.sign(REALM.account.public, "x", body, issued_s=NOW_S)


def test_an_account_holds_within_its_times() -> None:
    check_account(claims(), NOW_S)

    assert "expired" in refused(claims(claims={"exp": NOW_S - 1}))
    assert "not yet" in refused(claims(claims={"nbf": NOW_S + 1}))


@pytest.mark.parametrize(
    "nats",
    [
        {},
        {"imports": [stream(), service(), service(subject="other")]},
        {"imports": [stream(local_subject="to.$1"), service(local_subject="to.*")]},
        {"imports": [stream(to="in"), service(to="there.*")]},
        {"imports": [stream(token=activation())]},
        {"exports": [{"subject": "s.>", "type": "stream", "account_token_position": 0}]},
        {"exports": [{"subject": "q.*", "type": "service", "account_token_position": 2}]},
        {"mappings": {"a": [{"subject": "b", "weight": 40}, {"subject": "c", "weight": 60}]}},
        {"mappings": {"a": [{"subject": "b"}, {"subject": "c", "cluster": "other"}]}},
        {"default_permissions": {"sub": {"allow": ["a.* queue"]}, "pub": {"deny": [">"]}}},
        {"signing_keys": [OTHER.public, scope(Key(ACCOUNT))]},
        {"trace": {"dest": "trace.here"}},
        {"description": "mine", "info_url": "https://example.org/a"},
        {"limits": {"imports": 1}, "imports": [stream()]},
        {"limits": {"disk_storage": 1, "tiered_limits": {"R1": {"disk_storage": 1}}}},
    ],
)
def test_an_account_may_say_this(nats: dict[str, Any]) -> None:
    assert problem_of(claims(**nats)) == ""


@pytest.mark.parametrize(
    ("nats", "problem"),
    [
        (
            {"imports": [{"account": OTHER.public, "subject": "a"}]},
            'invalid import type: "unknown"',
        ),
        ({"imports": [stream(account="")]}, "account to import from is not specified"),
        ({"imports": [stream(subject="a..b")]}, 'subject "a..b" cannot contain consecutive `.`'),
        ({"imports": [stream(subject="")]}, "subject cannot be empty"),
        ({"imports": [stream(subject="a b")]}, 'subject "a b" cannot have spaces'),
        ({"imports": [stream(subject="a\r\nb")]}, "cannot have control characters"),
        ({"imports": [stream(subject="a." * 2048 + "a")]}, "cannot have as many tokens"),
        (
            {"imports": [stream(local_subject="a.>")]},
            "both, renaming subject and subject, need to end or not end in >",
        ),
        (
            {"imports": [stream(local_subject="..")]},
            'subject ".." cannot start or end with a `.`',
        ),
        (
            {"imports": [stream(local_subject="a.$2")]},
            'Reference $2 in "a.$2" reference * in "s.*" that do not exist',
        ),
        (
            {"imports": [stream(local_subject="a")]},
            "subject does not contain enough * or reference wildcards $[0-9]",
        ),
        ({"imports": [stream(local_subject="a.*", to="x")]}, "Local Subject replaces To"),
        ({"imports": [stream(share=True)]}, 'only valid for services: "s.*"'),
        ({"imports": [service(allow_trace=True)]}, "AllowTrace only valid for stream import"),
        (
            {"imports": [service(subject="a.b"), service(subject="a.*")]},
            f'overlapping subject namespace for "a.*" and "a.b" in same account "{OTHER.public}"',
        ),
        ({"imports": [stream(token="x")]}, 'import "s.*" contains an invalid activation token'),
        (
            {"imports": [stream(token=activation(subject="t"))]},
            'activation token import subject "t" doesn\'t match import "s.*"',
        ),
        (
            {"imports": [stream(token=activation(kind="service"))]},
            "mismatch between token import type service and type of import stream",
        ),
        ({"exports": [{"subject": "a"}]}, 'invalid export type: "unknown"'),
        (
            {"exports": [{"subject": "a", "type": "stream", "response_type": "Stream"}]},
            'invalid response type for stream: "Stream"',
        ),
        (
            {"exports": [{"subject": "a", "type": "service", "response_type": "x"}]},
            'invalid response type for service: "x"',
        ),
        (
            {
                "exports": [
                    {
                        "subject": "a",
                        "type": "service",
                        "service_latency": {"sampling": 101, "results": "b"},
                    }
                ]
            },
            "sampling percentage needs to be between 1-100",
        ),
        (
            {
                "exports": [
                    {"subject": "a.*", "type": "stream"},
                    {"subject": "a.b", "type": "stream"},
                ]
            },
            'stream export subject "a.*" already exports "a.b"',
        ),
        (
            {"exports": [{"subject": "a.*", "type": "stream", "account_token_position": 3}]},
            "Account Token Position 3 exceeds length of subject 'a.*'",
        ),
        (
            {"mappings": {"a": [{"subject": "b", "weight": 60}, {"subject": "c", "weight": 60}]}},
            'Mapping "a" exceeds 100% among all of it\'s weighted to mappings',
        ),
        ({"mappings": {"a": [{"subject": ".."}]}}, "cannot contain consecutive"),
        ({"mappings": {"a": [{"subject": "b", "weight": -1}]}}, "has a weight that is none"),
        (
            {"default_permissions": {"pub": {"allow": ["a queue"]}}},
            'Permission Subject "a queue" is not allowed to contain queue',
        ),
        (
            {"authorization": {"allowed_accounts": [OTHER.public]}},
            "External authorization cannot have accounts without users specified",
        ),
        (
            {"authorization": {"auth_users": [User().public], "xkey": "X"}},
            'XKey "X" is not a valid public xkey',
        ),
        ({"trace": {"dest": "a.*"}}, 'subject "a.*" is not a valid publish subject'),
        ({"trace": {"dest": "a", "sampling": 101}}, "Trace.Sampling value '101' is not valid"),
        ({"signing_keys": [REALM.operator.public]}, "is not a valid account signing key"),
        ({"signing_keys": [scope(REALM.operator)]}, "is not an account public key"),
        (
            {"limits": {"tiered_limits": {"": {"disk_storage": 1}}}},
            'Tiered JetStream Limits can not contain a blank "" tier name',
        ),
        ({"info_url": "nowhere"}, "error parsing info url: no hostname or scheme"),
        ({"cluster_traffic": "x"}, 'unknown cluster traffic option: "x"'),
        ({"limits": {"imports": 0}, "imports": [stream()]}, "more imports than allowed"),
        (
            {"limits": {"exports": 0}, "exports": [{"subject": "a", "type": "stream"}]},
            "more exports than allowed",
        ),
        (
            {
                "limits": {"exports": 1, "wildcards": False},
                "exports": [{"subject": "a.*", "type": "stream"}],
            },
            "wildcard exports that are not allowed by the operator",
        ),
    ],
)
def test_an_account_may_not_say_this(nats: dict[str, Any], problem: str) -> None:
    assert problem in problem_of(claims(**nats))
    assert problem in refused(claims(**nats))


def test_what_is_wrong_with_several_is_said_in_the_order_of_the_jwt_library() -> None:
    wrong = claims(
        imports=[service(subject="a"), service(subject="a"), service(subject="..")],
        exports=[{"subject": "..", "type": "stream"}, *[{"subject": "e", "type": "stream"}] * 3],
        limits={"imports": 0, "exports": 9, "wildcards": False},
    )

    assert problem_of(wrong).removeprefix("validation errors: ") == (
        f'[overlapping subject namespace for "a" and "a" in same account "{OTHER.public}" '
        f'overlapping subject namespace for "a" in account "{OTHER.public}" '
        'subject ".." cannot start or end with a `.` subject ".." cannot contain consecutive `.` '
        'subject ".." cannot start or end with a `.` subject ".." cannot contain consecutive `.` '
        'stream export subject "e" already exports "e" '
        "the account contains more imports than allowed by the operator "
        "the account contains more imports than allowed by the operator]"
    )


def test_an_account_has_the_key_of_one() -> None:
    assert "account's key" in refused(claims(REALM.operator))


def test_wildcards_are_limited_only_together_with_exports() -> None:
    export = {"subject": "a.*", "type": "stream"}

    assert problem_of(claims(limits={"wildcards": False}, exports=[export])) == ""


def test_only_the_first_of_very_many_problems_are_said() -> None:
    problem = problem_of(claims(mappings={f"a{n}": [{"subject": ".."}] for n in range(1000)}))

    assert problem.count("consecutive") <= CLAIMS_PROBLEMS_SHOWN_MAX
    assert problem.endswith("…]")


@pytest.mark.parametrize("kind", ["stream", "service"])
def test_exports_that_cross_in_too_many_ways_are_refused(kind: str) -> None:
    deep = [
        ".".join([*("*" if number >> bit & 1 else "a" for bit in range(10)), f"x{number}"])
        for number in range(1 << 10)
    ]
    literal = ["a." * 10 + f"y{number}" for number in range(100)]
    exports = [{"subject": one, "type": kind} for one in [*literal, *deep]]

    assert "[wildcards that cross in too many ways to be compared]" in refused(
        claims(exports=exports)
    )
    check_account(claims(exports=exports[:200]), NOW_S)

"""leafnode.auth.account_claims. Source: nats-server 2.15.1 server/accounts.go (behaviour)."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.auth import jwt
from leafnode.auth.account_claims import (
    Approved,
    Exporter,
    account_options,
    approved_imports,
    exporters_first,
    with_imports,
)
from leafnode.auth.claims import AccountBody, AccountClaims, ImportClaim
from leafnode.auth.trust import Trust
from leafnode.config.account_options import (
    AccountJetStream,
    AccountLimits,
    Destination,
    LatencyOptions,
    Mapping,
    ResponseType,
)
from leafnode.limits import IMPORTS_ORDERED_PER_TURN
from tests.hub.jwt import Key
from tests.sim.realm import ACCOUNT, NOW_S, Realm

REALM = Realm()
EXPORTER = Key(ACCOUNT)
SIGNER = Key(ACCOUNT)
TRUST = Trust(frozenset({REALM.operator.public}))


def claims(key: Key | None = None, **more: Any) -> AccountClaims:
    return jwt.decode(REALM.account_jwt(key, **more), AccountClaims)


def found_by(*args: Any, **more: Any) -> Approved:
    """What `approved_imports` finds, all steps taken."""
    steps = approved_imports(*args, **more)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Approved = end.value
            return found


def test_limits_and_jetstream_and_names_come_over() -> None:
    options = account_options(
        claims(
            limits={"conn": 5, "subs": 6, "payload": 7, "leaf": 8, "disk_storage": 1024},
            tags=["a:b"],
            default_permissions={"pub": {"deny": ["x"]}},
            trace={"dest": "trace.here", "sampling": 25},
        ),
    )

    assert options.name == REALM.account.public
    assert options.name_tag == "APP"
    assert options.tags == ("a:b",)
    assert options.limits == AccountLimits(5, 6, 7, 8)
    assert options.jetstream == AccountJetStream(
        max_memory_bytes=0, max_file_bytes=1024, max_streams=0, max_consumers=0
    )
    assert options.default_permissions is not None
    assert options.default_permissions.publish.deny == ("x",)
    assert (options.trace_dest, options.trace_sampling_percent) == ("trace.here", 25)


def test_without_storage_there_is_no_jetstream_and_tiers_count_by_one_replica() -> None:
    assert account_options(claims()).jetstream is None
    tiered = claims(limits={"tiered_limits": {"R3": {}, "R1": {"disk_storage": 5}}})
    jetstream = account_options(tiered).jetstream
    assert jetstream is not None
    assert jetstream.max_file_bytes == 5
    assert [name for name, _ in jetstream.tiers] == ["R1", "R3"]
    assert jetstream.has_tier


def test_beside_tiers_other_limits_do_not_count() -> None:
    both = claims(limits={"disk_storage": 9, "tiered_limits": {"R1": {"disk_storage": 5}}})
    none = claims(limits={"disk_storage": 9, "tiered_limits": {"R1": {}}})

    jetstream = account_options(both).jetstream
    assert jetstream is not None
    assert jetstream.max_file_bytes == 5
    assert account_options(none).jetstream is None


def test_tiers_of_others_let_nothing_be_stored_here() -> None:
    jetstream = account_options(claims(limits={"tiered_limits": {"R3": {"disk_storage": 5}}}))
    assert jetstream.jetstream is not None
    assert not jetstream.jetstream.has_tier

    empty = claims(limits={"tiered_limits": {"R1": {}, "R3": {}}})
    assert account_options(empty).jetstream is None


def test_exports_and_mappings_come_over() -> None:
    options = account_options(
        claims(
            exports=[
                {"subject": "s.>", "type": "stream", "account_token_position": 2},
                {
                    "subject": "q",
                    "type": "service",
                    "response_type": "Stream",
                    "response_threshold": 9,
                    "service_latency": {"sampling": 50, "results": "lat"},
                    "allow_trace": True,
                },
                {"subject": "a..b", "type": "stream"},
            ],
            mappings={"foo": [{"subject": "bar", "weight": 40}, {"subject": "baz"}]},
        ),
    )

    assert [(e.subject, e.account_token_position) for e in options.stream_exports] == [("s.>", 2)]
    (service,) = options.service_exports
    assert service.response_type is ResponseType.STREAM
    assert service.threshold_ns == 9
    assert service.latency == LatencyOptions("lat", 50)
    assert service.allow_trace
    assert options.mappings == (Mapping("foo", (Destination("bar", 40), Destination("baz"))),)


def test_sampling_by_header_is_zero_percent() -> None:
    export = {
        "subject": "q",
        "type": "service",
        "service_latency": {"sampling": "headers", "results": "lat"},
    }

    (service,) = account_options(claims(exports=[export])).service_exports

    assert service.latency == LatencyOptions("lat", 0)


def test_imports_have_the_forms_of_both_generations() -> None:
    wanted = claims(
        imports=[
            {"subject": "s", "account": "A", "type": "stream", "to": "pre"},
            {"subject": "s", "account": "A", "type": "stream", "local_subject": "l"},
            {
                "subject": "q",
                "account": "A",
                "type": "service",
                "local_subject": "l",
                "share": True,
            },
            {"subject": "l", "account": "A", "type": "service", "to": "q"},
            {"subject": "q", "account": "A", "type": "service"},
        ]
    )

    options = with_imports(account_options(wanted), wanted.nats.imports)

    assert [(i.subject, i.prefix, i.to) for i in options.stream_imports] == [
        ("s", "pre", ""),
        ("s", "", "l"),
    ]
    assert [(i.subject, i.to, i.share) for i in options.service_imports] == [
        ("q", "l", True),
        ("q", "l", False),
        ("q", "", False),
    ]


# --- activations


def activation(
    signer: Key = EXPORTER, *, to: str = "", outer: dict[str, Any] | None = None, **nats: Any
) -> str:
    body = {"type": "activation", "version": 2, "subject": "s.>", "kind": "stream", **nats}
    return signer.sign(to or REALM.account.public, "act", body, issued_s=NOW_S, **(outer or {}))


def approved(token: str, *, subject: str = "s.a", kind: str = "stream", **export: Any) -> int:
    """How many imports hold that carry this token."""
    importer = claims(
        imports=[{"subject": subject, "account": EXPORTER.public, "type": kind, "token": token}]
    )
    exporter = claims(
        EXPORTER,
        exports=[{"subject": "s.>", "type": "stream", "token_req": True, **export}],
        signing_keys=[SIGNER.public],
    )
    found = found_by(
        importer,
        {EXPORTER.public: Exporter(exporter)}.get,
        signs_for=TRUST.signs_for,
        now_s=NOW_S,
    )
    return len(found.imports)


def test_a_public_export_needs_no_token() -> None:
    assert approved("", token_req=False) == 1


def test_a_token_of_the_exporter_or_its_signing_key_opens_a_private_export() -> None:
    assert approved(activation()) == 1
    assert approved(activation(SIGNER, issuer_account=EXPORTER.public)) == 1
    assert approved(activation(to="public")) == 1


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        activation(Key(ACCOUNT)),
        activation(SIGNER),
        activation(Key(ACCOUNT), issuer_account=EXPORTER.public),
        activation(REALM.operator),
        activation(issuer_account=REALM.account.public),
        activation(to=Key(ACCOUNT).public),
        activation(kind="service"),
        activation(subject="other.>"),
        activation(subject="s.a.b"),
        activation(outer={"exp": NOW_S - 1}),
        activation(outer={"nbf": NOW_S + 1}),
        REALM.account_jwt(EXPORTER),
    ],
)
def test_any_other_token_does_not(token: str) -> None:
    assert approved(token) == 0


def test_a_revoked_token_does_not() -> None:
    for revoked in ({REALM.account.public: NOW_S}, {"*": NOW_S}):
        assert approved(activation(), revocations=revoked) == 0
    assert approved(activation(), revocations={"*": NOW_S - 1}) == 1


def test_an_import_from_nobody_does_not_hold() -> None:
    importer = claims(imports=[{"subject": "s", "account": "AX", "type": "stream"}])

    found = found_by(importer, {}.get, signs_for=TRUST.signs_for, now_s=NOW_S)

    assert found.imports == ()


def test_a_wider_open_export_does_not_open_a_private_one_of_the_same_subject() -> None:
    importer = claims(imports=[{"subject": "s.a", "account": EXPORTER.public, "type": "stream"}])
    exports = [
        {"subject": "s.>", "type": "stream"},
        {"subject": "s.*", "type": "stream", "token_req": True},
    ]

    found = found_by(
        importer,
        {EXPORTER.public: Exporter(claims(EXPORTER, exports=exports))}.get,
        signs_for=TRUST.signs_for,
        now_s=NOW_S,
    )

    assert found.imports == ()


def test_the_end_of_an_activation_is_told() -> None:
    importer = claims(
        imports=[
            {
                "subject": "s.a",
                "account": EXPORTER.public,
                "type": "stream",
                "token": activation(outer={"exp": NOW_S + 60}),
            }
        ]
    )
    exporter = claims(EXPORTER, exports=[{"subject": "s.>", "type": "stream", "token_req": True}])

    found = found_by(
        importer, {EXPORTER.public: Exporter(exporter)}.get, signs_for=TRUST.signs_for, now_s=NOW_S
    )

    assert found.until_s == NOW_S + 60


def test_imports_that_cross_too_many_exports_are_left_out_and_told() -> None:
    deep = [
        ".".join([*("*" if number >> bit & 1 else "a" for bit in range(10)), "x"])
        for number in range(1 << 10)
    ]
    exports = [{"subject": one, "type": "stream"} for one in [*deep, "s"]]
    wanted = ["a." * 10 + f"y{number}" for number in range(100)]
    importer = claims(
        imports=[
            {"subject": one, "account": EXPORTER.public, "type": "stream"} for one in [*wanted, "s"]
        ]
    )

    found = found_by(
        importer,
        {EXPORTER.public: Exporter(claims(EXPORTER, exports=exports))}.get,
        signs_for=TRUST.signs_for,
        now_s=NOW_S,
    )

    assert found.uncompared in wanted
    assert found.imports[-1].subject == "s"
    assert len(found.imports) == wanted.index(found.uncompared) + 1


def test_exporters_come_before_those_who_import_from_them() -> None:
    def claims(name: str, *exporters: str) -> AccountClaims:
        wanted = tuple(ImportClaim(subject="s", account=one, type="stream") for one in exporters)
        return AccountClaims(sub=name, iss="O", nats=AccountBody(imports=wanted))

    def order(*several: AccountClaims) -> str:
        found: list[str] = []
        for _ in exporters_first({one.sub: one for one in several}, found):
            pass
        return "".join(found)

    assert order(claims("A", "C", "B"), claims("B"), claims("C")) == "CBA"
    assert order(claims("A", "B"), claims("B", "C"), claims("C", "A")) == "CBA"
    assert order(claims("B", "A", "X"), claims("A", "B")) == "AB"
    assert order(claims("A"), claims("B", "B", "A")) == "AB"
    many = [claims(str(number), str(number + 1)) for number in range(3000)]
    assert order(*many).startswith("29992998")


def test_exporters_are_put_in_order_in_steps() -> None:
    def importer(number: int) -> AccountClaims:
        wanted = ImportClaim(subject="s", account=f"{number + 1}", type="stream")
        body = AccountBody(imports=(wanted,) * IMPORTS_ORDERED_PER_TURN)
        return AccountClaims(sub=f"{number}", iss="O", nats=body)

    order: list[str] = []
    several = {one.sub: one for one in map(importer, range(10))}

    assert len(list(exporters_first(several, order))) == 10
    assert order == [str(number) for number in reversed(range(10))]

"""leafnode.config.sharing: one entry of exports or imports."""

from __future__ import annotations

import pytest

from leafnode.config.account_options import (
    LatencyOptions,
    ResponseType,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.config.parser import parse
from leafnode.config.place import Place
from leafnode.config.sharing import exports, imports, percent
from leafnode.errors import ConfigError


def place(text: str) -> Place:
    return Place(parse(f"x: {text}", "x.conf").root, "").child("x", _node(text))


def _node(text: str):  # type: ignore[no-untyped-def]
    return Place(parse(f"x: {text}", "x.conf").root, "").entries()["x"]


def refused(convert: object, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        convert(place(text))  # type: ignore[operator]
    return caught.value.problem


def test_exports_have_streams_and_services() -> None:
    assert exports(
        place("""[
            {stream: "a.>"}, {stream: b, accounts: [X, Y]}, {stream: "c.*", accounts: []}
            {stream: "t.*", account_token_position: 2}
            {service: s}, {service: "u", response: chunk, threshold: "1m", allow_trace: true}
            {service: v, latency: "lat.v"}
            {service: w, latency: {subject: lat.w, sampling: headers}, response_type: single}
        ]""")
    ) == (
        StreamExport("a.>"),
        StreamExport("b", ("X", "Y")),
        StreamExport("c.*"),
        StreamExport("t.*", account_token_position=2),
        ServiceExport("s"),
        ServiceExport(
            "u", response_type=ResponseType.CHUNKED, threshold_ns=60_000_000_000, allow_trace=True
        ),
        ServiceExport("v", latency=LatencyOptions("lat.v")),
        ServiceExport("w", latency=LatencyOptions("lat.w", 0)),
    )


def test_imports_have_streams_and_services() -> None:
    assert imports(
        place("""[
            {stream: {account: A, subject: "a.>"}, prefix: "p."}
            {stream: {account: A, subject: "b.*"}, to: "c.$1", allow_trace: true}
            {service: {account: A, subject: s}, to: t, share: true}
        ]""")
    ) == (
        StreamImport("A", "a.>", prefix="p."),
        StreamImport("A", "b.*", to="c.$1", allow_trace=True),
        ServiceImport("A", "s", to="t", share=True),
    )


@pytest.mark.parametrize("prefix", ["p", "p.*", ""])
def test_a_prefix_beside_a_service_means_nothing(prefix: str) -> None:
    text = '[{prefix: "%s", service: {account: A, subject: a}, to: b}]'

    assert imports(place(text % prefix)) == (ServiceImport("A", "a", to="b"),)


def test_an_empty_prefix_or_to_asks_for_nothing() -> None:
    text = """[
        {stream: {account: A, subject: "a.>"}, prefix: "", to: "b.>"}
        {stream: {account: A, subject: "a.>"}, to: "", prefix: p}
        {service: {account: A, subject: a}, to: ""}
    ]"""

    assert imports(place(text)) == (
        StreamImport("A", "a.>", to="b.>"),
        StreamImport("A", "a.>", prefix="p"),
        ServiceImport("A", "a"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[{}]", "expected a stream or a service"),
        ("[{stream: a, service: b}]", "expected a stream or a service, not both"),
        ("[{stream: a, response: single}]", "Detected response directive on non-service"),
        ("[{stream: a, latency: b}]", "Detected latency directive on non-service"),
        ("[{stream: a, allow_trace: true}]", "Detected allow_trace directive on non-service"),
        (
            "[{service: a, response: stream, latency: b}]",
            'Error adding service latency sampling for "a" on subject "b": '
            "bad service response type",
        ),
        ("[{service: a, latency: {sampling: 5}}]", "expected subject, where the measurements go"),
        (
            "[{service: a, latency: {subject: b, sampling: 101}}]",
            "expected a percentage from 1 to 100, got 101",
        ),
        ('[{service: a, latency: "b.*"}]', 'expected a subject without wildcards, got "b.*"'),
        (
            '[{stream: "a.*", account_token_position: 1}]',
            "expected the position of a * in a.*, got 1",
        ),
        (
            '[{stream: "a.*", account_token_position: 2, accounts: [X]}]',
            "expected accounts or account_token_position, not both",
        ),
    ],
)
def test_an_export_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    assert refused(exports, text) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[{to: a}]", "expected a stream or a service"),
        ("[{stream: {account: A}}]", "Expect an account name and a subject"),
        (
            "[{stream: {account: A, subject: a}, prefix: p, to: b}]",
            "Stream import can not have a 'prefix' and a 'to' property",
        ),
        (
            "[{service: {account: A, subject: a}, allow_trace: true}]",
            "Detected allow_trace directive on a non-stream",
        ),
        (
            '[{stream: {account: A, subject: a}, prefix: "p.*"}]',
            "stream import prefix can not contain wildcard tokens",
        ),
    ],
)
def test_an_import_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    assert refused(imports, text) == problem


def test_a_percentage_may_have_its_sign() -> None:
    assert percent(1)(place('"50%"')) == percent(1)(place('"50"')) == percent(1)(place("50")) == 50
    assert percent(0)(place("0")) == 0
    for text in ("0", "101", '"x%"', "true", '"99999999%"', '"\u0663"'):
        assert refused(percent(1), text).startswith("expected a percentage from 1 to 100")

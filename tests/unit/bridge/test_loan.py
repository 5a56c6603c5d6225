"""What is said of a lending."""

from __future__ import annotations

import pytest

from leafnode.bridge.loan import Loan
from leafnode.clock import NS_PER_S


@pytest.mark.parametrize(
    ("loan", "said"),
    [
        (Loan(60 * NS_PER_S), "the port is lent, for 60 s more"),
        (
            Loan(30 * NS_PER_S - 1, "a", "minicom on gw"),
            "the port is lent to minicom on gw, for 30 s more, or longer where it is renewed",
        ),
        (Loan(-5), "the port is lent, for 0 s more"),
    ],
)
def test_who_wants_it_hears_who_has_it_and_for_how_long(loan: Loan, said: str) -> None:
    assert loan.refusal(0) == said


@pytest.mark.parametrize(
    ("loan", "why"),
    [
        (Loan(0), "its time is over"),
        (Loan(0, "a"), "not renewed"),
        (Loan(0, "a", is_returned=True), "given back"),
        (Loan(0, is_returned=True), "given back"),
    ],
)
def test_why_it_ended_is_said(loan: Loan, why: str) -> None:
    assert loan.why_over == why


def test_it_is_out_before_its_time_is_over_and_not_then() -> None:
    assert [Loan(5).is_out(now_ns) for now_ns in (4, 5)] == [True, False]

"""What went upstream, by day and subject."""

from __future__ import annotations

from leafnode import limits
from leafnode.uplink.ledger import OTHERS, QUESTIONS, Ledger, Line


def test_lines_are_by_day_and_by_the_first_tokens_of_the_subject() -> None:
    ledger = Ledger(1)
    ledger.sent("2026-11-27", b"ev.a", 100)
    ledger.sent("2026-11-27", b"ev.b", 50)
    ledger.received("2026-11-27", b"ev.b", 7)
    ledger.sent("2026-11-28", b"alarm.x", 1)

    assert ledger.page("2026-11-27") == {"ev": Line(2, 150, 7)}
    assert ledger.bytes_of("2026-11-27") == 157
    assert ledger.bytes_of("2026-11") == 158
    assert ledger.bytes_of("2026-12") == 0
    assert ledger.changed == {"2026-11-27", "2026-11-28"}


def test_more_tokens_make_finer_lines() -> None:
    ledger = Ledger(2)
    ledger.sent("2026-11-27", b"ev.a.x", 1)
    ledger.sent("2026-11-27", b"ev.b.x", 1)

    assert list(ledger.page("2026-11-27")) == ["ev.a", "ev.b"]


def test_subjects_beyond_the_bound_are_one_line() -> None:
    ledger = Ledger(1)
    for number in range(limits.UPLINK_LEDGER_SUBJECTS_MAX + 10):
        ledger.sent("2026-11-27", b"s%d" % number, 1)

    page = ledger.page("2026-11-27")
    assert len(page) == limits.UPLINK_LEDGER_SUBJECTS_MAX + 1
    assert page[OTHERS] == Line(10, 10, 0)


def test_days_beyond_the_bound_are_forgotten_the_oldest_first() -> None:
    ledger = Ledger(1)
    for number in range(limits.UPLINK_LEDGER_DAYS_MAX + 1):
        ledger.sent(f"2026-{number:04}", b"ev", 1)

    assert not ledger.page("2026-0000")
    assert ledger.page("2026-0001")
    assert len(ledger.changed) == limits.UPLINK_LEDGER_DAYS_MAX


def test_a_month_is_the_sum_of_its_days_and_the_forgotten_ones_are_not_in_it() -> None:
    ledger = Ledger(1)
    days = [f"{2000 + n // 336}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}" for n in range(900)]
    for size, day in enumerate(days):
        ledger.sent(day, b"ev", size)
        ledger.found(day, {"ev": Line(1, 10, 1), "al": Line(1, 1, 1)})
        ledger.received(day, b"ev", 3)

    for month in sorted({day[:7] for day in days}):
        of_days = sum(ledger.bytes_of(day) for day in days if day.startswith(month))
        assert ledger.bytes_of(month) == of_days, month
    assert ledger.bytes_of(days[-1]) == 899 + 13 + 3
    assert ledger.bytes_of(days[0][:7]) == 0


def test_what_a_month_has_cost_is_asked_for_without_going_over_its_lines() -> None:
    ledger = Ledger(1)
    ledger.found("2026-11-27", {"ev": Line(1, 10, 2)})
    page = ledger.page("2026-11-27")
    page.clear()  # nobody does; so it shows whether they are looked at

    assert ledger.bytes_of("2026-11") == 12


def test_what_a_former_run_wrote_down_is_added() -> None:
    ledger = Ledger(1)
    ledger.sent("2026-11-27", b"ev", 5)

    ledger.found("2026-11-27", {"ev": Line(1, 10, 2), "alarm": Line(1, 1, 1)})

    assert ledger.page("2026-11-27") == {"ev": Line(2, 15, 2), "alarm": Line(1, 1, 1)}
    assert ledger.bytes_of("2026-11") == 19


def test_questions_have_a_line_of_their_own_and_are_no_messages() -> None:
    ledger = Ledger(1)
    ledger.asked("2026-11-27", 80, 300)

    assert ledger.page("2026-11-27") == {QUESTIONS: Line(0, 80, 300)}
    assert ledger.bytes_of("2026-11") == 380
    assert not ledger.has_sent("2026-11")
    ledger.sent("2026-11-27", b"ev.a", 1)
    assert ledger.has_sent("2026-11")

"""tests/demo/verdict.py: the demo's proof can fail."""

import pytest

from tests.demo.verdict import Account, table


def account(*uplinked: int, sent: int = 3) -> Account:
    return Account("pico", sent, stored=[1, 2, 3], uplinked=uplinked)


def test_every_reading_once_and_in_order_holds() -> None:
    assert account(1, 2, 3).holds


@pytest.mark.parametrize(
    ("uplinked", "lost", "doubled", "in_order"),
    [
        ((1, 3), 1, 0, True),
        ((1, 2, 2, 3), 0, 1, True),
        ((1, 3, 2), 0, 0, False),
        ((), 3, 0, True),
    ],
)
def test_what_is_lost_doubled_or_out_of_order_does_not_hold(
    uplinked: tuple[int, ...], lost: int, doubled: int, in_order: bool
) -> None:
    verdict = account(*uplinked)

    assert not verdict.holds
    assert (verdict.lost, verdict.doubled, verdict.in_order) == (lost, doubled, in_order)


def test_a_reading_that_was_never_sent_does_not_hold() -> None:
    assert not account(1, 2, 3, 4).holds
    assert account(1, 2, 3, 4).foreign == 1


def test_a_device_that_sent_nothing_proves_nothing() -> None:
    assert not account(sent=0).holds


def test_the_table_has_a_row_for_each_device() -> None:
    lines = table([account(1, 2, 3), account(1, 3)]).splitlines()

    assert lines[0].split() == [
        "device",
        "sent",
        "stored",
        "uplinked",
        "lost",
        "doubled",
        "in",
        "order",
    ]
    assert lines[2].split() == ["pico", "3", "3", "3", "0", "0", "yes"]
    assert lines[3].split() == ["pico", "3", "3", "2", "1", "0", "yes"]

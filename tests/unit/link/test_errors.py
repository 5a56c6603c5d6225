"""The link's exceptions hold data and make their own text."""

from leafnode.link.errors import InvalidOption, LinkError, ReadingTooLarge


def test_errors_say_what_was_given_and_what_fits():
    assert str(InvalidOption("window", 9, 1, 8)) == "window: 9 is not within 1 to 8"
    assert str(ReadingTooLarge(300, 238)) == "a reading of 300 bytes; at most 238 fit"


def test_all_of_them_are_link_errors():
    assert isinstance(InvalidOption("window", 9, 1, 8), LinkError)
    assert isinstance(ReadingTooLarge(300, 238), LinkError)

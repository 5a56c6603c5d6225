"""Events are readable in logs and never show a payload there."""

from leafnode.link.events import Hello, Log, Reading


def test_a_reading_names_itself_without_showing_its_payload():
    assert repr(Reading("dev", 7, 3, "t", b"secret")) == "Reading(dev.7.3 't' 6 bytes)"


def test_hello_and_log_show_what_they_hold():
    assert repr(Hello("dev", 7, 3, resumed=True)) == "Hello(dev.7 first_unacked=3 resumed=True)"
    assert repr(Log("dev", 4, "low battery")) == "Log(dev 4 'low battery')"

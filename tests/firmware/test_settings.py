"""settings.toml as CircuitPython's documentation has it. Runs on CPython and MicroPython."""

from node.settings import number_of, parse_settings, read_settings, text_of

from tests.unit.link.wire import raises


def test_texts_numbers_comments_and_empty_lines():
    lines = [
        "# a node",
        "",
        'NODE_NAME = "pico-1"  # its name',
        "NODE_INTERVAL_MS=500 # half a second",
        " OFFSET = -12 ",
        'EMPTY = ""',
    ]

    settings = parse_settings(lines)

    assert settings == {"NODE_NAME": "pico-1", "NODE_INTERVAL_MS": 500, "OFFSET": -12, "EMPTY": ""}


def test_what_is_no_setting_is_refused_with_its_line():
    for line in (
        "NODE_NAME",
        "= 1",
        "A = ",
        "A = yes",
        "A = 1.5",
        "A = 1234567890",
        'A = "open',
        'A = "a" b',
        'A = "a\\n"',
        "[table]",
        "A = -",
    ):
        err = raises(ValueError, parse_settings, ["B = 1", line])

        assert "settings.toml:2:" in str(err), line


def test_a_file_has_a_bound():
    assert parse_settings(["A = 1"] * 64) == {"A": 1}
    raises(ValueError, parse_settings, ["A = 1"] * 65)


def test_the_type_that_is_asked_for_is_the_one_that_is_there():
    settings = {"NAME": "a", "COUNT": 3}

    assert text_of(settings, "NAME", "x") == "a"
    assert text_of(settings, "OTHER", "x") == "x"
    assert number_of(settings, "COUNT", 1) == 3
    assert number_of(settings, "OTHER", 1) == 1
    raises(ValueError, text_of, settings, "COUNT", "x")
    raises(ValueError, number_of, settings, "NAME", 1)


def test_a_file_that_is_not_there_has_no_settings():
    assert read_settings("/nowhere/settings.toml") == {}

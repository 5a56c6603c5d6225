"""Names and subjects: what a device could use to leave its place is refused."""

from leafnode.link import const
from leafnode.link.subject import is_name, is_subject, printable


def test_names_are_one_token_of_letters_digits_dash_and_underscore():
    for name in (b"a", b"pico-1", b"Scale_07", b"x" * const.NAME_BYTES_MAX):
        assert is_name(name)
    for name in (b"", b"a.b", b"a b", b"a*", b">", b"na\xc3\xafve", b"a\n", b"$SYS"):
        assert not is_name(name)
    assert not is_name(b"x" * (const.NAME_BYTES_MAX + 1))


def test_subjects_are_literal_tokens_joined_by_dots():
    for subject in (b"t", b"a.b.c", b"$a/b:c", b"x" * const.SUBJECT_BYTES_MAX):
        assert is_subject(subject)
    assert not is_subject(b"x" * (const.SUBJECT_BYTES_MAX + 1))


def test_subjects_that_could_match_more_or_end_a_line_are_refused():
    wrong = [b"", b".", b".a", b"a.", b"a..b", b"*", b"a.*", b">", b"a.>", b"a b", b"a\tb"]
    wrong += [b"a\r\nPUB b", b"a\x00", b"a\x7f", b"\xc3\xa9"]
    for subject in wrong:
        assert not is_subject(subject)


def test_printable_replaces_what_could_forge_a_line_of_a_log():
    assert printable(b"ok\r\n[ERR] \x1b[31m\xff") == "ok??[ERR] ?[31m?"

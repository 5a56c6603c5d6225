"""leafnode.store.subjects: ids, ends and what patterns stand for."""

from leafnode import limits
from leafnode.store.subjects import Subject, Subjects


def subjects(*names: bytes) -> Subjects:
    made = Subjects()
    for name in names:
        made.put(made.next_sid, name).add(made.next_sid)
        made.count += 1
    return made


def test_ids_count_up_from_one() -> None:
    assert {name: one.sid for name, one in subjects(b"a", b"b").by_name.items()} == {
        b"a": 1,
        b"b": 2,
    }


def test_no_pattern_and_the_full_wildcard_stand_for_all() -> None:
    made = subjects(b"a", b"b")

    assert made.sids([]) is None
    assert made.sids([b"a", b">"]) is None


def test_a_literal_stands_for_its_own_id() -> None:
    made = subjects(b"a", b"b")

    assert made.sids([b"b"]) == {2}
    assert made.sids([b"c"]) == set()


def test_wildcards_stand_for_those_that_match_and_for_later_ones() -> None:
    made = subjects(b"a.x", b"b.x", b"a.y")
    assert made.sids([b"*.x"]) == {1, 2}

    made.put(4, b"c.x").add(9)

    assert made.sids([b"*.x"]) == {1, 2, 4}


def test_a_set_that_was_given_out_does_not_change() -> None:
    made = subjects(b"a.x")
    before = made.sids([b"*.x"])

    made.put(2, b"b.x").add(9)
    made.sids([b"*.x"])

    assert before == {1}


def test_filters_beyond_the_bound_are_let_go_and_asked_for_anew() -> None:
    made = subjects(b"a.x")
    for number in range(limits.SUBJECT_FILTERS_MAX + 1):
        made.sids([b"*.%d" % number])

    assert len(made._filters) == limits.SUBJECT_FILTERS_MAX
    assert (b"*.0",) not in made._filters
    assert made.sids([b"*.0"]) == set()


def test_forget_empty_drops_names_and_takes_them_out_of_filters() -> None:
    made = subjects(b"a.x", b"b.x")
    made.sids([b"*.x"])
    made.by_name[b"a.x"].msgs = 0
    made.count = 1

    assert made.forget_empty() == [1]

    assert made.sids([b"*.x"]) == {2}
    assert made.by_name.keys() == {b"b.x"}
    assert [one.name for one in made.matching(b">")] == [b"b.x"]
    assert made.forget_empty() == []


def test_a_name_that_comes_back_gets_a_new_id() -> None:
    made = subjects(b"a")
    made.by_name[b"a"].msgs = 0
    made.count = 0
    made.forget_empty()

    assert made.put(made.next_sid, b"a").sid == 2


def test_ends_are_bounds_after_their_message_is_dropped() -> None:
    subject = Subject(1, b"a")
    for seq in (3, 5, 9):
        subject.add(seq)

    subject.drop(3)
    subject.drop(9)

    assert (subject.msgs, subject.first_stale, subject.last_stale) == (1, True, True)
    assert (subject.first_seq, subject.last_seq) == (4, 8)


def test_the_only_message_left_is_the_oldest_as_well() -> None:
    subject = Subject(1, b"a")
    subject.add(3)
    subject.add(5000)

    subject.drop(3)

    assert (subject.first_seq, subject.first_stale) == (5000, False)


def test_a_new_message_makes_the_end_exact_again() -> None:
    subject = Subject(1, b"a")
    subject.add(3)
    subject.drop(3)

    subject.add(7)

    assert (subject.first_seq, subject.first_stale) == (7, False)
    assert (subject.last_seq, subject.last_stale) == (7, False)

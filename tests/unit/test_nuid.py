"""leafnode.nuid: names as NATS makes them."""

from random import Random

from leafnode.nuid import ALPHABET, NUID_LENGTH, hash8, nuid


def test_nuid_has_22_characters_of_base_62() -> None:
    name = nuid(Random(1))

    assert len(name) == NUID_LENGTH
    assert set(name) <= set(ALPHABET)


def test_nuid_comes_from_the_given_random_source() -> None:
    assert nuid(Random(7)) == nuid(Random(7))
    assert nuid(Random(7)) != nuid(Random(8))


def test_hash8_of_the_global_account_is_the_one_seen_on_the_wire() -> None:
    assert hash8("$G") == "szMpdrwD"

"""leafnode.nuid: names as NATS makes them."""

from collections import Counter
from random import Random

from leafnode.nuid import ALPHABET, NUID_LENGTH, hash8, nuid


def test_nuid_has_22_characters_of_base_62() -> None:
    name = nuid(Random(1))

    assert len(name) == NUID_LENGTH
    assert set(name) <= set(ALPHABET)


def test_nuid_comes_from_the_given_random_source() -> None:
    assert nuid(Random(7)) == nuid(Random(7))
    assert nuid(Random(7)) != nuid(Random(8))


def test_nuid_is_one_draw_from_the_source_since_each_asks_the_system() -> None:
    class Counted(Random):
        draws = 0

        def getrandbits(self, k: int, /) -> int:
            self.draws += 1
            return super().getrandbits(k)

        def random(self) -> float:
            self.draws += 1
            return super().random()

    source = Counted(1)

    nuid(source)

    assert source.draws == 1


def test_every_character_of_the_alphabet_comes_about_as_often_as_the_others() -> None:
    seen = Counter(nuid(Random(3), 62_000))

    assert set(seen) == set(ALPHABET)
    assert 800 < min(seen.values()) <= max(seen.values()) < 1400


def test_hash8_of_the_global_account_is_the_one_seen_on_the_wire() -> None:
    assert hash8("$G") == "szMpdrwD"

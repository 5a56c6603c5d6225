"""Rules for state machines over streams, each with what the naive model says of it.

Streams S (limits), N (counters) and O (an origin), on whatever answers `put` and `api`. Knows no
server.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.oracle.jetstream import Kept, Stream

NO_HEADERS: Final[dict[str, str]] = {}
letters = st.sampled_from("abc")
payloads = st.binary(max_size=8)
near = st.integers(0, 25)


class StreamRules(RuleBasedStateMachine):
    """Publishes, batches, counters and removals."""

    ttl: ClassVar[str]  # of messages that age

    def __init__(self) -> None:
        super().__init__()
        self.s = Stream()
        self.doubtful: set[str] = set()  # ids on which the two may differ
        self.totals: dict[str, int] = {}
        self.additions = 0
        self.origin: list[tuple[str, bytes]] = []
        self.batches = 0

    def put(
        self, subject: str, payload: bytes, headers: dict[str, str] = NO_HEADERS
    ) -> dict[str, Any]:
        """Publish, and return the answer."""
        raise NotImplementedError

    def api(self, endpoint: str, body: Any = None) -> dict[str, Any]:
        """Ask, and return the answer."""
        raise NotImplementedError

    def name(self, letter: str) -> str:
        """Return what a stream is called."""
        return letter

    # --- S

    @rule(
        letter=letters,
        payload=payloads,
        ages=st.booleans(),
        rollup=st.sampled_from(["", "", "", "sub", "all"]),
    )
    def publish(self, letter: str, payload: bytes, ages: bool, rollup: str) -> None:
        subject = f"s.{letter}"
        headers = {"Nats-TTL": self.ttl} if ages else {}
        headers |= {"Nats-Rollup": rollup} if rollup else {}

        answer = self.put(subject, payload, headers)

        assert answer["seq"] == self.s.put(Kept(0, subject, payload, ages=ages), rollup=rollup)

    @rule(letter=letters, number=st.integers(0, 3))
    def publish_once(self, letter: str, number: int) -> None:
        name = f"id{number}"
        while name in self.doubtful:
            name += "+"
        answer = self.put(f"s.{letter}", b"once", {"Nats-Msg-Id": name})

        known = self.s.ids.get(name)
        if known is None:
            known = self.s.ids[name] = self.s.put(Kept(0, f"s.{letter}", b"once"))
            assert "duplicate" not in answer
        else:
            assert answer["duplicate"] is True
        assert answer["seq"] == known

    @rule(letter=letters, seq=near)
    def publish_expecting(self, letter: str, seq: int) -> None:
        subject = f"s.{letter}"
        newest = max((one.seq for one in self.s.of(subject)), default=0)

        answer = self.put(subject, b"e", {"Nats-Expected-Last-Subject-Sequence": str(seq)})

        if seq == newest:
            assert answer["seq"] == self.s.put(Kept(0, subject, b"e"))
        else:
            assert answer["error"]["err_code"] == 10071

    @rule(seq=near)
    def delete(self, seq: int) -> None:
        answer = self.api(f"STREAM.MSG.DELETE.{self.name('S')}", {"seq": seq})

        assert answer.get("success", False) is self.s.remove(seq)

    @rule(letter=st.sampled_from(["", "a", "b"]), keep=st.integers(0, 2))
    def purge(self, letter: str, keep: int) -> None:
        body: dict[str, Any] = {"filter": f"s.{letter}"} if letter else {}
        body |= {"keep": keep} if keep else {}

        answer = self.api(f"STREAM.PURGE.{self.name('S')}", body)

        assert answer["purged"] == self.s.purge(subject=body.get("filter", ""), keep=keep)

    @rule(
        letter_list=st.lists(letters, min_size=1, max_size=5),
        how=st.sampled_from(["commit", "commit", "wrong", "left"]),
    )
    def batch(self, letter_list: list[str], how: str) -> None:
        """All of its messages are stored, or none."""
        answer = self.put_batch("s", letter_list, how)

        if how == "commit":
            for letter in letter_list:
                self.s.put(Kept(0, f"s.{letter}", b"batch"))
            assert (answer["count"], answer["seq"]) == (len(letter_list), self.s.last_seq)
        elif how == "wrong":
            assert answer["error"]["err_code"] == 10071

    # --- N

    @rule(letter=letters, by=st.integers(-9, 9))
    def count(self, letter: str, by: int) -> None:
        answer = self.put(f"n.{letter}", b"", {"Nats-Incr": f"{by:+d}"})

        self.totals[letter] = self.totals.get(letter, 0) + by
        self.additions += 1
        assert (answer["val"], answer["seq"]) == (str(self.totals[letter]), self.additions)

    # --- O

    @rule(letter=letters, payload=payloads)
    def publish_origin(self, letter: str, payload: bytes) -> None:
        self.put(f"o.{letter}", payload)
        self.origin.append((f"o.{letter}", payload))

    @rule(letter_list=st.lists(letters, min_size=1, max_size=5))
    def batch_origin(self, letter_list: list[str]) -> None:
        self.put_batch("o", letter_list, "commit")
        self.origin += [(f"o.{letter}", b"batch") for letter in letter_list]

    def put_batch(self, stream: str, letter_list: list[str], how: str) -> dict[str, Any]:
        """Publish a batch; `how`: committed, left open, or with a member that is refused."""
        self.batches += 1
        answer: dict[str, Any] = {}
        for number, letter in enumerate(letter_list, start=1):
            headers = {"Nats-Batch-Id": f"b{self.batches}", "Nats-Batch-Sequence": str(number)}
            if number == len(letter_list) and how != "left":
                headers["Nats-Batch-Commit"] = "1"
            if number == 1 and how == "wrong":
                headers["Nats-Expected-Last-Sequence"] = "999"
            answer = self.put(f"{stream}.{letter}", b"batch", headers)
        return answer

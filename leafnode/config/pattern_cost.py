r"""How many steps a backtracking matcher may need for a pattern, before anything is matched.

Knows trees of patterns; not the matcher. A matcher that goes back tries one run through the
pattern's automaton after the other, so the number of runs on the worst reading bounds its work.
Runs part where two next characters fit the same one: `\d+,\d+` has one run on any reading,
`.*\d+` as many as it has digits, `(\d+)*` twice as many with every digit.
Truth: Glushkov, "The abstract theory of automata", 1961; Weber and Seidl, "On the degree of
ambiguity of finite automata", 1991; tests/unit/config/test_pattern_cost.py counts runs one by one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from leafnode.config import serial_bounds
from leafnode.config.pattern import Chars, Choice, Named, Node, PatternError, Repeat, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Automaton:
    """Glushkov's: a state for every character of the pattern, entered by that character.

    `follow[p][q]` is the number of ways from p to q: more than one where repetitions are nested.
    """

    masks: list[int] = field(default_factory=list)
    follow: list[Counter[int]] = field(default_factory=list)
    first: Counter[int] = field(default_factory=Counter)
    branches: int = 1


@dataclass(slots=True)
class _Part:
    first: Counter[int]
    last: Counter[int]
    nullable: bool


def automaton(tree: Node) -> Automaton:
    """Return the automaton of a pattern. Raises PatternError for one that is too large, or that
    can match nothing in several ways.
    """
    built = Automaton()
    built.first = _build(tree, built).first
    return built


def steps(built: Automaton, size: int) -> int:
    """Return an upper bound of the runs on any reading of up to `size` characters.

    It is counted no further than PATTERN_STEPS_MAX.
    """
    together = _together(built)
    before: list[dict[int, int]] = [{} for _ in built.masks]
    for state, ways in enumerate(built.follow):
        for reached, count in ways.items():
            before[reached][state] = count
    runs = dict(built.first)
    total = 1
    for done in range(size):
        more = _most_at_once(runs, together) * (1 + built.branches // 8)
        after = _next(built, runs, before, together)
        if after == runs:
            return min(total + more * (size - done), serial_bounds.PATTERN_STEPS_MAX + 1)
        total += more
        if total > serial_bounds.PATTERN_STEPS_MAX or not after:
            break
        runs = after
    return total


def _build(node: Node, built: Automaton) -> _Part:
    match node:
        case Chars(mask, _):
            if len(built.masks) == serial_bounds.PATTERN_STATES_MAX:
                problem = (
                    f"more than {serial_bounds.PATTERN_STATES_MAX} characters, with repetitions"
                )
                raise PatternError(problem, 0)
            state = len(built.masks)
            built.masks.append(mask)
            built.follow.append(Counter())
            return _Part(Counter((state,)), Counter((state,)), nullable=False)
        case Sequence(parts):
            return _joined((_build(part, built) for part in parts), built)
        case Choice(branches):
            return _either(branches, built)
        case Named(_, inner):
            return _build(inner, built)
        case Repeat():
            return _repeated(node, built)


def _joined(parts: Iterable[_Part], built: Automaton) -> _Part:
    whole = _Part(Counter(), Counter(), nullable=True)
    for part in parts:
        _link(whole.last, part.first, built)
        if whole.nullable:
            whole.first = whole.first + part.first
        whole.last = whole.last + part.last if part.nullable else part.last
        whole.nullable = whole.nullable and part.nullable
    return whole


def _either(branches: tuple[Node, ...], built: Automaton) -> _Part:
    built.branches = max(built.branches, len(branches))
    parts = [_build(branch, built) for branch in branches]
    if sum(part.nullable for part in parts) > 1:
        raise PatternError("two branches of a choice that may both be empty", 0)
    first: Counter[int] = Counter()
    last: Counter[int] = Counter()
    for part in parts:
        first += part.first
        last += part.last
    return _Part(first, last, nullable=any(part.nullable for part in parts))


def _repeated(node: Repeat, built: Automaton) -> _Part:
    """Copies, each behind the one before it; behind the last needed one all are optional."""
    copies = max(1, node.least) if node.most is None else node.most
    if copies > serial_bounds.PATTERN_STATES_MAX:
        problem = f"more than {serial_bounds.PATTERN_STATES_MAX} characters, with repetitions"
        raise PatternError(problem, 0)
    parts = [_build(node.node, built) for _ in range(copies)]
    if parts[0].nullable:
        raise PatternError("a repetition of what may be empty", 0)
    for one, other in pairwise(parts):
        _link(one.last, other.first, built)
    if node.most is None:
        _link(parts[-1].last, parts[-1].first, built)
    last: Counter[int] = Counter()
    for part in parts[max(0, node.least - 1) :]:
        last += part.last
    return _Part(parts[0].first, last, nullable=node.least == 0)


def _link(last: Counter[int], first: Counter[int], built: Automaton) -> None:
    for state, ways in last.items():
        for after, more in first.items():
            built.follow[state][after] += ways * more


def _together(built: Automaton) -> list[set[int]]:
    """Return for each state the others that the same reading can lead to."""
    together: list[set[int]] = [set() for _ in built.masks]
    work = 0
    waiting: list[tuple[int, int]] = []

    def meet(ones: Iterable[int], others: Iterable[int]) -> None:
        nonlocal work
        for one in ones:
            for other in others:
                work += 1
                if one != other and other not in together[one] and _overlap(built, one, other):
                    together[one].add(other)
                    together[other].add(one)
                    waiting.append((one, other))
        if work > serial_bounds.PATTERN_WORK_MAX:
            raise PatternError("too many ways through it to be looked at", 0)

    meet(built.first, built.first)
    for ways in built.follow:
        meet(ways, ways)
    while waiting:
        one, other = waiting.pop()
        meet(built.follow[one], built.follow[other])
    return together


def _overlap(built: Automaton, one: int, other: int) -> bool:
    return bool(built.masks[one] & built.masks[other])


def _next(
    built: Automaton,
    runs: dict[int, int],
    before: list[dict[int, int]],
    together: list[set[int]],
) -> dict[int, int]:
    """Return the most runs into each state after one character more."""
    after: dict[int, int] = {}
    for state in {state for one in runs for state in built.follow[one]}:
        ways = before[state]
        alone = crowd = 0
        for one, count in ways.items():
            number = runs.get(one, 0) * count
            if together[one].isdisjoint(ways):
                alone = max(alone, number)
            else:
                crowd += number
        after[state] = max(alone, crowd)
    return after


def _most_at_once(runs: dict[int, int], together: list[set[int]]) -> int:
    """Return the most runs that one reading can have."""
    return max(
        (
            number + sum(runs.get(other, 0) for other in together[state])
            for state, number in runs.items()
        ),
        default=0,
    )

"""Why the hub does not take a message, and whether it ever will.

Pure. Truth: nats-server 2.15.1 server/errors.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from leafnode.uplink.answers import Failure

_TOO_LARGE: Final = 10054  # message size exceeds maximum allowed
_HEADER_TOO_LARGE: Final = 10097  # header size exceeds maximum allowed of 64k
_STORE_FAILED: Final = 10077  # many reasons, told apart by their words
NEVER_ANSWERED: Final = "the hub never answered, though it answers others"
_SUBJECT_IS_FULL: Final = "maximum messages per subject exceeded"


class Refusal(NamedTuple):
    """`for_good`: the same message would be refused again, and others would not. `of_all`: what was
    sent of it before was refused for the same.
    """

    text: str
    for_good: bool
    code: int = 0
    of_all: bool = False


def refusal(failure: Failure) -> Refusal:
    """Judge an error PubAck. A full hub, a sealed stream and whatever is not known may change."""
    for_good = failure.err_code in {_TOO_LARGE, _HEADER_TOO_LARGE} or (
        failure.err_code == _STORE_FAILED and _SUBJECT_IS_FULL in failure.text
    )
    return Refusal(str(failure), for_good, failure.err_code)


def larger_than(size: int, max_bytes: int) -> Refusal:
    """Sending it would make the hub close the link, for everybody on it."""
    return Refusal(f"{size} bytes, the hub takes at most {max_bytes}", for_good=True)


def closed_for(size: int, *, is_proven: bool) -> Refusal:
    """The hub has closed the link for such a message, or for what else the link carried."""
    if is_proven:
        text = f"{size} bytes: its account's limit is less, the link ends by it"
    else:
        text = f"{size} bytes: the link ended by it twice, or by live traffic that is too large"
    return Refusal(text, for_good=is_proven, of_all=True)


def not_taken(subject: bytes) -> Refusal:
    """The hub answers, and nothing there wants this subject."""
    text = f"nobody upstream takes {subject.decode('utf-8', 'replace')}"
    return Refusal(text, for_good=True)


def denied(subject: bytes) -> Refusal:
    """By its permissions the hub lets this leaf publish other subjects alone; they may change."""
    text = f"its permissions deny {subject.decode('utf-8', 'replace')} to this leaf"
    return Refusal(text, for_good=False)


def never_answered() -> Refusal:
    """It answers what goes before and behind, and does not have this one."""
    return Refusal(NEVER_ANSWERED, for_good=True)

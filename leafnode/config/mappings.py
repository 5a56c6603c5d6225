"""`mappings { … }`: subjects that are routed as others, of one account or of the global one.

Knows the keys and what weights may add up to; `protocol.transform` knows destinations. Truth:
nats-server 2.15.1 server/opts.go parseAccountMappings (measured); its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.config import convert
from leafnode.config.account_options import Destination, Mapping
from leafnode.config.place import Block, Place, Row
from leafnode.config.sharing import percent
from leafnode.errors import TransformError, quoted
from leafnode.protocol.transform import Transform, mapping_transform, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALL_PERCENT: Final = 100


def mappings(place: Place) -> tuple[Mapping, ...]:
    found = []
    for source, node in place.entries().items():
        if node.used:  # a variable's definition
            continue
        where = place.child(source, node)
        if not convert.is_subject(source):
            raise where.error(f"Subject {quoted(source)} is not a valid subject")
        destinations = _destinations(where)
        if misfit := misfit_of(source, destinations):
            to = ""
            if isinstance(node.value, str):
                to = f" to {quoted(node.value)}"
            raise where.error(f"Error adding mapping for {quoted(source)}{to} : {misfit.problem}")
        found.append(Mapping(source, destinations, node))
    return tuple(found)


def _destinations(place: Place) -> tuple[Destination, ...]:
    value = place.node.value
    if isinstance(value, str):
        return (Destination(value),)
    if isinstance(value, list):
        return tuple(_weighted(item) for item in place.items("destinations"))
    return (_weighted(place),)


def _weighted(place: Place) -> Destination:
    given = _DESTINATION.read(place)
    given.need("subject", "destination, the subject")
    subject = quoted(given.values["subject"])
    given.need("weight_percent", f"weight: Missing weight for mapping destination {subject}")
    return Destination(**given.values)


class Misfit(NamedTuple):
    """Why a mapping cannot be; `destination` is empty where it is not one of them alone."""

    problem: str
    destination: str = ""


def misfit_of(source: str, destinations: Iterable[Destination]) -> Misfit | None:
    """Return what is wrong with a mapping, or None. Source: server/accounts.go
    AddWeightedMappings.
    """
    if not convert.is_subject(source):
        return Misfit("invalid subject")
    seen = set()
    totals = {"": 0}
    for one in destinations:
        if one.subject in seen:
            return Misfit(f"duplicate entry for {quoted(one.subject)}")
        seen.add(one.subject)
        totals[one.cluster] = totals.get(one.cluster, 0) + one.weight_percent
        if totals[one.cluster] > _ALL_PERCENT:
            return Misfit("total weight needs to be <= 100")
        try:
            mapping_transform(source.encode(), one.subject.encode())
        except TransformError as err:
            return Misfit(str(err), one.subject)
    if source in seen or set(totals.values()) == {_ALL_PERCENT}:
        return None
    try:
        Transform(source.encode(), tokenize(source.encode()))  # where the rest stays
    except TransformError as err:
        return Misfit(str(err))
    return None


_DESTINATION: Final = Block(
    (
        Row(("destination", "dest"), "subject", convert.text),
        Row(("weight",), "weight_percent", percent(0)),
        Row(("cluster",), "cluster", convert.text),
    )
)

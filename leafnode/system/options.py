"""What a request of the system account may ask for, and of which servers.

Pure; `reading` has how its JSON is read. Truth: nats-server 2.15.1 server/events.go and
server/monitor.go, the texts measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leafnode.limits import SYSTEM_REQUEST_BYTES_MAX

if TYPE_CHECKING:
    from leafnode.system.envelope import About


class BadRequest(ValueError):  # noqa: N818 -- what the answer says, as nats-server words it
    """JSON that cannot be read; the text is the answer's description, the code is 400."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one kind of request: name in JSON -> Go's name of its type."""

    struct: str  # Go's name, which its errors show
    types: dict[str, str]


_FILTER: Final = {
    "server_name": "string",
    "cluster": "string",
    "host": "string",
    "exact_match": "bool",
    "tags": "[]string",
    "domain": "string",
}


def _fields(struct: str, **types: str) -> Fields:
    named = {name.replace("__", "-"): kind for name, kind in types.items()}
    return Fields(struct, named | _FILTER)


FILTER_ONLY: Final = _fields("EventFilterOptions")
STATSZ: Final = _fields("StatszEventOptions")
VARZ: Final = _fields("VarzEventOptions")
EXPVARZ: Final = _fields("ExpvarzEventOptions")
ACCOUNT_INFO: Final = _fields("AccInfoEventOptions")
SUBSZ: Final = _fields(
    "SubszEventOptions",
    offset="int",
    limit="int",
    subscriptions="bool",
    account="string",
    test="string",
)
CONNZ: Final = _fields(
    "ConnzEventOptions",
    sort="server.SortOpt",
    auth="bool",
    subscriptions="bool",
    subscriptions_detail="bool",
    offset="int",
    limit="int",
    cid="uint64",
    mqtt_client="string",
    state="server.ConnState",
    user="string",
    acc="string",
    filter_subject="string",
)
ROUTEZ: Final = _fields("RoutezEventOptions", subscriptions="bool", subscriptions_detail="bool")
GATEWAYZ: Final = _fields(
    "GatewayzEventOptions",
    name="string",
    accounts="bool",
    account_name="string",
    subscriptions="bool",
    subscriptions_detail="bool",
)
LEAFZ: Final = _fields("LeafzEventOptions", subscriptions="bool", account="string")
ACCOUNTZ: Final = _fields("AccountzEventOptions", account="string")
ACCOUNT_STATZ: Final = _fields(
    "AccountStatzEventOptions", accounts="[]string", include_unused="bool"
)
JSZ: Final = _fields(
    "JszEventOptions",
    account="string",
    accounts="bool",
    streams="bool",
    consumer="bool",
    direct_consumer="bool",
    config="bool",
    leader_only="bool",
    offset="int",
    limit="int",
    raft="bool",
    stream_leader_only="bool",
)
HEALTHZ: Final = _fields(
    "HealthzEventOptions",
    js__enabled="bool",
    js__enabled__only="bool",
    js__server__only="bool",
    js__meta__only="bool",
    account="string",
    stream="string",
    consumer="string",
    details="bool",
)
PROFILEZ: Final = _fields(
    "ProfilezEventOptions", name="string", debug="int", duration="time.Duration"
)
IPQUEUESZ: Final = _fields("IpqueueszEventOptions", all="bool", filter="string")
RAFTZ: Final = _fields("RaftzEventOptions", account="string", group="string")
CONNS: Final = Fields("accNumConnsReq", {"acc": "string"})
CID: Final = Fields("KickClientReq", {"cid": "uint64"})


def read(body: bytes, fields: Fields, most: int = SYSTEM_REQUEST_BYTES_MAX) -> dict[str, Any]:
    """Return the given fields by their names. Raises BadRequest."""
    if not body:
        return {}
    if len(body) > most:
        raise BadRequest("request is too large")
    from leafnode.system.reading import given_in  # 0.2 MiB, for who is asked something

    return given_in(body, fields)


def concerns(about: About, given: dict[str, Any]) -> bool:
    """Say whether this server is among those that a request is for."""
    named = (("server_name", about.name), ("host", about.host), ("cluster", about.cluster))
    exact = given.get("exact_match", False)
    for key, ours in named:
        wanted = given.get(key, "")
        if wanted and (wanted != ours if exact else wanted not in ours):
            return False
    if any(tag.strip().lower() not in about.tags for tag in given.get("tags", ())):
        return False
    domain = given.get("domain", "")
    return not domain or domain == about.domain

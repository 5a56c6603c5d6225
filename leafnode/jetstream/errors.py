"""The refusals of JetStream: HTTP-like code, the number that clients switch on, and the text.

One row per refusal that this package uses; `{}` in a text is filled by the caller.
Truth: nats-server 2.15.1 server/errors.json.
"""

from __future__ import annotations

from typing import Final

from leafnode.errors import JetStreamError, StoreBusy, StoreError, StoreFull
from leafnode.protocol import header

TOO_MANY_REQUESTS: Final = header.status(429, b"Too Many Requests")
_STORE_FAILED: Final = header.status(500, b"Store Not Available")

_WRONG_LAST_SEQUENCE: Final = 10071
_TOO_LARGE: Final = frozenset({10054, 10097})
_WHEN_STORING: Final = frozenset({10077, 10165})  # the stream is full; the TTL cannot be
_EXPECTED_SEQUENCES: Final = (
    (b"Nats-Expected-Last-Subject-Sequence", "last sequence by subject"),
    (b"Nats-Expected-Last-Sequence", "last sequence"),
)

# Keyed by err_code; the values are the HTTP-like code and the description.
TABLE: Final[dict[int, tuple[int, str]]] = {
    10002: (400, "resource limits exceeded for account"),
    10003: (400, "bad request"),
    10010: (503, "JetStream clustering support required"),
    10012: (500, "{}"),
    10013: (400, "consumer name already in use"),
    10014: (404, "consumer not found"),
    10015: (400, "deliver subject not valid"),
    10017: (400, "consumer name in subject does not match durable name in request"),
    10018: (400, "consumer expected to be durable but a durable name was not set"),
    10020: (400, "consumer expected to be ephemeral but a durable name was set in request"),
    10021: (400, "stream external api prefix {} must not overlap with $JS.API"),
    10022: (400, "stream external delivery prefix {}"),
    10023: (503, "insufficient resources"),
    10024: (400, "stream external delivery prefix {} must not contain wildcards"),
    10025: (400, "invalid JSON: {}"),
    10026: (400, "maximum consumers limit reached"),
    10027: (400, "maximum number of streams reached"),
    10028: (500, "insufficient memory resources available"),
    10030: (400, "stream mirror must have max message size >= source"),
    10031: (400, "stream mirrors can not also contain other sources"),
    10034: (400, "stream mirrors can not contain subjects"),
    10037: (404, "no message found"),
    10038: (400, "expected an empty request payload"),
    10039: (503, "JetStream not enabled for account"),
    10043: (400, "sequence {} not found"),
    10046: (400, "stream source must have max message size >= target"),
    10047: (500, "insufficient storage resources available"),
    10049: (500, "{}"),
    10050: (500, "{}"),
    10051: (500, "{}"),
    10052: (500, "{}"),
    10054: (400, "message size exceeds maximum allowed"),
    10055: (400, "stream mirror configuration can not be updated"),
    10056: (400, "stream name in subject does not match request"),
    10057: (500, "{}"),
    10058: (400, "stream name already in use with a different configuration"),
    10059: (404, "stream not found"),
    10060: (400, "expected stream does not match"),
    10062: (500, "restore failed: {}"),
    10064: (500, "snapshot failed: {}"),
    10065: (400, "subjects overlap with an existing stream"),
    10069: (500, "{}"),
    10070: (400, "wrong last msg ID: {}"),
    10071: (400, "wrong last sequence: {}"),
    10074: (500, "replicas > 1 not supported in non-clustered mode"),
    10077: (503, "{}"),
    10079: (400, "consumer deliver subject has wildcards"),
    10080: (400, "consumer in push mode can not set max waiting"),
    10081: (400, "consumer deliver subject forms a cycle"),
    10082: (400, "consumer requires ack policy for max ack pending"),
    10083: (400, "consumer idle heartbeat needs to be >= 100ms"),
    10084: (400, "consumer in pull mode requires explicit ack policy on workqueue stream"),
    10086: (400, "consumer in pull mode can not have rate limit set"),
    10087: (400, "consumer max waiting needs to be positive"),
    10088: (400, "consumer idle heartbeat requires a push based consumer"),
    10089: (400, "consumer flow control requires a push based consumer"),
    10090: (400, "consumer direct requires a push based consumer"),
    10091: (400, "consumer direct requires an ephemeral consumer"),
    10094: (400, "{}"),
    10095: (400, "failed to parse consumer sampling configuration: {}"),
    10097: (400, "header size exceeds maximum allowed of 64k"),
    10098: (400, "workqueue stream requires explicit ack"),
    10099: (400, "multiple non-filtered consumers not allowed on workqueue stream"),
    10100: (400, "filtered consumer not unique on workqueue stream"),
    10101: (400, "consumer must be deliver all on workqueue stream"),
    10102: (400, "consumer name is too long, maximum allowed is {}"),
    10107: (400, "consumer description is too long, maximum allowed is {}"),
    10108: (400, "consumer with flow control also needs heartbeats"),
    10109: (400, "invalid operation on sealed stream"),
    10110: (500, "{}"),
    10111: (500, "{}"),
    10112: (400, "invalid push consumer deliver subject"),
    10113: (400, "account requires a stream config to have max bytes set"),
    10115: (400, "consumer max request expires needs to be >= 1ms"),
    10116: (400, "max deliver is required to be > length of backoff values"),
    10120: (400, "no JetStream default or applicable tiered limit present"),
    10121: (400, "consumer max ack pending exceeds system limit of {}"),
    10122: (400, "stream max bytes exceeds account limit max stream bytes"),
    10125: (400, "consumer max request batch exceeds server limit of {}"),
    10127: (400, "Consumer name can not contain path separators"),
    10128: (400, "Stream name can not contain path separators"),
    10130: (400, "stream name already in use, cannot restore"),
    10131: (
        400,
        "Consumer create request did not match filtered subject from create subject",
    ),
    10132: (400, "Consumer Durable and Name have to be equal if both are provided"),
    10133: (400, "replicas count cannot be negative"),
    10135: (400, "consumer metadata exceeds maximum size of {}"),
    10136: (400, "consumer cannot have both FilterSubject and FilterSubjects specified"),
    10137: (400, "consumer with multiple subject filters cannot use subject based API"),
    10138: (400, "consumer subject filters cannot overlap"),
    10139: (400, "consumer filter in FilterSubjects cannot be empty"),
    10140: (400, "duplicate source configuration detected"),
    10141: (400, "sourced stream name is invalid"),
    10142: (400, "mirrored stream name is invalid"),
    10143: (400, "stream mirrors can not have first sequence configured"),
    10144: (
        400,
        "source with multiple subject transforms cannot also have a single subject filter",
    ),
    10145: (400, "source transform source: {}"),
    10146: (400, "source transform: {}"),
    10147: (400, "source filters can not overlap"),
    10148: (400, "consumer already exists"),
    10149: (400, "consumer does not exist"),
    10150: (
        400,
        "mirror with multiple subject transforms cannot also have a single subject filter",
    ),
    10151: (400, "mirror transform source: {}"),
    10152: (400, "mirror subject filters can not overlap"),
    10153: (400, "consumer inactive threshold exceeds system limit of {}"),
    10154: (400, "mirror transform: {}"),
    10155: (400, "stream transform source: {}"),
    10156: (400, "stream transform: {}"),
    10157: (400, "pedantic mode: {}"),
    10159: (400, "Setting PriorityPolicy requires at least one PriorityGroup to be set"),
    10160: (400, "Provided priority group does not exist for this consumer"),
    10161: (400, "Group name cannot be an empty string"),
    10162: (
        400,
        "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ "
        "and may not exceed 16 characters",
    ),
    10164: (400, "wrong last sequence"),
    10165: (400, "invalid per-message TTL"),
    10166: (400, "per-message TTL is disabled"),
    10167: (429, "too many requests"),
    10168: (400, "message counters is disabled"),
    10169: (400, "message counter increment is missing"),
    10170: (400, "message counter has payload"),
    10171: (400, "message counter increment is invalid"),
    10172: (400, "message counter is broken"),
    10173: (400, "stream mirrors can not also calculate counters"),
    10174: (400, "atomic publish is disabled"),
    10175: (400, "atomic publish sequence is missing"),
    10176: (400, "atomic publish batch is incomplete"),
    10177: (400, "atomic publish unsupported header used: {}"),
    10178: (400, "priority groups can not be used with push consumers"),
    10179: (400, "atomic publish batch ID is invalid"),
    10183: (400, "consumer ack wait needs to be positive"),
    10184: (400, "consumer backoff needs to be positive"),
    10185: (412, "JetStream minimum api level required"),
    10186: (400, "stream mirrors can not also schedule messages"),
    10187: (400, "stream source can not also schedule messages"),
    10188: (400, "message schedules is disabled"),
    10189: (400, "message schedules pattern is invalid"),
    10190: (400, "message schedules target is invalid"),
    10191: (400, "message schedules invalid per-message TTL"),
    10192: (400, "message schedules invalid rollup"),
    10193: (400, "missing sequence for expected last sequence per subject"),
    10196: (400, "consumer can not have priority groups when policy is none"),
    10197: (400, "PinnedTTL cannot be set when PriorityPolicy is none"),
    10198: (400, "stream mirrors can not also use atomic publishing"),
    10199: (400, "atomic publish batch is too large: {}"),
    10200: (400, "atomic publish batch commit is invalid"),
    10201: (400, "atomic publish batch contains duplicate message id"),
    10203: (400, "message schedules source is invalid"),
    10204: (400, "invalid reset: {}"),
    10205: (400, "batch publish is disabled"),
    10206: (400, "batch publish pattern is invalid"),
    10207: (400, "batch publish ID is invalid"),
    10208: (400, "batch publish ID unknown"),
    10209: (400, "stream mirrors can not also use batch publishing"),
    10210: (429, "atomic publish too many inflight"),
    10211: (429, "batch publish too many inflight"),
    10212: (400, "message schedules invalid scheduler"),
    10213: (400, "stream mirror consumer config is invalid"),
    10214: (400, "stream mirror consumer requires flow control ack policy"),
    10215: (400, "stream source consumer config is invalid"),
    10216: (400, "duplicate stream source consumer detected"),
    10217: (400, "stream source consumer requires flow control ack policy"),
    10218: (400, "flow control ack policy requires a push based consumer"),
    10219: (400, "flow control ack policy requires flow control"),
    10220: (400, "flow control ack policy requires max ack pending"),
    10221: (400, "flow control ack policy requires unset ack wait"),
    10222: (400, "flow control ack policy requires unset max deliver"),
    10223: (400, "message schedules time zone is invalid"),
    10225: (400, "consumer's stream identity does not match: {}"),
    10227: (400, "message stream source header is not allowed"),
}


def js_error(err_code: int, detail: object = None) -> JetStreamError:
    """Return the refusal with that number; `detail` fills the `{}` of its text."""
    code, text = TABLE[err_code]
    return JetStreamError(code, err_code, text if detail is None else text.format(detail))


def error_fields(error: JetStreamError) -> dict[str, int | str]:
    """Return the error as answers show it."""
    return {"code": error.code, "err_code": error.err_code, "description": error.description}


def store_error(error: StoreError) -> JetStreamError:
    """Return what a client is told when the store could not do its part."""
    if isinstance(error, StoreFull):
        return js_error(10047)
    if isinstance(error, StoreBusy):
        return js_error(10167)
    return js_error(10077, str(error) or "store failed")


def store_status(error: StoreError) -> bytes:
    """Return the same as a status, for answers that are messages and not JSON."""
    return TOO_MANY_REQUESTS if isinstance(error, StoreBusy) else _STORE_FAILED


def refuses_when_storing(error: JetStreamError | StoreError) -> bool:
    """Say whether nats-server finds this only when it stores: who only traces is not told."""
    return isinstance(error, JetStreamError) and error.err_code in _WHEN_STORING


def trace_error(error: JetStreamError | StoreError, block: bytes) -> str:
    """Return how a message trace words why a message with this header is not stored."""
    if isinstance(error, StoreError):
        return store_error(error).description
    if error.err_code in _TOO_LARGE:
        return "maximum payload exceeded"
    if error.err_code != _WRONG_LAST_SEQUENCE:
        return error.description
    last = error.description.rpartition(" ")[2]
    for name, what in _EXPECTED_SEQUENCES:
        expected = header.get(block, name)
        if expected is not None:
            return f"{what} mismatch: {expected.decode('utf-8', 'replace')} vs {last}"
    return error.description

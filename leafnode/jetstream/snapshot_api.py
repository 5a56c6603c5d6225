"""The endpoints that send a stream away as an archive, and bring one back.

Each checks a request and starts what does the work. Truth: nats-server 2.15.1
server/jetstream_api.go jsStreamSnapshotRequest, jsStreamRestoreRequest; measured.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from leafnode.jetstream import origin_config, stream_config
from leafnode.jetstream.api_types import RestoreRequest, SnapshotRequest
from leafnode.jetstream.errors import js_error
from leafnode.protocol.subject import is_valid_literal

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.request import Request

_API: Final = b"$JS.API."


def _loaded(name: str) -> Any:
    """Return a module that most servers never need. Raises 10023 where no file can be opened."""
    try:
        return import_module(f"leafnode.jetstream.{name}")
    except (ImportError, OSError):
        raise js_error(10023) from None


def snapshot(js: AccountJetStream, request: Request) -> None:
    """STREAM.SNAPSHOT: answers when the moment is on disk, and then sends."""
    if request.is_empty():
        raise js_error(10003)
    stream = js.stream(request.args[0])
    asked = request.required(SnapshotRequest, "JSApiStreamSnapshotRequest")
    subject = asked.deliver_subject.encode()
    if not is_valid_literal(subject) or subject.startswith(_API):
        raise js_error(10015)  # the server would ask itself, whatever the client may ask
    js.check_transfers()
    _loaded("snapshot").Snapshot(js, stream, asked, request).start()


def restore(js: AccountJetStream, request: Request) -> dict[str, Any]:
    """STREAM.RESTORE: answers where to send the archive."""
    if request.is_empty():
        raise js_error(10003)
    asked = request.required(RestoreRequest, "JSApiStreamRestoreRequest")
    name = request.args[0]
    asked.config.name = asked.config.name or name
    if asked.config.name != name:
        raise js_error(10056)
    window_max_ns = js.context.bounds.duplicate_window_ns
    config = stream_config.checked_restore(asked.config, window_max_ns)
    origin_config.check_among(config, js.config_of, pedantic=False)
    js.check_restore(config)
    js.check_transfers()
    started = _loaded("restore").Restore(js, config, request)
    started.open()
    return {"deliver_subject": started.subject}

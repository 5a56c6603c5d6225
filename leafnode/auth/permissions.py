"""From the permissions of a configuration or a JWT to the rules that routing judges by.

Knows both forms and nothing else. Truth: nats-server 2.15.1 server/client.go setPermissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.permissions import Permissions, ResponseRule, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.config.options import PermissionsOptions


def permissions_of(options: PermissionsOptions | None) -> Permissions | None:
    """Return what a user may do; None: everything."""
    if options is None:
        return None
    allow = _encoded(options.publish.allow)
    responses = None
    if options.responses is not None:
        responses = ResponseRule(
            max_msgs=max(0, options.responses.max_msgs),
            expires_ns=max(0, options.responses.expires_ns),
        )
    return Permissions(
        # Who may answer and is told nothing else may only answer.
        publish=Rules(allow if allow or responses else None, _encoded(options.publish.deny)),
        subscribe=Rules(
            _encoded(options.subscribe.allow) or None, _encoded(options.subscribe.deny)
        ),
        responses=responses,
    )


def without_publishing(permissions: Permissions | None, subject: bytes) -> Permissions:
    """Return the same permissions but for publishing on this subject, which is denied now."""
    if permissions is None:
        return Permissions(publish=Rules(None, [subject]), subscribe=Rules())
    publish = permissions.publish
    return Permissions(
        publish=Rules(publish.allowed, [*publish.denied, subject]),
        subscribe=permissions.subscribe,
        responses=permissions.responses,
    )


def _encoded(patterns: Iterable[str]) -> list[bytes]:
    return [pattern.encode() for pattern in patterns]

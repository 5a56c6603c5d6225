"""What a user may know of itself: `$SYS.REQ.USER.INFO`.

Pure. Truth: nats-server 2.15.1 server/events.go userInfoReq; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from leafnode.auth.identity import Identity
    from leafnode.routing.peer import Peer
    from leafnode.routing.permissions import Permissions, Rules


def user_info(peer: Peer, identity: Identity, now_ns: int, *, user: str) -> dict[str, object]:
    """Return user, account and permissions of a client that logged in. `now_ns` is wall time.

    `user` is what monitoring shows: where nothing proves who it is, what it says of itself.
    """
    assert peer.account is not None, "a request comes from a client in an account"
    answer: dict[str, object] = {
        "user": user,
        "account": peer.account.name,
        "account_name": peer.account.name,
    }
    if identity.name_tag:  # of its JWT
        answer["user_name"] = identity.name_tag
    if peer.permissions is not None:
        answer["permissions"] = _permissions(peer.permissions)
    if identity.expires_ns:
        left_s = max(0, identity.expires_ns - now_ns) // NS_PER_S
        if left_s:
            answer["expires"] = left_s * NS_PER_S  # whole seconds, and none in the last, as there
    return answer


def _permissions(permissions: Permissions) -> dict[str, object]:
    shown: dict[str, object] = {
        "publish": _rules(permissions.publish),
        "subscribe": _rules(permissions.subscribe),
    }
    responses = permissions.responses
    if responses is not None:
        shown["responses"] = {"max": responses.max_msgs, "ttl": responses.expires_ns}
    return shown


def _rules(rules: Rules) -> dict[str, object]:
    shown: dict[str, object] = {}
    allowed = rules.allowed
    if allowed is not None:
        shown["allow"] = [entry.decode("utf-8", "replace") for entry in allowed]
    if rules.denied:
        shown["deny"] = [entry.decode("utf-8", "replace") for entry in rules.denied]
    return shown

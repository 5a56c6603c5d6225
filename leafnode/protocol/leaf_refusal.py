"""What a hub's -ERR means for the side that dialed: how long to wait, and the cause in words.

One table, nothing else. It must not know connections or clocks. Truth: the delays that nats-server
2.15.1 keeps as a dialer, measured; the texts of its server/leafnode.go and server/errors.go.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from leafnode.limits import LEAF_LOOP_DELAY_NS, LEAF_MIN_VERSION_DELAY_NS


class Refusal(NamedTuple):
    """`delay_ns` is waited on top of the reconnect interval. `ends`: the hub closes after it.

    `leaves`: so do we, as nats-server does, whatever the hub does.
    """

    text: str  # how the hub's text starts
    delay_ns: int
    cause: str
    ends: bool = True
    leaves: bool = False


REFUSALS: Final = (
    Refusal(
        "Authorization Violation",
        0,
        "the hub refused the credentials: check this remote's password, token, nkey or .creds",
    ),
    Refusal("Authentication Timeout", 0, "the hub waited too long for CONNECT: the link is slow"),
    Refusal("User Authentication Expired", 0, "the user JWT in the .creds file has expired"),
    Refusal("Account Authentication Expired", 0, "the account JWT at the hub has expired"),
    Refusal("User Authentication Revoked", 0, "the account at the hub has revoked this user"),
    Refusal(
        "remote leafnode has same cluster name",
        LEAF_LOOP_DELAY_NS,
        "the hub's cluster is named like this server: choose another server_name",
    ),
    Refusal(
        "cluster name cannot contain spaces", 0, "server_name has a space, which the hub refuses"
    ),
    Refusal(
        "connection rejected since minimum version required",
        LEAF_MIN_VERSION_DELAY_NS,
        "the hub's leafnodes.min_version is above the version that this server is compatible with",
    ),
    Refusal(
        "Loop detected for leafnode account",
        LEAF_LOOP_DELAY_NS,
        "the leaf connections of this account form a ring: remove one of them",
        leaves=True,
    ),
    Refusal(
        "Duplicate Remote LeafNode Connection",
        0,
        "another server with the same server_name and account has connected to this hub",
    ),
    Refusal(
        "Permissions Violation for Publish",
        0,
        "the hub does not let this user publish that subject: see its publish permissions",
    ),
    Refusal(
        "Permissions Violation for Subscription",
        0,
        "the hub does not let this user subscribe to that subject: see its subscribe permissions",
    ),
    Refusal(
        "maximum account active connections exceeded",
        0,
        "the account at the hub has all the leaf connections that it may have",
    ),
    Refusal(
        "maximum subscriptions exceeded",
        0,
        "the account at the hub takes no more subscriptions: some interest is not served",
        ends=False,
    ),
    Refusal(
        "Maximum Payload Violation", 0, "a message was larger than the hub's or account's limit"
    ),
    Refusal("Invalid Subscription", 0, "the hub did not accept a subject", ends=False),
    Refusal("Unknown Protocol Operation", 0, "the hub did not understand what was sent"),
    Refusal("maximum control line exceeded", 0, "the hub did not accept a line of that length"),
    Refusal("Stale", 0, "the hub got no answer to its PING in time"),
    Refusal(
        "invalid client protocol",
        0,
        "this is a client port: leaf nodes connect to the hub's leafnodes port (7422)",
    ),
    Refusal(
        "Secure Connection - TLS Required",
        0,
        "the hub expects TLS first: add tls { handshake_first: true } to this remote",
    ),
)


def explain(text: str) -> Refusal:
    """Return the row for a hub's error text; an unknown text explains itself."""
    for refusal in REFUSALS:
        if text.startswith(refusal.text):
            return refusal
    return Refusal(text, 0, "the hub reported an error")

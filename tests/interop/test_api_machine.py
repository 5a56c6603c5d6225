"""JetStream's API on our server, on the real one, and in a naive model, all alike.

Any list of operations: the answers of the two are the same, and both hold what the model says. What
depends on time passing is the business of tests/contract/test_api_model.py, where time is ours.
`make model` runs it for long, with restarts of both servers.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.conformance.jetstream import observed
from tests.conformance.jetstream.client import Connection
from tests.contract.stream_rules import NO_HEADERS, StreamRules, letters, near, payloads
from tests.hub.process import nats_server_path
from tests.interop.alike import CONFIG
from tests.interop.both import two_servers
from tests.oracle.jetstream import Interest, Kept, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.jetstream.client import Received
    from tests.hub.process import Hub
    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

# Few, as each restart takes long: nats-server's mirrors ask again after some seconds.
MORE: Final = int(os.environ.get("MODEL_EXAMPLES", "0")) // 40
PATIENCE_S: Final = 60.0  # nats-server counts and removes behind its answers
POLL_S: Final = 0.01
HOUR_NS: Final = 3600 * 1_000_000_000
STREAMS: Final[dict[str, dict[str, Any]]] = {
    "N": {"allow_msg_counter": True},
    "I": {"retention": "interest"},
    "W": {"retention": "workqueue"},
    "O": {"allow_atomic": True},
}
EXAMPLES: Final = itertools.count(1)
# The differences that are allowed. How far a mirror or source is behind, and since when; what
# nats-server says of a stream without any message, which depends on whether it was ever purged; and
# the last time of one that is empty again.
FETCHED: Final = {"mirror", "sources"}
UNTOUCHED: Final = {"first_seq", "last_ts", "deleted", "num_deleted"}
EMPTY: Final = {"last_ts"}


class Server:
    """One server, and one connection to it."""

    def __init__(self, process: Gateway | Hub) -> None:
        self.process = process
        self.connection = Connection(process.client_port, "A", at_once=True)

    def ask(self, subject: str, payload: bytes, headers: dict[str, str] = NO_HEADERS) -> Received:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        block = f"NATS/1.0\r\n{lines}\r\n".encode() if headers else b""
        return self.connection.ask(subject, payload, block)

    def api(self, endpoint: str, body: Any = None) -> Received:
        payload = b"" if body is None else json.dumps(body).encode()
        return self.ask(f"$JS.API.{endpoint}", payload)

    def empty(self) -> None:
        names = observed.value(self.api("STREAM.NAMES")) or {}
        for name in names.get("streams") or ():
            self.api(f"STREAM.DELETE.{name}")

    def restart(self) -> None:
        self.connection.close()
        self.process.stop()
        self.process.start()
        self.connection = Connection(self.process.client_port, "A", at_once=True)


class ServersMachine(StreamRules):
    """Streams S (limits), N (counters), I (interest), W (work queue), O, its mirror M, and X."""

    ttl = "1h"
    servers: tuple[Server, Server]

    def __init__(self) -> None:
        super().__init__()
        self.queues = {"I": Interest(), "W": Interest()}
        self.acks: dict[tuple[str, str, int], tuple[str, str]] = {}  # reply subjects of the two
        self.example = next(EXAMPLES)
        self.is_made = False
        self.was_restarted = False

    @initialize(
        per_subject=st.sampled_from([-1, 1, 3]),
        max_msgs=st.sampled_from([-1, 6]),
        storage=st.sampled_from(["file", "memory"]),
    )
    def start(self, per_subject: int, max_msgs: int, storage: str) -> None:
        for server in self.servers:
            server.empty()
        self.s = Stream(per_subject, max_msgs)
        flags = ("allow_rollup_hdrs", "allow_msg_ttl", "allow_atomic", "allow_direct")
        self.create(
            "S",
            **dict.fromkeys(flags, True),
            max_msgs_per_subject=per_subject,
            max_msgs=max_msgs,
            storage="file" if MORE else storage,
        )
        origin = {"name": self.name("O")}
        for letter, more in STREAMS.items():
            self.create(letter, **more)
        self.create("M", mirror=origin)
        self.create("X", sources=[origin])
        self.add_consumer("W", "C", "")
        self.is_made = True

    def name(self, letter: str) -> str:
        """Return the name of a stream, a new one in each example: now and then nats-server finds
        the messages of a stream that was just deleted in a new one of its name.
        """
        return f"{letter}{self.example}"

    def create(self, letter: str, **more: Any) -> None:
        name = self.name(letter)
        own = {} if {"mirror", "sources"} & more.keys() else {"subjects": [f"{letter.lower()}.*"]}
        answer = self.api(f"STREAM.CREATE.{name}", {"name": name, **own, **more})
        assert "error" not in answer

    # --- S, beside the rules for all

    @rule(seq=near)
    def purge_up_to(self, seq: int) -> None:
        answer = self.api(f"STREAM.PURGE.{self.name('S')}", {"seq": seq})

        gone = [one for one in self.s.messages if one.seq < seq or not seq]
        self.s.drop(gone)
        assert answer["purged"] == len(gone)
        self.s.last_seq = max(self.s.last_seq, seq - 1)

    @rule(letter=letters, seq=near, how=st.sampled_from(["seq", "next", "last"]))
    def get(self, letter: str, seq: int, how: str) -> None:
        subject = f"s.{letter}"
        mine = self.s.of(subject)
        found: list[Kept]
        if how == "seq":
            body, found = {"seq": seq}, [one for one in self.s.messages if one.seq == seq]
        elif how == "next":
            body = {"seq": seq, "next_by_subj": subject}
            found = [one for one in mine if one.seq >= seq][:1]
        else:
            body, found = {"last_by_subj": subject}, mine[-1:]

        answer = self.api(f"STREAM.MSG.GET.{self.name('S')}", body)
        self.asked(f"$JS.API.DIRECT.GET.{self.name('S')}", json.dumps(body).encode())

        got = answer.get("message")
        assert (got and got["seq"]) == (found[0].seq if found else None)

    # --- I and W

    def add_consumer(self, stream: str, name: str, subject: str) -> None:
        policy = "all" if stream == "W" else "new"
        config = {
            "durable_name": name,
            "ack_policy": "explicit",
            "ack_wait": HOUR_NS,
            "deliver_policy": policy,
        } | ({"filter_subject": subject} if subject else {})
        answer = self.api(
            f"CONSUMER.CREATE.{self.name(stream)}.{name}",
            {"stream_name": self.name(stream), "config": config},
        )
        assert "error" not in answer
        self.queues[stream].create(name, subject)

    @rule(name=st.sampled_from(["C", "D"]), letter=st.sampled_from(["", "a"]))
    def create_consumer(self, name: str, letter: str) -> None:
        if name not in self.queues["I"].filters:
            self.add_consumer("I", name, f"i.{letter}" if letter else "")

    @rule(stream=st.sampled_from(["I", "W"]), letter=letters, payload=payloads)
    def publish_wanted(self, stream: str, letter: str, payload: bytes) -> None:
        subject = f"{stream.lower()}.{letter}"
        self.put(subject, payload)
        self.queues[stream].put(subject, payload)

    @rule(stream=st.sampled_from(["I", "W"]), data=st.data())
    def fetch(self, stream: str, data: st.DataObject) -> None:
        queue = self.queues[stream]
        if not queue.filters:
            return
        name = data.draw(st.sampled_from(sorted(queue.filters)))
        seq = queue.next(name)

        request = json.dumps({"batch": 1, "no_wait": True}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.name(stream)}.{name}"
        heard = [server.ask(subject, request) for server in self.servers]

        if seq is None:
            assert {observed.status(one) for one in heard} == {"404 No Messages"}
            return
        assert {one.payload for one in heard} == {queue.messages[seq][1]}
        assert {one.reply.split(".")[5] for one in heard} == {str(seq)}
        self.acks[stream, name, seq] = (heard[0].reply, heard[1].reply)

    @precondition(lambda self: any(self.pending()))
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        stream, name, seq = data.draw(st.sampled_from(self.pending()))
        for server, reply in zip(self.servers, self.acks[stream, name, seq], strict=True):
            server.ask(reply, b"+ACK")
        self.queues[stream].ack(name, seq)

    def pending(self) -> list[tuple[str, str, int]]:
        return sorted(
            (stream, name, seq)
            for stream, queue in self.queues.items()
            for name, seqs in queue.pending.items()
            for seq in seqs
        )

    @precondition(lambda self: self.queues["I"].filters)
    @rule(data=st.data())
    def delete_consumer(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.queues["I"].filters)))
        self.api(f"CONSUMER.DELETE.{self.name('I')}.{name}")
        self.queues["I"].delete(name)

    # --- what happens to servers

    @precondition(lambda self: MORE and not self.was_restarted)
    @rule()
    def restart(self) -> None:
        self.was_restarted = True
        self.settled()
        for server in self.servers:
            server.restart()
        self.doubtful |= self.s.ids_of_removed()  # nats-server forgets them, we do not

    # --- the comparison

    @invariant()
    def both_hold_what_the_model_holds(self) -> None:
        if not self.is_made:
            return
        states = self.settled()
        expected = {
            "S": len(self.s.messages),
            "N": self.additions,
            "O": len(self.origin),
            "M": len(self.origin),
            "X": len(self.origin),
            **{name: len(queue.messages) for name, queue in self.queues.items()},
        }
        assert {name: states[name]["state"]["messages"] for name in expected} == expected
        assert states["S"]["state"]["last_seq"] == self.s.last_seq
        for stream, queue in self.queues.items():
            for name in queue.filters:
                pending = states[f"{stream}.{name}"]["num_ack_pending"]
                assert pending == len(queue.pending[name])

    def settled(self) -> dict[str, Any]:
        """Return what both say of all streams and consumers, once they say the same."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            ours, theirs = (self.states(server) for server in self.servers)
            if ours == theirs and self.is_copied(ours):
                return ours
            assert time.monotonic() < deadline, [
                f"{name}: {ours[name]}, not {theirs[name]}"
                for name in ours
                if ours[name] != theirs[name]
            ]
            time.sleep(POLL_S)

    def is_copied(self, states: dict[str, Any]) -> bool:
        """Say whether the mirror and the source have all that they should have."""
        return all(states[name]["state"]["messages"] == len(self.origin) for name in "MX")

    def states(self, server: Server) -> dict[str, Any]:
        found = {}
        request = {"deleted_details": True, "subjects_filter": ">"}
        for letter in ("S", *STREAMS, *"MX"):
            found[letter] = plain(server.api(f"STREAM.INFO.{self.name(letter)}", request))
        for stream, queue in self.queues.items():
            for name in queue.filters:
                info = server.api(f"CONSUMER.INFO.{self.name(stream)}.{name}")
                found[f"{stream}.{name}"] = plain(info)
        return found

    def teardown(self) -> None:
        """Compare each message."""
        if not self.is_made:
            return
        held = {"S": [(one.seq, one.subject, one.payload) for one in self.s.messages]}
        for name in "MX":
            held[name] = [(seq, *one) for seq, one in enumerate(self.origin, start=1)]
        for name, queue in self.queues.items():
            held[name] = [(seq, *one) for seq, one in sorted(queue.messages.items())]
        for name, messages in held.items():
            for seq, subject, payload in messages:
                got = self.api(f"STREAM.MSG.GET.{self.name(name)}", {"seq": seq})["message"]
                assert got["subject"] == subject
                assert base64.b64decode(got.get("data", "")) == payload

    def api(self, endpoint: str, body: Any = None) -> Any:
        payload = b"" if body is None else json.dumps(body).encode()
        return self.asked(f"$JS.API.{endpoint}", payload)

    def put(self, subject: str, payload: bytes, headers: dict[str, str] = NO_HEADERS) -> Any:
        return self.asked(subject, payload, headers)

    def asked(self, subject: str, payload: bytes, headers: dict[str, str] = NO_HEADERS) -> Any:
        """Ask both, and return the answer, which is one."""
        ours, theirs = (server.ask(subject, payload, headers) for server in self.servers)
        assert observed.normal(ours, "_C.") == observed.normal(theirs, "_C.")
        return observed.value(ours) or {}


def plain(got: Received) -> Any:
    """Return an answer without what differs by nature."""
    answer = observed.normal(got)["data"]
    for key in FETCHED & answer.keys():
        del answer[key]
    state = answer.get("state", {})
    unknown = UNTOUCHED if not state.get("last_seq") else EMPTY if not state["messages"] else set()
    for key in unknown & state.keys():
        del state[key]
    return answer


def test_two_servers_and_a_model_are_alike(tmp_path: Path) -> None:
    with two_servers(tmp_path, CONFIG) as processes:
        ours, theirs = (Server(one) for one in processes)

        class Machine(ServersMachine):
            servers = ours, theirs

        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Machine,
            settings=settings(
                max_examples=MORE or 15,
                stateful_step_count=40 if MORE else 25,
                derandomize=not MORE,
                phases=[
                    Phase.generate
                ],  # each step of shrinking would wait for its patience to end
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
        for server in (ours, theirs):
            server.connection.close()

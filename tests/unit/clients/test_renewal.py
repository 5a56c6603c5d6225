"""What a reload does to connected clients: nats-server 2.15.1 server/reload.go."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.authenticator import Authenticator
from leafnode.clients.handler import ClientHandler
from leafnode.clients.renewal import renew_all
from leafnode.config.options import (
    Authorization,
    Options,
    PermissionsOptions,
    ResponseOptions,
    SubjectRules,
    User,
)
from leafnode.limits import TURN_WORK, WITHDRAW_WORK
from leafnode.protocol import errors
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.clients import ClientWorld, SimClient
from tests.sim.imports import stream_import
from tests.sim.peers import FakePeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.identity import Identity

LOGIN = b'{"user":"a","pass":"x","verbose":false,"protocol":1}'


def users(*, password: str = "x", deny: str = "", **more: int) -> Options:
    """Two users, what one of them may not subscribe to, and other options."""
    permissions = PermissionsOptions(subscribe=SubjectRules(deny=(deny,))) if deny else None
    user = User("a", password, permissions=permissions)
    return Options(authorization=Authorization(users=(user, User("b", "y"))), **more)  # type: ignore[arg-type]


def reload(world: ClientWorld, options: Options) -> None:
    """Do what the server does for its clients."""
    seams = world.server.seams
    authenticator = seams.authenticator
    assert isinstance(authenticator, Authenticator)
    authenticator.apply(options)
    seams.options = options
    seams.refresh()
    for handler in list(world.server.registry.open.values()):
        handler.take_options()
    renew_now(*world.server.registry.open.values())


def renew_now(
    *clients: ClientHandler, judge: Callable[[ClientHandler], Identity | None] | None = None
) -> None:
    """Take all steps at once."""
    for _ in renew_all(clients, judge or ClientHandler.again):
        pass


def last_end(world: ClientWorld) -> str:
    """Why the newest connection that is gone ended."""
    return list(world.server.registry.closed_ring)[-1].reason


@pytest.fixture
def world() -> ClientWorld:
    return ClientWorld(users())


@pytest.fixture
def client(world: ClientWorld) -> SimClient:
    """A client that subscribed to two subjects."""
    client = world.client(LOGIN)
    client.says(b"SUB open 1\r\nSUB shut workers 2\r\nPING\r\n")
    return client


def test_a_user_that_did_not_change_is_not_disturbed(world: ClientWorld, client: SimClient) -> None:
    reload(world, users())

    assert client.hears() == b""
    assert client.says(b"PUB open 1\r\nx\r\n") == b"MSG open 1 1\r\nx\r\n"


def test_a_login_that_does_not_hold_any_more_is_cut(world: ClientWorld, client: SimClient) -> None:
    reload(world, users(password="new"))

    assert client.hears() == b"-ERR 'Authorization Violation'\r\n"
    assert client.raw.ended


def test_the_account_of_who_is_let_in_no_more_hears_of_it(
    world: ClientWorld, client: SimClient
) -> None:
    handler = next(iter(world.server.registry.open.values()))
    account = handler.identity.account if handler.identity is not None else ""

    reload(world, users(password="other"))

    refusal = handler._login.refusal
    assert refusal is not None
    assert (refusal.asked, account) == ("$G", "$G")


def test_a_user_that_may_not_connect_this_way_any_more_is_cut(
    world: ClientWorld, client: SimClient
) -> None:
    user = User("a", "x", allowed_connection_types=("WEBSOCKET",))
    reload(world, Options(authorization=Authorization(users=(user,))))

    assert client.hears() == b"-ERR 'Authorization Violation'\r\n"
    assert client.raw.ended


def test_a_user_that_is_gone_is_cut_without_a_word(world: ClientWorld, client: SimClient) -> None:
    reload(world, Options(authorization=Authorization(token="t")))

    assert client.hears() == b""
    assert client.raw.ended
    assert last_end(world) == "Client Closed"


def test_who_needs_a_proxy_now_is_cut_and_monitoring_says_why(
    world: ClientWorld, client: SimClient
) -> None:
    user = User("a", "x", proxy_required=True)
    reload(world, Options(authorization=Authorization(users=(user,))))

    assert client.hears() == b"-ERR 'Authorization Violation'\r\n"
    assert last_end(world) == "Proxy Required"


def test_a_request_from_before_may_still_be_answered() -> None:
    responses = ResponseOptions(max_msgs=1)
    permissions = PermissionsOptions(publish=SubjectRules(deny=(">",)), responses=responses)
    service = User("a", "x", permissions=permissions)
    options = Options(authorization=Authorization(users=(service, User("b", "y"))))
    world = ClientWorld(options)
    client = world.client(LOGIN)
    client.says(b"SUB q 1\r\n")
    asker = world.client(b'{"user":"b","pass":"y","verbose":false}')
    asker.says(b"SUB r 1\r\nPUB q r 1\r\nx\r\n")

    reload(world, replace(options, max_payload_bytes=100))
    client.says(b"PUB r 1\r\ny\r\n")

    assert asker.hears() == b"MSG r 1 1\r\ny\r\n"


def test_subscriptions_that_are_denied_now_are_taken_away_and_the_others_stay(
    world: ClientWorld, client: SimClient
) -> None:
    reload(world, users(deny="shut"))

    text = b'Permissions Violation for Subscription to "shut" using queue "workers" (sid "2")'
    assert client.hears() == b"-ERR '%b'\r\n" % text
    assert client.says(b"PUB shut 1\r\nx\r\nPUB open 1\r\ny\r\n") == b"MSG open 1 1\r\ny\r\n"


def test_permissions_of_now_decide_what_may_be_published(
    world: ClientWorld, client: SimClient
) -> None:
    client.says(b"PUB open 1\r\nx\r\n")  # decided once, with the permissions of then
    permissions = PermissionsOptions(publish=SubjectRules(deny=("open",)))
    user = User("a", "x", permissions=permissions)

    reload(world, Options(authorization=Authorization(users=(user,))))

    text = b"-ERR 'Permissions Violation for Publish to \"open\"'\r\n"
    assert client.says(b"PUB open 1\r\nx\r\n") == text


def link_of(world: ClientWorld, account: str = "$G") -> FakePeer:
    """A leaf link, which decides once where messages of its hub go."""
    return FakePeer(world.server.account(account), cid=1000, kind=Kind.LEAF)


def test_what_a_link_brings_goes_by_the_permissions_of_now(world: ClientWorld) -> None:
    client = world.client(LOGIN)
    client.says(b"SUB > 1\r\n")
    link = link_of(world)
    for _ in range(3):
        link.says(b"LMSG secret.x 1\r\na\r\n")
    assert client.hears().count(b"MSG secret.x 1 1") == 3

    reload(world, users(deny="secret.>"))
    link.says(b"LMSG secret.x 1\r\nb\r\nLMSG open 1\r\nc\r\n")

    assert client.hears() == b"MSG open 1 1\r\nc\r\n"


def test_what_a_link_brings_may_be_answered_once_a_reload_allows_it(world: ClientWorld) -> None:
    client = world.client(LOGIN)
    client.says(b"SUB q 1\r\n")
    asker = world.client(b'{"user":"b","pass":"y","verbose":false}')
    asker.says(b"SUB r 1\r\n")
    link = link_of(world)
    for _ in range(3):
        link.says(b"LMSG q r 1\r\na\r\n")
    permissions = PermissionsOptions(publish=SubjectRules(deny=(">",)), responses=ResponseOptions())

    user = User("a", "x", permissions=permissions)
    reload(world, Options(authorization=Authorization(users=(user, User("b", "y")))))
    link.says(b"LMSG q r 1\r\nb\r\n")
    client.says(b"PUB r 1\r\nc\r\n")

    assert asker.hears() == b"MSG r 1 1\r\nc\r\n"


def test_what_came_by_an_import_goes_by_the_permissions_of_now(world: ClientWorld) -> None:
    exporter = world.server.account("E")
    imports = [stream_import(exporter, b"secret.>", b"secret.>")]
    StreamImports(world.server.account(), imports).start()
    client = world.client(LOGIN)
    client.says(b"SUB > 1\r\n")
    publisher = FakePeer(exporter, cid=1000)
    for _ in range(3):
        publisher.says(b"PUB secret.x 1\r\na\r\n")
    assert client.hears().count(b"MSG secret.x 1 1") == 3

    reload(world, users(deny="secret.>"))
    publisher.says(b"PUB secret.x 1\r\nb\r\n")

    assert client.hears() == b""


def test_who_is_gone_meanwhile_is_left_alone(world: ClientWorld, client: SimClient) -> None:
    handler = client.handler
    client.end.close()
    world.settle()
    asked: list[ClientHandler] = []

    renew_now(handler, judge=asked.append)

    assert asked == []


def test_an_error_of_its_own_is_what_the_client_is_told(client: SimClient) -> None:
    def revoked(_: ClientHandler) -> None:
        raise errors.UserAuthenticationRevoked

    renew_now(client.handler, judge=revoked)

    assert client.hears() == b"-ERR 'User Authentication Revoked'\r\n"
    assert client.raw.ended


def test_what_a_jwt_takes_away_no_link_brings_any_more(world: ClientWorld) -> None:
    client = world.client(LOGIN)
    client.says(b"SUB > 1\r\n")
    link = link_of(world)
    for _ in range(3):
        link.says(b"LMSG secret.x 1\r\na\r\n")
    client.hears()
    denied = Permissions(Rules(), Rules(deny=[b"secret.>"]))

    identity = client.handler.identity
    assert identity is not None
    renew_now(client.handler, judge=lambda _: replace(identity, permissions=denied))
    link.says(b"LMSG secret.x 1\r\nb\r\n")

    assert client.hears() == b""


def test_many_clients_of_an_account_have_it_decide_anew_once(world: ClientWorld) -> None:
    clients = [world.client(LOGIN) for _ in range(10)]
    for client in clients:
        client.says(b"SUB > 1\r\n")
    sublist = world.server.account().sublist
    link_of(world).says(b"LMSG x 1\r\na\r\nLMSG x 1\r\na\r\n")
    before = sublist.generation

    reload(world, users(deny="secret.>"))

    assert sublist.generation == before + 1


def test_many_subscriptions_are_taken_away_in_turns_and_bring_nothing_denied_meanwhile(
    world: ClientWorld,
) -> None:
    first, second = world.client(LOGIN), world.client(LOGIN)
    count = 3 * TURN_WORK // WITHDRAW_WORK
    first.says(b"".join(b"SUB shut.%d %d\r\n" % (sid, sid) for sid in range(count)))
    second.says(b"SUB shut.> 1\r\n")
    link = link_of(world)
    link.says(b"LMSG shut.1 1\r\na\r\n" * 3)
    assert (first.hears().count(b"MSG"), second.hears().count(b"MSG")) == (3, 3)
    identity = first.handler.identity
    assert identity is not None
    denied = replace(identity, permissions=Permissions(Rules(), Rules(deny=[b"shut.>"])))
    handlers = [first.handler, second.handler]
    outbox, subs = world.server.turn.outbox, first.handler.peer.subs
    steps = renew_all(handlers, lambda _: denied)
    outbox.work_left = TURN_WORK
    while len(subs) == count:
        next(steps)

    left = [len(subs)]
    while subs:
        link.says(b"LMSG shut.%d 1\r\nb\r\n" % (count - 1))
        outbox.work_left = TURN_WORK
        next(steps)
        left.append(len(subs))
    list(steps)

    turns = [before - after for before, after in itertools.pairwise(left)]
    assert len(turns) >= 2
    assert max(turns) <= TURN_WORK // WITHDRAW_WORK
    assert b"MSG" not in first.hears() + second.hears()
    assert not second.handler.peer.subs


@pytest.mark.parametrize(
    ("line", "rules", "subject", "beside"),
    [
        (b"SUB a v2 1\r\n", Rules([b"a", b"a v1", b"other.>"]), b"a", b"SUB a 2\r\n"),
        (b"SUB a.* v2 1\r\n", Rules([b"a.*", b"a.* v1", b"other.>"]), b"a.x", b"SUB a.* 2\r\n"),
        (b"SUB a.> 1\r\n", Rules(deny=[b"a.*"]), b"a.b.c", b"SUB a.*.c 2\r\n"),
    ],
)
def test_a_subscription_that_is_withdrawn_brings_nothing_before_its_turn(
    world: ClientWorld, line: bytes, rules: Rules, subject: bytes, beside: bytes
) -> None:
    first, second = world.client(LOGIN), world.client(LOGIN)
    first.says(b"".join(b"SUB other.%d %d\r\n" % (sid, sid) for sid in range(3000)))
    second.says(line + beside)
    other = world.client(b'{"user":"b","pass":"y","verbose":false}')
    other.says(b"PUB %b 1\r\na\r\n" % subject)
    assert second.hears().count(b"MSG") == 2
    identity = first.handler.identity
    assert identity is not None
    changed = replace(identity, permissions=Permissions(Rules(), rules))
    steps = renew_all([first.handler, second.handler], lambda _: changed)
    for _ in range(2):
        next(steps)

    heard = []
    for _ in steps:
        other.says(b"PUB %b 1\r\nb\r\n" % subject)
        heard.append(second.hears())
    other.says(b"PUB %b 1\r\nc\r\n" % subject)

    assert len(heard) >= 2
    assert b"-ERR" not in heard[0]
    assert all(b"MSG %b 2 1\r\nb\r\n" % subject in one for one in heard)
    assert not any(b"MSG %b 1 " % subject in one for one in heard)
    assert second.hears() == b"MSG %b 2 1\r\nc\r\n" % subject
    assert second.handler.peer.sifted_by is None


def test_of_two_renewals_at_once_the_one_that_came_last_says_what_may_stand(
    world: ClientWorld,
) -> None:
    client = world.client(LOGIN)
    client.says(b"SUB a.> 1\r\nSUB a.*.c 2\r\n")
    client.says(b"".join(b"SUB other.%d %d\r\n" % (sid, sid) for sid in range(3, 3000)))
    handler = client.handler
    other = world.client(b'{"user":"b","pass":"y","verbose":false}')
    identity = handler.identity
    assert identity is not None
    ours = iter([Rules(deny=[b"z"]), Rules(deny=[b"a.*"])])  # only the second forbids `a.>`
    first, second = (
        renew_all(
            [handler], lambda _: replace(identity, permissions=Permissions(Rules(), next(ours)))
        )
        for _ in range(2)
    )
    outbox = world.server.turn.outbox
    heard = []
    for steps, count in ((first, 2), (second, 1), (first, 5000), (second, 5000)):
        outbox.work_left = TURN_WORK
        for _ in zip(range(count), steps, strict=False):
            outbox.work_left = TURN_WORK
        other.says(b"PUB a.b.c 1\r\nb\r\n")
        heard.append(client.hears())

    withdrawn = b'-ERR \'Permissions Violation for Subscription to "a.>" (sid "1")\'\r\n'
    both = {b"MSG a.b.c 1 1\r\nb\r\n", b"MSG a.b.c 2 1\r\nb\r\n"}
    assert {b"MSG" + one for one in heard[0].split(b"MSG")[1:]} == both
    assert heard[1:3] == [b"MSG a.b.c 2 1\r\nb\r\n"] * 2
    assert heard[3] == withdrawn + b"MSG a.b.c 2 1\r\nb\r\n"
    assert handler.peer.sifted_by is None


def test_who_goes_while_its_subscriptions_are_looked_at_is_left_alone(world: ClientWorld) -> None:
    client = world.client(LOGIN)
    count = 2 * TURN_WORK // WITHDRAW_WORK
    client.says(b"".join(b"SUB shut.%d %d\r\n" % (sid, sid) for sid in range(count)))
    handler = client.handler
    identity = handler.identity
    assert identity is not None
    denied = replace(identity, permissions=Permissions(Rules(), Rules(deny=[b"shut.>"])))
    steps = renew_all([handler], lambda _: denied)
    world.server.turn.outbox.work_left = TURN_WORK
    while len(handler.peer.subs) == count:
        next(steps)

    client.end.close()
    world.settle()
    list(steps)

    assert client.raw.ended
    assert world.server.account().sublist.count == 0


def test_who_has_not_logged_in_yet_is_left_to_do_so(world: ClientWorld) -> None:
    waiting = world.client(b"")

    reload(world, users(password="new"))

    assert waiting.says(b'CONNECT {"user":"a","pass":"new","verbose":false}\r\nPING\r\n') == (
        b"PONG\r\n"
    )


def test_bounds_of_now_hold_for_connections_of_before(
    world: ClientWorld, client: SimClient
) -> None:
    reload(world, users(max_payload_bytes=3))

    assert client.says(b"PUB open 3\r\nabc\r\n") == b"MSG open 1 3\r\nabc\r\n"
    assert client.says(b"PUB open 4\r\nabcd\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"


def test_a_shorter_control_line_holds_at_once(world: ClientWorld, client: SimClient) -> None:
    reload(world, users(max_control_line_bytes=20))

    assert client.says(b"SUB %b 3\r\n" % (b"x" * 40)) == b"-ERR 'maximum control line exceeded'\r\n"


def test_a_shorter_ping_interval_holds_at_once(world: ClientWorld, client: SimClient) -> None:
    world.clock.advance(5 * 10**9)  # past the first PING
    client.says(b"PONG\r\n")

    reload(world, users(ping_interval_ns=10**9))
    world.clock.advance(2 * 10**9)

    assert client.hears().startswith(b"PING\r\n")


def test_info_is_told_to_those_who_understand_it(world: ClientWorld, client: SimClient) -> None:
    old = world.client(b'{"user":"a","pass":"x","verbose":false}')
    old.says(b"PING\r\n")

    told = [handler.tell() for handler in world.server.registry.open.values()]

    assert told == [True, False]
    assert client.hears().startswith(b'INFO {"server_id":')
    assert old.hears() == b""

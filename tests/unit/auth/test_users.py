"""leafnode.auth.users: who a configuration names."""

from __future__ import annotations

import pytest

from leafnode.auth.identity import ConnectionType
from leafnode.auth.users import Users
from leafnode.config.account_options import AccountOptions
from leafnode.config.options import Authorization, PermissionsOptions, SubjectRules, User

READ_ONLY = PermissionsOptions(publish=SubjectRules(deny=(">",)))


def test_users_of_an_account_live_there_and_others_in_the_global_one() -> None:
    users = Users(
        Authorization(users=(User(user="a", password="p"),)),
        [AccountOptions("APP", users=(User(user="b", password="p"),))],
    )

    assert users.by_name["a"].identity.account == "$G"
    assert users.by_name["b"].identity.account == "APP"


def test_default_permissions_of_an_account_are_those_of_users_without_their_own() -> None:
    own = User(user="own", password="p", permissions=PermissionsOptions())
    account = AccountOptions(
        "APP", users=(User(user="a", password="p"), own), default_permissions=READ_ONLY
    )
    users = Users(Authorization(), [account])

    permissions = users.by_name["a"].identity.permissions
    assert permissions is not None
    assert not permissions.may_publish(b"x")
    assert users.by_name["a"].identity.default_permissions
    own_permissions = users.by_name["own"].identity.permissions
    assert own_permissions is not None
    assert own_permissions.may_publish(b"x")


def test_a_user_comes_in_only_as_it_may() -> None:
    user = User(user="a", password="p", allowed_connection_types=("WEBSOCKET",))
    known = Users(Authorization(users=(user,))).by_name["a"]

    assert known.allows(ConnectionType.WEBSOCKET)
    assert not known.allows(ConnectionType.STANDARD)


def test_an_accounts_block_requires_a_login_and_an_empty_one_does_not() -> None:
    assert Users(Authorization(), [AccountOptions("A", users=(User(user="u"),))]).required
    assert not Users(Authorization(), [AccountOptions("A")]).required


def test_secrets_are_not_shown() -> None:
    known = Users(Authorization(users=(User(user="a", password="canary"),))).by_name["a"]

    assert "canary" not in repr(known)


BCRYPT = "$2a$04$" + "x" * 53
SOCKET_ONLY = ("WEBSOCKET",)


@pytest.mark.parametrize(
    ("authorization", "plain"),
    [
        (Authorization(), False),
        (Authorization(token="t"), False),  # as there
        (Authorization(user="u", password="p"), True),
        (Authorization(user="u", password=BCRYPT), False),
        (Authorization(users=(User(user="u", password=BCRYPT),)), False),
        (Authorization(users=(User(user="u", password=BCRYPT), User(user="v"))), True),
        (Authorization(users=(User(nkey="U" + "A" * 55),)), False),
        (Authorization(users=(User(user="u", password="$2a$x"),)), True),
    ],
)
def test_plain_passwords_are_noticed_as_nats_server_does(
    authorization: Authorization, plain: bool
) -> None:
    assert Users(authorization).has_plain_passwords([]) is plain


def test_users_of_accounts_count_and_those_whom_a_certificate_names_do_not() -> None:
    named, other = User(user="cn"), User(user="ws", allowed_connection_types=SOCKET_ONLY)
    mapping = [ConnectionType.STANDARD]

    def is_plain(user: User) -> bool:
        return Users(Authorization(), [AccountOptions("A", users=(user,))]).has_plain_passwords(
            mapping
        )

    assert [is_plain(named), is_plain(other)] == [False, True]
    assert is_plain(User(user="cn", password="left behind"))


def test_users_with_the_same_permissions_share_their_rules() -> None:
    """9,000 users with default permissions of 100 entries took 1 GB and half a minute."""
    same = PermissionsOptions(publish=SubjectRules(deny=(">",)))
    own = [User(user=name, password="p", permissions=same) for name in ("c", "d")]
    default = [User(user=name, password="p") for name in ("a", "b")]

    users = Users(
        Authorization(),
        [AccountOptions("APP", users=(*own, *default), default_permissions=READ_ONLY)],
    )

    rules = {id(user.identity.permissions) for user in users.by_name.values()}
    assert len(rules) == 1


def test_users_of_before_are_let_go_of_one_by_one() -> None:
    some = tuple(User(user=name, password="p") for name in "abc")
    users = Users(Authorization(users=(*some, User(nkey="U"))))

    left = [len(users.by_name) + len(users.by_key) for _ in users.shed()]

    assert left == [3, 2, 1, 0]

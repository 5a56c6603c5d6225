"""leafnode.auth.trust. Source: nats-server 2.15.1 server/jwt.go validateTrustedOperators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leafnode.auth.trust import Trust, trust_of
from leafnode.config.options import OperatorOptions
from leafnode.errors import AuthError
from tests.hub.jwt import Key
from tests.sim.realm import ACCOUNT, OPERATOR, Realm, User

if TYPE_CHECKING:
    from pathlib import Path

REALM = Realm()
SIGNER = Key(OPERATOR)


def trust(*operators: str, system: str = "", sentinel: str = "") -> Trust:
    return trust_of(OperatorOptions(operators, default_sentinel=sentinel), system)


def refused(*operators: str, system: str = "", sentinel: str = "") -> str:
    with pytest.raises(AuthError) as caught:
        trust(*operators, system=system, sentinel=sentinel)
    return str(caught.value)


def test_an_operator_is_trusted_with_its_signing_keys() -> None:
    found = trust(REALM.operator_jwt(signing_keys=[SIGNER.public]))

    assert found.keys == {REALM.operator.public, SIGNER.public}
    assert found.system_account == REALM.system.public
    assert found.operator == REALM.operator.public
    assert not found.strict


def test_a_strict_operator_signs_with_its_signing_keys_alone() -> None:
    found = trust(REALM.operator_jwt(signing_keys=[SIGNER.public], strict_signing_key_usage=True))

    assert found.keys == {SIGNER.public}
    assert SIGNER.public in found.strict


def test_a_file_may_hold_the_operator_between_dashes(tmp_path: Path) -> None:
    file = tmp_path / "op.jwt"
    file.write_text(f"-----BEGIN NATS OPERATOR JWT-----\n{REALM.operator_jwt()}\n------END------\n")

    assert trust(str(file)).operator == REALM.operator.public
    file.write_text("nothing")
    assert refused(str(file)) == "error parsing operator JWT: no JWT found"
    assert "No such file" in refused(str(tmp_path / "none.jwt"))


def test_several_operators_are_all_trusted() -> None:
    other = Realm()

    found = trust(REALM.operator_jwt(), other.operator_jwt(), system=other.system.public)

    assert found.keys == {REALM.operator.public, other.operator.public}
    assert found.system_account == other.system.public


def test_the_system_account_is_the_operator_s() -> None:
    assert refused(REALM.operator_jwt(), system=Key(ACCOUNT).public) == (
        "system_account in config and operator JWT must be identical"
    )


def test_what_is_no_operator_is_not_trusted() -> None:
    assert "error parsing operator JWT" in refused(REALM.account_jwt())
    assert "operator nkey" in refused(REALM.operator_jwt(signing_keys=[REALM.account.public]))
    token = REALM.operator_jwt()  # of whose signature the last bytes may well be zero
    forged = token[:-20] + ("B" if token[-20] == "A" else "A") + token[-19:]
    assert "signature" in refused(forged)


def test_a_server_that_is_too_old_is_not_used() -> None:
    assert trust(REALM.operator_jwt(assert_server_version="2.15.1"))
    assert trust(REALM.operator_jwt(assert_server_version="1.99.99"))
    for version in ("2.15.2", "2.16.0", "3.0.0"):
        assert "expected" in refused(REALM.operator_jwt(assert_server_version=version))
    for version in ("x", "2.15", "2.15.9999999", "2.15.\u00b2", "2.15.\u0663"):
        assert "no version" in refused(REALM.operator_jwt(assert_server_version=version))


def test_a_default_sentinel_is_a_bearer_token_or_a_scoped_user() -> None:
    user = User()
    bearer = REALM.user_jwt(user, bearer_token=True)

    assert trust(REALM.operator_jwt(), sentinel=bearer).sentinel == bearer
    assert trust(REALM.operator_jwt(), sentinel=REALM.scoped_user_jwt(user, REALM.system))
    assert "bearer" in refused(REALM.operator_jwt(), sentinel=REALM.user_jwt(user))
    assert "not valid" in refused(REALM.operator_jwt(), sentinel="eyJx")


def test_trusted_keys_stand_alone() -> None:
    options = OperatorOptions(trusted_keys=(REALM.operator.public,))

    assert trust_of(options).keys == {REALM.operator.public}
    both = OperatorOptions((REALM.operator_jwt(),), (REALM.operator.public,))
    with pytest.raises(AuthError, match="conflicting options"):
        trust_of(both)


def test_an_operator_s_file_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "op.jwt")

    assert refused(str(tmp_path / "op.jwt")).endswith("op.jwt: is not a regular file")

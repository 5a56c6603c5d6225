"""leafnode.auth.jwt: what is a JWT of NATS, and everything that is not. Source: nats-io/jwt v2."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
from typing import Any

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth import jwt
from leafnode.auth.claims import (
    AccountClaims,
    ActivationClaims,
    GenericClaims,
    OperatorClaims,
    UserClaims,
)
from leafnode.auth.nkey import KeyPair
from leafnode.errors import AuthError
from leafnode.limits import JWT_CHARS_MAX
from tests.hub.jwt import Key
from tests.sim.realm import ACCOUNT, NOW_S, USER, Realm, User

REALM = Realm()
ANN = User()
TOKEN = REALM.user_jwt(ANN, pub={"allow": ["a"]})


def parts(token: str) -> list[dict[str, Any]]:
    """Header and claims."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def signed(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """A JWT of exactly these parts, with a signature that holds."""
    return signed_text(json.dumps(header), json.dumps(claims), key)


def signed_text(header: str, claims: str, key: Key) -> str:
    text = ".".join(
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, claims)
    )
    signature = base64.urlsafe_b64encode(key._pair.sign(text.encode())).decode()
    return f"{text}.{signature.rstrip('=')}"


def says_also(claims: dict[str, Any], again: str) -> str:
    """The claims with more at the end of what NATS has in them."""
    text = json.dumps(claims | {"nats": None})
    nats = json.dumps(claims["nats"])[:-1]
    return text.replace("null", f"{nats},{again}}}")


def refused(token: str, wanted: Any = UserClaims) -> str:
    with pytest.raises(AuthError) as caught:
        jwt.decode(token, wanted)
    return str(caught.value)


def test_a_user_s_claims_come_out_typed() -> None:
    claims = jwt.decode(TOKEN, UserClaims)

    assert (claims.sub, claims.iss, claims.iat) == (ANN.public, REALM.account.public, NOW_S)
    assert claims.account == REALM.account.public
    assert claims.nats.pub.allow == ("a",)
    assert claims.nats.subs == -1


def test_a_jwt_of_another_type_is_refused() -> None:
    assert refused(TOKEN, AccountClaims) == "not account claim"
    assert refused(REALM.account_jwt()) == "not user claim"


def test_a_user_that_an_operator_or_a_user_signed_is_refused() -> None:
    for signer in (REALM.operator, User().key):
        assert refused(REALM.user_jwt(ANN, by=signer)) == (
            "unable to validate expected prefixes - [account]"
        )


def test_an_account_that_a_user_signed_is_refused() -> None:
    assert refused(REALM.account_jwt(by=Key(USER)), AccountClaims) == (
        "unable to validate expected prefixes - [account operator]"
    )


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA", "", None, 5])
def test_an_algorithm_that_is_none_or_another_is_refused(algorithm: object) -> None:
    header, claims = parts(TOKEN)

    token = signed(header | {"alg": algorithm}, claims, REALM.account)

    assert "algorithm" in refused(token)


def test_a_header_of_another_type_is_refused() -> None:
    header, claims = parts(TOKEN)

    assert "header" in refused(signed(header | {"typ": "JWE"}, claims, REALM.account))


def test_a_signature_over_another_body_is_refused() -> None:
    header, body, _ = TOKEN.split(".")
    other = REALM.user_jwt(ANN, pub={"allow": [">"]}).split(".")

    assert "signature" in refused(f"{header}.{other[1]}.{TOKEN.split('.')[2]}")
    assert "signature" in refused(f"{header}.{body}.{other[2]}")


def test_every_part_is_in_the_alphabet_for_urls_without_padding() -> None:
    header, body, _ = TOKEN.split(".")
    key = REALM.account
    claims = json.loads(base64.urlsafe_b64decode(f"{body}===")) | {"name": "?>?>?>"}
    standard = base64.b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    url = standard.replace("+", "-").replace("/", "_")
    assert url != standard

    def resigned(first: str, second: str) -> str:
        raw = nkeys.from_seed(bytearray(key.seed)).sign(f"{first}.{second}".encode())
        return f"{first}.{second}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"

    assert jwt.decode(resigned(header, url), UserClaims).name == "?>?>?>"
    refused(resigned(header, standard))
    refused(resigned(header + "=" * (-len(header) % 4 or 4), body))
    refused(f"{TOKEN}==")


def test_line_ends_in_a_signature_mean_nothing() -> None:
    assert jwt.decode(TOKEN[:-5] + "\r\n" + TOKEN[-5:] + "\n", UserClaims).name == "ann"


def test_a_signature_of_another_key_is_refused() -> None:
    header, claims = parts(TOKEN)

    assert "signature" in refused(signed(header, claims, Key(ACCOUNT)))


def test_the_first_version_signs_the_body_alone_and_is_read_too() -> None:
    claims = {
        "iss": REALM.account.public,
        "sub": ANN.public,
        "iat": NOW_S,
        "type": "user",
        "nats": {"src": "10.0.0.0/8, 192.168.0.1/32", "payload": 512},
    }
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    header = base64.urlsafe_b64encode(b'{"typ":"jwt","alg":"ed25519"}').decode().rstrip("=")
    signature = base64.urlsafe_b64encode(REALM.account._pair.sign(body.encode())).decode()

    claims_read = jwt.decode(f"{header}.{body}.{signature.rstrip('=')}", UserClaims)

    assert claims_read.nats.src == ("10.0.0.0/8", "192.168.0.1/32")
    assert (claims_read.nats.subs, claims_read.nats.payload) == (-1, 512)


@pytest.mark.parametrize("version", [0, 1, -1, None, "2", 2.0, True])
def test_another_version_is_refused_as_an_old_one_is(version: object) -> None:
    header, claims = parts(TOKEN)
    claims["nats"]["version"] = version

    problem = refused(signed(header, claims, REALM.account))

    assert problem == "claim failed V1 signature verification"


def test_a_newer_version_is_refused() -> None:
    header, claims = parts(TOKEN)
    claims["nats"]["version"] = 3

    assert refused(signed(header, claims, REALM.account)) == "JWT was generated by a newer version "


def test_null_is_absent_and_what_is_unknown_is_skipped() -> None:
    header, claims = parts(TOKEN)
    claims["nats"] |= {"pub": None, "new": {"a": [None]}}

    assert jwt.decode(signed(header, claims, REALM.account), UserClaims).nats.pub.allow is None


def test_null_in_a_list_is_no_leave_to_do_everything() -> None:
    header, claims = parts(TOKEN)
    claims["nats"] |= {"pub": {"allow": [None]}, "src": [None]}

    nats = jwt.decode(signed(header, claims, REALM.account), UserClaims).nats

    assert (nats.pub.allow, nats.src) == (("",), ("",))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": 5},
        {"exp": "tomorrow"},
        {"nats": []},
        {"nats": {"version": 2, "type": "user", "pub": {"allow": "a"}}},
        {"nats": {"version": 2, "type": "user", "subs": 1.5}},
        {"sub": 2**70},
    ],
)
def test_claims_of_other_types_are_refused(change: dict[str, Any]) -> None:
    header, claims = parts(TOKEN)

    refused(signed(header, claims | change, REALM.account))


def test_claims_nested_deeper_than_claims_are_refused() -> None:
    header, claims = parts(TOKEN)
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}

    assert "nested" in refused(signed(header, claims | {"x": deep}, REALM.account))


def test_a_jwt_longer_than_any_is_refused_unread() -> None:
    assert "too long" in refused("eyJ" + "A" * JWT_CHARS_MAX)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "eyJ", "a.b.c", f"{TOKEN}.", f".{TOKEN}", TOKEN[:-1], "é.é.é"]
)
def test_what_is_no_jwt_is_refused(token: str) -> None:
    refused(token)


@given(st.data())
def test_a_jwt_with_any_byte_changed_is_an_auth_error_and_nothing_else(data: st.DataObject) -> None:
    token = data.draw(st.sampled_from([TOKEN, REALM.account_jwt(), REALM.operator_jwt()]))
    raw = bytearray(token.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        kind = data.draw(st.sampled_from("cidr"))
        if kind == "c":
            raw[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        elif kind == "i":
            raw.insert(at, data.draw(st.integers(0, 255)))
        elif kind == "d":
            del raw[at : at + 1]
        else:
            raw[at:] = raw[: at + 1]
    changed = raw.decode("latin-1")

    for wanted in (UserClaims, AccountClaims, OperatorClaims, GenericClaims):
        try:
            jwt.decode(changed, wanted)
        except AuthError:
            continue
        # The last character's lower bits mean nothing, and line ends in a signature neither.
        *signed_part, signature = changed.split(".")
        assert signed_part == token.split(".")[:2]
        assert re.sub("[\r\n]", "", signature)[:85] == token.split(".")[2][:85]


@given(st.text(max_size=200))
def test_any_text_is_an_auth_error(text: str) -> None:
    refused(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_claims_with_a_signature_that_holds_are_claims_or_an_auth_error(value: Any) -> None:
    header, claims = parts(TOKEN)
    token = signed(
        header,
        claims | {"nats": value}
        if not isinstance(value, dict)
        else claims | {"nats": {"version": 2, "type": "user", **value}},
        REALM.account,
    )

    with contextlib.suppress(AuthError):
        jwt.decode(token, UserClaims)


def test_what_we_sign_is_read_back() -> None:
    key = KeyPair("N", random.Random(1).randbytes(32))

    token = jwt.encode({"sub": "x", "nats": {"version": 2, "type": "authorization_request"}}, key)

    claims = jwt.decode(token, GenericClaims)
    assert claims.iss == key.public_key
    assert claims.nats["type"] == "authorization_request"


def test_a_jwt_may_stand_between_dashed_lines() -> None:
    assert jwt.undecorated(f"-----BEGIN NATS ACCOUNT JWT-----\n{TOKEN}\n------END") == TOKEN
    with pytest.raises(AuthError):
        jwt.undecorated("-----\nnothing\n")


def test_no_error_holds_what_was_read() -> None:
    header, claims = parts(TOKEN)
    claims["nats"]["pub"] = {"allow": "canary"}

    assert "canary" not in refused(signed(header, claims, REALM.account))


def sampled(share: object) -> dict[str, Any]:
    latency = {"sampling": share, "results": "lat"}
    return {"exports": [{"subject": "a", "type": "service", "service_latency": latency}]}


@pytest.mark.parametrize(("share", "read"), [(None, 0), (10, 10), ("Headers", "Headers")])
def test_a_share_that_is_null_is_0(share: object, read: object) -> None:
    claims = jwt.decode(REALM.account_jwt(**sampled(share)), AccountClaims)

    latency = claims.nats.exports[0].service_latency
    assert latency is not None
    assert latency.sampling == read


@pytest.mark.parametrize(
    ("nats", "problem"),
    [
        ({"exports": [{"subject": "a", "type": "Stream"}]}, 'unknown export type "Stream"'),
        ({"imports": [{"subject": "a", "type": ""}]}, 'unknown export type ""'),
        ({"exports": [{"subject": "a", "type": None}]}, 'unknown export type ""'),
        (sampled("some"), "json: cannot unmarshal string into Go value of type int"),
        (sampled(""), "json: cannot unmarshal string into Go value of type int"),
        ({"signing_keys": [{"key": "A", "kind": "x"}]}, "unknown signing key scope %!q(<nil>)"),
        ({"signing_keys": [{"key": "A"}]}, "unknown signing key scope %!q(<nil>)"),
    ],
)
def test_what_go_refuses_while_it_reads_has_its_words(nats: dict[str, Any], problem: str) -> None:
    assert refused(REALM.account_jwt(**nats), AccountClaims) == problem


def test_an_activation_is_of_a_stream_or_a_service() -> None:
    body = {"type": "activation", "version": 2, "kind": "x"}
    token = REALM.account.sign(ANN.public, "x", body, issued_s=NOW_S)

    assert refused(token, ActivationClaims) == 'unknown export type "x"'
    token = REALM.account.sign(ANN.public, "x", body | {"kind": None}, issued_s=NOW_S)
    assert refused(token, ActivationClaims) == 'unknown export type ""'
    assert jwt.decode(REALM.user_jwt(ANN, kind="x"), UserClaims).sub == ANN.public


def test_names_of_fields_may_have_capitals_and_keys_of_maps_are_kept() -> None:
    header, claims = parts(REALM.account_jwt())
    name = REALM.account.public
    claims["nats"] = {
        "TYPE": "account",
        "Ver\u017fion": 2,
        "LIMITS": {"Subs": 3, "SUBS": 4, "Tiered_Limits": {"R1": {"Disk_Storage": 5}}},
        "Revocations": {name: 7},
        "Mappings": {"A.B": [{"Subject": "C", "WEIGHT": 9}]},
        "Exports": [{"Subject": "D", "Type": "stream"}],
    }
    claims["ISS"], claims["Sub"] = claims.pop("iss"), claims.pop("sub")
    given = {key.upper(): value for key, value in header.items()}

    read = jwt.decode(signed(given, claims, REALM.operator), AccountClaims)

    body = read.nats
    assert (read.sub, body.limits.subs) == (name, 4)
    assert body.limits.tiered_limits["R1"].disk_storage == 5
    assert body.revocations == {name: 7}
    assert body.mappings["A.B"][0].weight == 9
    assert (body.exports[0].subject, body.exports[0].type) == ("D", "stream")


@pytest.mark.parametrize(
    ("again", "allow", "deny"),
    [
        ('"PUB":{"allow":[]}', [], ["secret"]),
        ('"pub":{"allow":["a"]}', ["a"], ["secret"]),
        ('"Pub":{"Deny":["b"],"DENY":["c"]}', ["x"], ["c"]),
        ('"PUB":null', ["x"], ["secret"]),
        ('"Pub":{"Deny":null}', ["x"], []),
        ('"Pub":{"allow":null,"Allow":["b"]}', ["b"], ["secret"]),
        ('"Pub":{"allow":[null,null]}', ["x", ""], ["secret"]),
        ('"Pub":{"deny":[]}', ["x"], []),
    ],
)
def test_what_comes_again_is_added_to_what_an_object_says(
    again: str, allow: list[str], deny: list[str]
) -> None:
    header, claims = parts(REALM.user_jwt(ANN, pub={"allow": ["x"], "deny": ["secret"]}))
    twice = f'{json.dumps(claims)[:-1]},"NATS":{{{again}}}}}'

    for other in (says_also(claims, again), twice):
        token = signed_text(json.dumps(header), other, REALM.account)
        pub = jwt.decode(token, UserClaims).nats.pub
        assert (list(pub.allow), list(pub.deny)) == (allow, deny)


def test_what_comes_again_in_a_list_is_added_place_by_place_and_in_a_map_replaces() -> None:
    header, claims = parts(
        REALM.account_jwt(
            exports=[{"subject": "a", "type": "service", "token_req": True}, {"subject": "b"}],
            mappings={"a": [{"subject": "x", "weight": 9}], "b": [{"subject": "y"}]},
        )
    )
    again = '"Exports":[{"allow_trace":true}],"MAPPINGS":{"a":[{"subject":"z"}]}'
    text = says_also(claims, again)

    body = jwt.decode(signed_text(json.dumps(header), text, REALM.operator), AccountClaims).nats

    [export] = body.exports
    assert (export.subject, export.token_req, export.allow_trace) == ("a", True, True)
    assert [(one.subject, one.weight) for one in body.mappings["a"]] == [("z", 0)]
    assert body.mappings["b"][0].subject == "y"


def test_null_takes_away_what_is_optional_and_leaves_what_is_not() -> None:
    header, claims = parts(
        REALM.user_jwt(ANN, resp={"max": 5}, src=["10.0.0.0/8"], tags=["a"], payload=9)
    )
    text = says_also(claims, '"RESP":null,"src":null,"tags":null,"payload":null')
    later = says_also(claims, '"Resp":null,"resp":{"ttl":7}')

    nats = jwt.decode(signed_text(json.dumps(header), text, REALM.account), UserClaims).nats
    resp = jwt.decode(signed_text(json.dumps(header), later, REALM.account), UserClaims).nats.resp

    assert (nats.resp, nats.src, nats.tags, nats.payload) == (None, (), (), 9)
    assert resp is not None
    assert (resp.max, resp.ttl) == (0, 7)


def test_null_in_a_map_is_nothing_and_takes_a_whole_map_away() -> None:
    header, claims = parts(
        REALM.account_jwt(
            revocations={ANN.public: 5, "*": 6},
            mappings={"a": [{"subject": "x"}]},
            limits={"subs": 1, "tiered_limits": {"R1": {"streams": 1}}},
            trace={"dest": "t"},
        )
    )
    some = (
        f'"Revocations":{{"{ANN.public}":null}},"mappings":{{"a":null}},"limits":null,"trace":{{}}'
    )
    all_of_it = '"revocations":null,"mappings":null,"limits":{"tiered_limits":null},"Trace":null'

    first, second = (
        jwt.decode(
            signed_text(json.dumps(header), says_also(claims, more), REALM.operator), AccountClaims
        ).nats
        for more in (some, all_of_it)
    )

    assert (first.revocations, first.mappings) == ({ANN.public: 0, "*": 6}, {"a": ()})
    assert first.limits.tiered_limits["R1"].streams == 1
    assert first.trace is not None
    assert first.trace.dest == "t"
    assert (second.revocations, second.mappings, second.trace) == ({}, {}, None)
    assert (second.limits.subs, second.limits.tiered_limits) == (1, {})


def test_signing_keys_of_an_account_that_come_again_are_more_of_them() -> None:
    one, other = (Key(ACCOUNT).public for _ in range(2))
    scope = {"kind": "user_scope", "key": one, "template": {"sub": {"deny": ["a"]}}}
    header, claims = parts(REALM.account_jwt(signing_keys=[scope]))
    text = says_also(claims, f'"Signing_Keys":["{other}"],"signing_keys":null')

    body = jwt.decode(signed_text(json.dumps(header), text, REALM.operator), AccountClaims).nats

    assert list(body.signers) == [one, other]
    assert body.signers[one] is not None


@pytest.mark.parametrize(
    ("twice", "problem"),
    [
        ('"exports":[{"subject":"a","type":"stream","type":null}]', 'unknown export type ""'),
        ('"exports":[{"subject":"a","type":null,"type":"stream"}]', 'unknown export type ""'),
        ('"imports":[{"subject":"a","type":"x","Type":"stream"}]', 'unknown export type "x"'),
        (
            '"signing_keys":[{"key":"A","kind":"user_scope","kind":null}]',
            "unknown signing key scope %!q(<nil>)",
        ),
    ],
)
def test_a_word_that_is_none_refuses_a_jwt_whatever_stands_before_and_behind(
    twice: str, problem: str
) -> None:
    header, claims = parts(REALM.account_jwt())
    text = says_also(claims, twice)

    assert refused(signed_text(json.dumps(header), text, REALM.operator), AccountClaims) == problem


def test_the_type_of_claims_is_what_was_said_of_it_last_and_null_says_nothing() -> None:
    header, claims = parts(REALM.account_jwt())
    key = Key(ACCOUNT).public
    scoped = f'"signing_keys":[{{"key":"{key}","kind":null,"kind":"user_scope"}}]'
    text = says_also(claims, f'"type":"user","type":"account","type":null,{scoped}')

    body = jwt.decode(signed_text(json.dumps(header), text, REALM.operator), AccountClaims).nats

    assert list(body.signers) == [key]


@pytest.mark.parametrize("again", ['"PUB":["a"]', '"PUB":"a"'])
def test_a_name_that_stands_for_two_kinds_of_values_is_refused(again: str) -> None:
    header, claims = parts(REALM.user_jwt(ANN, pub={"deny": ["secret"]}))
    text = says_also(claims, again)

    problem = refused(signed_text(json.dumps(header), text, REALM.account))

    assert problem == "a name in the claims of a JWT stands for two kinds of values"


def test_what_generic_claims_say_keeps_its_names() -> None:
    header, claims = parts(REALM.account_jwt())
    claims["nats"] = {"Accounts": ["A"]}

    assert jwt.decode(signed(header, claims, REALM.operator), GenericClaims).nats == {
        "Accounts": ["A"]
    }

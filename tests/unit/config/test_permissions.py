"""permissions: subjects, queues and responses. Keys as nats-server 2.15.1 has them."""

from __future__ import annotations

import pytest

from leafnode.config.bind import bind
from leafnode.config.options import PermissionsOptions, ResponseOptions, SubjectRules
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

DEFAULT = ResponseOptions(max_msgs=1, expires_ns=120_000_000_000)


def permissions(text: str) -> PermissionsOptions:
    conf = f"authorization {{ users [{{user: a, password: b, permissions: {{ {text} }} }}] }}"
    found = bind(parse(conf, "x.conf")).authorization.users[0].permissions
    assert found is not None
    return found


def test_a_subscribe_entry_may_name_a_queue() -> None:
    rules = SubjectRules(("a", "b.> v1.*"), ("c dev",))

    assert permissions('sub: {allow: [a, "b.>  v1.*"], deny: "c dev"}').subscribe == rules


def test_a_publish_entry_names_no_queue() -> None:
    with pytest.raises(ConfigError, match="expected a subject"):
        permissions('pub: "a q"')


@pytest.mark.parametrize(
    ("text", "responses"),
    [
        ("allow_responses: true", DEFAULT),
        ("publish_allow_responses: true", DEFAULT),
        ("allow_responses: false", None),
        ("allow_responses: {}", DEFAULT),
        ("allow_responses: {max: 5}", ResponseOptions(5)),
        ("allow_responses: {max_msgs: 0, expires: '0s'}", DEFAULT),
        ("allow_responses: {max_messages: -1, expiration: '-1s'}", ResponseOptions(-1, -1)),
        ("allow_responses: {max_responses: 2, ttl: '1m'}", ResponseOptions(2, 60_000_000_000)),
    ],
)
def test_responses_are_a_boolean_or_a_count_and_a_duration(
    text: str, responses: ResponseOptions | None
) -> None:
    assert permissions(text).responses == responses


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("allow_responses: 5", "expected true, false, or a block with max and expires"),
        ("allow_responses: {max: many}", 'max: expected a count, got "many"'),
        ("allow_responses: {max: true}", "max: expected a count, got true"),
        ("allow_responses: {expires: 5}", "expires: expected a duration"),
        ("allow_responses: {expires: soon}", 'expires: expected a duration, like "2m", got "soon"'),
        ("allow_responses: {maximum: 5}", 'unknown field "maximum"'),
        ("allow_response: true", 'unknown field "allow_response", did you mean "allow_responses"'),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        permissions(text)

    assert error in str(caught.value)

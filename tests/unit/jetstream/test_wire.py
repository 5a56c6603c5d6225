"""Reading and writing the API's JSON. Texts measured on nats-server 2.15.1."""

from __future__ import annotations

import json

import pytest

from leafnode import limits
from leafnode.errors import JetStreamError
from leafnode.jetstream import wire
from leafnode.jetstream.api_types import (
    ConsumerConfig,
    CreateConsumerRequest,
    NextRequest,
    Placement,
    StreamConfig,
    StreamConfigRequest,
    StreamSource,
)
from leafnode.limits import JSON_STEPS_MAX, MAX_SUBJECT_TOKENS

STREAM = "StreamConfigRequest"
CONSUMER = "CreateConsumerRequest"
NO_FIELD = "json: cannot unmarshal"


def refusal(body: bytes) -> str:
    with pytest.raises(JetStreamError) as caught:
        wire.decode(StreamConfigRequest, body, name=STREAM)
    assert (caught.value.code, caught.value.err_code) == (400, 10025)
    return caught.value.description.removeprefix("invalid JSON: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"name":1}', "number into Go struct field StreamConfigRequest.name of type string"),
        (
            b'{"subjects":"a"}',
            "string into Go struct field StreamConfigRequest.subjects of type []string",
        ),
        (b'{"subjects":[1]}', "number into StreamConfigRequest.subjects.0 of type string"),
        (
            b'{"max_msgs":1.5}',
            "number 1.5 into Go struct field StreamConfigRequest.max_msgs of type int64",
        ),
        (
            b'{"max_msg_size":4294967296}',
            "number 4294967296 into Go struct field StreamConfigRequest.max_msg_size of type int32",
        ),
        (
            b'{"first_seq":-1}',
            "number -1 into Go struct field StreamConfigRequest.first_seq of type uint64",
        ),
        (b'{"no_ack":"x"}', "string into Go struct field StreamConfigRequest.no_ack of type bool"),
        (
            b'{"max_age":"1s"}',
            "string into Go struct field StreamConfigRequest.max_age of type time.Duration",
        ),
        (
            b'{"metadata":{"a":1}}',
            "number into Go struct field StreamConfigRequest.metadata.a of type string",
        ),
        (
            b'{"mirror":"x"}',
            "string into Go struct field StreamConfigRequest.mirror of type server.StreamSource",
        ),
        (
            b'{"consumer_limits":{"max_ack_pending":"x"}}',
            "string into Go struct field StreamConfigRequest.consumer_limits.max_ack_pending"
            " of type int",
        ),
        (b"[]", "array into Go value of type server.StreamConfigRequest"),
        (b"1", "number into Go value of type server.StreamConfigRequest"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_gos_words(body: bytes, text: str) -> None:
    assert refusal(body) == f"json: cannot unmarshal {text}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"bogus":1}', 'json: unknown field "bogus"'),
        (b'{"mirror":{"bogus":1}}', 'json: unknown field "bogus"'),
        (b'{"bogus":2,"max_bytes":"x"}', 'json: unknown field "bogus"'),
        (b'{"retention":"zz"}', 'can not unmarshal "\\"zz\\""'),
        (b'{"retention":1}', 'can not unmarshal "1"'),
        (b'{"retention":null}', 'can not unmarshal "null"'),
        (
            b'{"subjects":["a",%b]}' % json.dumps("a" + ".b" * MAX_SUBJECT_TOKENS).encode(),
            "StreamConfigRequest.subjects.1: a subject of more than 2048 tokens",
        ),
        (b'{"compression":"zz"}', "unknown compression algorithm"),
        (
            b'{"mirror":{"opt_start_time":"zz"}}',
            'parsing time "zz" as "2006-01-02T15:04:05Z07:00": cannot parse "zz" as "2006"',
        ),
    ],
)
def test_the_first_problem_of_a_body_is_named(body: bytes, text: str) -> None:
    assert refusal(body) == text


def test_keys_match_in_any_case() -> None:
    got = wire.decode(StreamConfigRequest, b'{"NAME":"CI","Max_Msgs":5}', name=STREAM)

    assert (got.name, got.max_msgs) == ("CI", 5)


@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"{}", b'{"max_msgs":null}'])
def test_nothing_is_the_zero_value(body: bytes) -> None:
    assert wire.decode(StreamConfigRequest, body, name=STREAM) == StreamConfigRequest()


def test_what_stands_behind_an_object_is_read_into_the_same_fields() -> None:
    body = b'{"name":"X","max_msgs":3,"metadata":{"a":"1"}} {"max_msgs":5,"metadata":{"b":"2"}}null'

    got = wire.decode(StreamConfigRequest, body, name=STREAM)

    assert (got.name, got.max_msgs, got.metadata) == ("X", 5, {"a": "1", "b": "2"})


def test_fields_that_are_there_twice_are_read_into_what_the_former_left() -> None:
    body = (
        b'{"subjects":["a","b"],"subjects":[null],"placement":{"cluster":"c"},'
        b'"placement":{"tags":["t"]},"sources":[{"name":"o"}],"sources":[{"filter_subject":"f"},null],'
        b'"mirror":{"name":"m"},"mirror":null,"max_bytes":4,"max_bytes":null}'
    )

    got = wire.decode(StreamConfigRequest, body, name=STREAM)

    assert got.subjects == ["a"]
    assert got.placement == Placement(cluster="c", tags=["t"])
    assert got.sources == [StreamSource(name="o", filter_subject="f"), StreamSource()]
    assert (got.mirror, got.max_bytes) == (None, 4)


def test_letters_that_fold_to_ascii_are_those_letters() -> None:
    got = wire.decode(StreamConfigRequest, '{"max_m\u017fgs":5}'.encode(), name=STREAM)

    assert got.max_msgs == 5


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b'{"MAX_MSGS":"5"}',
            f"{NO_FIELD} string into Go struct field {STREAM}.MAX_MSGS of type int64",
        ),
        (
            b'{"max_msgs":1e3}',
            f"{NO_FIELD} number 1e3 into Go struct field {STREAM}.max_msgs of type int64",
        ),
        (b'{"name":1e400}', f"{NO_FIELD} number into Go struct field {STREAM}.name of type string"),
        (b'{"\\u0001":1}', 'json: unknown field "\\x01"'),
        (b'{"\xff":1}', 'json: unknown field "\ufffd"'),
        (b'{"x":1e400}', 'json: unknown field "x"'),
        (b'{"storage":{"a" : [1, "\xff"]}}', 'can not unmarshal "{\\"a\\" : [1, \\"\\xff\\"]}"'),
        (b"[{}] x", f"{NO_FIELD} array into Go value of type server.{STREAM}"),
        (b'{"compression":1}', f"{NO_FIELD} number into Go value of type string"),
        (
            b'{"sources":{}}',
            f"{NO_FIELD} object into Go struct field {STREAM}.sources of type "
            "[]*server.StreamSource",
        ),
        (
            b'{"metadata":{"a~b/c":1}}',
            f"{NO_FIELD} number into Go struct field {STREAM}.metadata.a~0b~1c of type string",
        ),
        (
            b'{"sources":[{"opt_start_time":"2020-01-01"}]}',
            'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
        ),
    ],
)
def test_what_is_wrong_is_told_as_it_is_written(body: bytes, text: str) -> None:
    assert refusal(body) == text


def test_an_unknown_field_does_not_matter_to_the_lax_however_deep() -> None:
    body = b'{"name":"X","placement":{"zz":1e400},"zz":[]}'

    assert wire.decode(StreamConfigRequest, body, name=STREAM, strict=False).name == "X"


def test_a_value_too_far_away_is_not_repeated() -> None:
    body = b'{"metadata":{"a":"b"},"subjects":[%b],"storage":{"a":1}}' % (
        b"[]," * JSON_STEPS_MAX + b"[]"
    )
    refused = refusal(body.replace(b'"subjects":[', b'"storage":[', 1))

    assert refused == "invalid JSON value"


def test_elements_of_a_nested_list_are_named_by_their_index() -> None:
    body = b'{"config":{"backoff":[1,"x"]}}'

    with pytest.raises(JetStreamError) as caught:
        wire.decode(CreateConsumerRequest, body, name=CONSUMER)

    expected = "string into CreateConsumerRequest.config.backoff.1 of type time.Duration"
    assert caught.value.description == f"invalid JSON: json: cannot unmarshal {expected}"


def test_an_unknown_action_is_named() -> None:
    with pytest.raises(JetStreamError, match='invalid JSON: unknown consumer action: "zz"'):
        wire.decode(CreateConsumerRequest, b'{"action":"zz"}', name=CONSUMER)


def test_lax_bodies_ignore_unknown_fields_and_name_no_struct() -> None:
    assert wire.decode_lax(NextRequest, b'{"batch":3,"zz":1}').batch == 3
    with pytest.raises(wire.BindError) as caught:
        wire.decode_lax(NextRequest, b'{"batch":"x"}')

    assert str(caught.value) == (
        "json: cannot unmarshal string into Go struct field .batch of type int"
    )


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 5_000, b"\xff\xfe", b'{"max_msgs":1e999}', b"\x00"]
)
def test_hostile_bodies_end_in_a_refusal(body: bytes) -> None:
    assert refusal(body)


def test_a_config_is_written_like_the_servers() -> None:
    config = StreamConfig(name="S", subjects=["s.>"], metadata={"b": "2", "a": "<&"})

    assert wire.encode(wire.to_dict(config)) == (
        b'{"name":"S","subjects":["s.\\u003e"],"retention":"limits","max_consumers":0,'
        b'"max_msgs":0,"max_bytes":0,"max_age":0,"max_msgs_per_subject":0,"max_msg_size":0,'
        b'"discard":"old","storage":"file","num_replicas":0,"compression":"none",'
        b'"allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,'
        b'"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},'
        b'"allow_msg_ttl":false,"metadata":{"a":"\\u003c\\u0026","b":"2"}}'
    )


def test_what_is_written_is_read_back() -> None:
    config = StreamConfig(name="S", subjects=["a", "b"], max_msgs=7, no_ack=True, max_age=10**9)

    text = wire.encode(wire.to_dict(config))

    assert wire.decode(StreamConfig, text, name="StreamConfig") == config


@pytest.mark.parametrize("field", ["filter_subjects", "priority_groups", "backoff"])
def test_of_a_list_that_is_refused_for_its_length_one_beyond_that_is_read(field: str) -> None:
    item, most = "1" if field == "backoff" else '"x"', limits.CONSUMER_FILTERS_MAX
    for count in (most, most + 1, most + 2, 100 * most):
        body = '{{"{}":[{}]}}'.format(field, ",".join([item] * count))
        read = wire.decode(ConsumerConfig, body.encode(), name="ConsumerConfig")
        assert len(getattr(read, field)) == min(count, most + 1)


def test_a_body_has_so_many_values_one_after_another_and_no_more() -> None:
    fits = b"{} " * (limits.JSON_VALUES_MAX - 1) + b'{"name":"S"}'

    assert wire.decode(StreamConfigRequest, fits, name=STREAM).name == "S"
    assert "values one after another" in refusal(b"{}" + fits)

"""leafnode.errors: exceptions hold data and say it in one line."""

import errno
import os
import socket

import pytest

from leafnode.errors import ConfigError, JetStreamError, ListenError, quoted


def test_config_error_reads_file_line_column_path_problem() -> None:
    error = ConfigError(
        "leafnode.conf", 41, 5, "leafnodes.reconnect", 'expected a duration, got "x"'
    )

    assert str(error) == ('leafnode.conf:41:5: leafnodes.reconnect: expected a duration, got "x"')


def test_config_error_without_a_path_is_a_syntax_error() -> None:
    assert str(ConfigError("a.conf", 1, 2, "", "unexpected }")) == "a.conf:1:2: unexpected }"


def test_jetstream_error_carries_the_numbers_that_clients_switch_on() -> None:
    error = JetStreamError(404, 10059, "stream not found")

    assert (error.code, error.err_code) == (404, 10059)
    assert str(error) == "stream not found (10059)"


def test_quoted_text_stays_on_one_bounded_line() -> None:
    assert quoted('a"b\n\x07é') == '"a\\"b\\n\\x07é"'
    assert len(quoted("x" * 5000)) < 300


@pytest.mark.parametrize(
    ("err", "host", "problem"),
    [
        (
            OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)),
            "::1",
            "[::1]:0 - listen tcp [::1]:0: bind: address already in use",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "a.invalid",
            "a.invalid:0 - listen tcp: lookup a.invalid: no such host",
        ),
        (
            socket.gaierror(socket.EAI_AGAIN, "too many"),
            "a.invalid",
            "a.invalid:0 - listen tcp: lookup a.invalid: too many",
        ),
        (TimeoutError(), "a.invalid", "a.invalid:0 - listen tcp: lookup a.invalid: "),
    ],
)
def test_what_cannot_be_listened_on_is_told_as_go_tells_it(
    err: OSError, host: str, problem: str
) -> None:
    assert str(ListenError("{address} - {problem}", host, -1, err)) == problem

"""leafnode.server.logs: lines as nats-server writes them."""

import dataclasses
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from leafnode.clients import trace
from leafnode.config.options import Options
from leafnode.server.logs import NatsFormatter, set_up


def record(text: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("leafnode", level, "x.py", 1, text, args, None)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    trace.log.setLevel(logging.NOTSET)


def test_a_line_has_pid_time_label_and_text() -> None:
    line = NatsFormatter(logtime=True, colours=False).format(record("Server is ready"))

    pattern = (
        rf"\[{os.getpid()}\] \d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{{6}} \[INF\] Server is ready"
    )
    assert re.fullmatch(pattern, line)


def test_without_logtime_the_time_is_left_out() -> None:
    line = NatsFormatter(logtime=False, colours=False).format(record("a=%d", 1))

    assert line == f"[{os.getpid()}] [INF] a=1"


def test_colours_are_only_where_asked_for() -> None:
    plain = NatsFormatter(logtime=False, colours=False)
    coloured = NatsFormatter(logtime=False, colours=True)

    assert "\033" not in plain.format(record("a", level=logging.ERROR))
    assert "\033[31mERR\033[0m" in coloured.format(record("a", level=logging.ERROR))


def test_what_a_peer_sent_cannot_forge_a_line() -> None:
    line = NatsFormatter(logtime=False, colours=False).format(record("name=%s", "x\n[1] [INF] hi"))

    assert "\n" not in line


def test_a_log_file_gets_the_lines(tmp_path: Path, root_logger: logging.Logger) -> None:
    file = tmp_path / "leafnode.log"

    set_up(Options(log_file=str(file)))
    logging.getLogger("leafnode.test").info("hello")
    logging.getLogger("leafnode.test").debug("not shown")

    assert file.read_text().endswith("[INF] hello\n")
    assert root_logger.level == logging.INFO


def test_debug_shows_debug(root_logger: logging.Logger) -> None:
    set_up(Options(debug=True))

    assert root_logger.level == logging.DEBUG


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (Options(), []),
        (Options(debug=True), ["DBG"]),
        (Options(trace=True), ["TRC"]),
        (Options(debug=True, trace=True), ["TRC", "DBG"]),
    ],
)
@pytest.mark.usefixtures("root_logger")
def test_trace_and_debug_are_shown_each_where_it_is_asked_for(
    options: Options, labels: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "leafnode.log"

    set_up(dataclasses.replace(options, log_file=str(file), logtime=False))
    trace.log.log(trace.TRACE, "<<- [PING]")
    logging.getLogger("leafnode.test").debug("detail")

    texts = {"TRC": "<<- [PING]", "DBG": "detail"}
    lines = [f"[{os.getpid()}] [{label}] {texts[label]}" for label in labels]
    assert file.read_text().splitlines() == lines


def test_a_log_file_that_cannot_be_opened_is_an_os_error(
    tmp_path: Path, root_logger: logging.Logger
) -> None:
    with pytest.raises(OSError, match="No such file"):
        set_up(Options(log_file=str(tmp_path / "none" / "x.log")))

"""Random configuration files, on this server and on the real one: taken by both or by none, and the
same tree where they are, as the digest says.

`SEED=n` tries other files, `FILES=n` more. What differs for a reason, which is in
docs/configuration.md, is told by what the refusing one says, and may not be much.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance.config_check import Judged, here, there
from tests.conformance.config_texts import ENVIRONMENT, FILES, text
from tests.hub.process import nats_server_path

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = int(os.environ.get("SEED", "1"))
COUNT: Final = int(os.environ.get("FILES", "3000"))
EXCUSED_MAX: Final = COUNT // 50
SHOWN_MAX: Final = 10
# Texts that only this server refuses, by what it says. Each is a row of docs/configuration.md.
REFUSED_HERE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        "expected a string of one line that is not empty",
        "expected a server name without blanks|expected a port from",
        "expected (a duration above zero|a duration, got|a count from|a URL like)",
        r"(publish|subscribe): expected at least one|exports\[\d\]: expected a stream or a service",
        r"(http|listen|host|client_advertise): expected (\"host:port\"|a host name or an address)",
        "authorization.*: expected a (user|password) for the (user|password)",
        'Error adding mapping for .* to "" ',
        "the string has no closing quote",  # the last of the file
        'expected a key, got|put a space or ":" between the key and',  # a mark inside a key
        'expected a value, got "}"',
        "expected a size like",
        'cannot read "/',  # an absolute path to include
        "does not fit 64 bits|a bad escape|do not make UTF-8",
    )
)
# And those that only nats-server refuses: it takes the bracket for a part of the number.
TAKEN_HERE: Final = re.compile(r"\d\S*\]")


def is_excused(written: str, ours: Judged, theirs: Judged) -> bool:
    if theirs.digest:
        return not ours.digest and any(one.search(ours.said) for one in REFUSED_HERE)
    return TAKEN_HERE.search(written) is not None


def test_random_files_are_the_same_to_both_servers(tmp_path: Path) -> None:
    program = nats_server_path()
    if program is None:
        assert os.environ.get("CI") != "true", "nats-server has to be there: make setup"
        pytest.skip("nats-server is not installed")
    random = Random(SEED)
    texts = [text(random) for _ in range(COUNT)]
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    paths = [tmp_path / f"{index}.conf" for index in range(COUNT)]
    for path, written in zip(paths, texts, strict=True):
        path.write_text(written, newline="")

    with ThreadPoolExecutor(2) as pool:
        real = list(pool.map(lambda path: there(program, path, ENVIRONMENT), paths))
    ours = [here(path, ENVIRONMENT) for path in paths]

    cases = list(zip(texts, ours, real, strict=True))
    differ = [case for case in cases if case[1].digest != case[2].digest]
    unexcused = [case for case in differ if not is_excused(*case)]
    shown = sorted(unexcused, key=lambda case: len(case[0]))[:SHOWN_MAX]
    told = "\n".join(map(repr, shown))
    assert not shown, f"{len(unexcused)} of {COUNT} differ:\n{told}"
    assert len(differ) <= EXCUSED_MAX
    assert sum(bool(judged.digest) for judged in real) > COUNT // 4, "too few are right"
    assert sum(not judged.digest for judged in real) > COUNT // 4, "too few are wrong"

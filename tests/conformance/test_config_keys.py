"""Every key of a nats-server's file: taken, or refused by name, and the real one takes it as well.

The second half keeps the first one honest: a row is a truth about nats-server 2.15.1.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nkeys
import pytest

from leafnode.config.bind import load
from leafnode.errors import ConfigError
from tests.conformance.config_check import CHECK_S
from tests.conformance.config_keys import BLOCKS, Key, Verdict, table
from tests.hub.jwt import Key as Pair
from tests.hub.jwt import Operator
from tests.hub.process import nats_server_path
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- tests/conformance/config_keys.py -->\n", "\n<!-- end -->"
CURVE_KEY = "XAB3NANV3M6N7AHSQP2U5FRWKKUT7EG2ZXXABV4XVXYQRJGM4S2CZGHT"
EXPORTS = "B { exports: [ { stream: b }, { service: s } ] }"
ODD_VALUES = (
    *(
        '""',
        '"\\x01"',
        '"é"',
        "0",
        "-1",
        "1.5",
        "9223372036854775807",
        "true",
        "2026-01-31T12:00:00Z",
    ),
    *("[]", '[""]', "[[]]", "[{}]", "[1]", "{}", "{ a: 1 }", '{ "": [] }', '"1s"', "$2a$11$ooo"),
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return what the marks of the table stand for."""
    directory = tmp_path_factory.mktemp("keys")
    tls_pair(directory)
    operator = Operator(now_s=int(time.time()))
    operator_jwt = operator.config().splitlines()[0].split()[1]
    (directory / "operator.jwt").write_text(operator_jwt)
    account = Pair(nkeys.PREFIX_BYTE_ACCOUNT).public
    return {
        "dir": str(directory),
        "operator": operator.config(),
        "operator_file": str(directory / "operator.jwt"),
        "operator_key": operator.key.public,
        "seed": Pair(nkeys.PREFIX_BYTE_USER).seed.decode(),
        "account_key": account,
        "user_key": Pair(nkeys.PREFIX_BYTE_USER).public,
        "curve_key": CURVE_KEY,
        "issuer": f"issuer: {account}",
        "login": "user: u, password: p",
        "imported": "stream { account: B, subject: b }",
        "callout": f"{{ issuer: {account}, auth_users: [u] }}",
    }


def _file(block: str, key: Key, name: str, words: Mapping[str, str]) -> str:
    """Return a file that has the key, and what it needs beside it."""
    wrapped = BLOCKS[block][0]
    entry = f"{key.beside}, {name}: {key.value}" if key.beside else f"{name}: {key.value}"
    text = wrapped % entry
    outside = key.outside
    if outside == "@exporter@":  # one block of accounts, not two
        text = text.replace("accounts {", "accounts { @exports@, ", 1)
        outside = ""
    text = f"{outside}\n{text}\n"
    for mark, word in (words | {"exports": EXPORTS}).items():
        text = text.replace(f"@{mark}@", word)
    assert "@" not in text, text
    return text


@pytest.mark.parametrize("block", BLOCKS)
def test_a_key_is_taken_or_refused_by_name(
    block: str, words: Mapping[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "x.conf"
    for key in BLOCKS[block][1]:
        for name in key.aliases:
            path.write_text(_file(block, key, name, words))
            if key.verdict is Verdict.REFUSED:
                with pytest.raises(ConfigError) as caught:
                    load(str(path), {})
                problem = caught.value.problem
                assert "not supported" in problem or "builds no cluster" in problem
                assert caught.value.path.split(".")[-1] in {name, block}
                continue
            options = load(str(path), {})
            told = [text for text in options.warnings if "taken without effect" in text]
            assert not told or key.verdict is Verdict.TAKEN, (name, told)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_real_server_takes_every_key(
    block: str, words: Mapping[str, str], tmp_path: Path
) -> None:
    program = nats_server_path()
    if program is None:
        pytest.skip("nats-server is not installed")
    path = tmp_path / "x.conf"
    for key in BLOCKS[block][1]:
        for name in key.aliases:
            path.write_text(_file(block, key, name, words))
            done = subprocess.run(
                [program, "-t", "-c", str(path)], capture_output=True, timeout=CHECK_S, check=False
            )
            if b"setting ignored in this server version" in done.stderr:
                continue  # a warning, which -t does not let pass
            assert done.returncode == 0, (path.read_text(), done.stderr)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_value_of_any_kind_is_taken_or_refused(
    block: str, words: Mapping[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "x.conf"
    for key in BLOCKS[block][1]:
        for value in ODD_VALUES:
            path.write_text(_file(block, key._replace(value=value), key.aliases[0], words))
            with contextlib.suppress(ConfigError):  # any other exception is a traceback
                load(str(path), {})


def test_the_documents_have_the_same_table() -> None:
    text = DOCS.read_text()

    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table()

"""`-t` reads the files that nats-server's reads: certificates, keys, seeds; and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nkeys
import pytest

from leafnode.cli.check_files import FileProblemError, check_files
from leafnode.config.bind import load
from tests.hub.jwt import Key
from tests.sim.certificates import tls_pair

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR = Key(nkeys.PREFIX_BYTE_OPERATOR).public
WRAPPERS = (
    "tls { %s }",
    "websocket { port: 9222, tls { %s } }",
    'leafnodes { remotes: [ { url: "tls://localhost:7422", tls { %s } } ] }',
    f"resolver: MEMORY, trusted: {OPERATOR}, resolver_tls {{ %s }}",
)


def problem(text: str, directory: Path) -> str:
    path = directory / "x.conf"
    path.write_text(text.replace("@", f"{directory}/"))
    try:
        check_files(load(str(path), {}))
    except FileProblemError as err:
        return str(err).replace(f"{directory}/", "@")
    return ""


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_certificate_and_its_key_are_read(wrapper: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)
    (tmp_path / "junk.pem").write_text("junk")
    place = f"@x.conf:1:{wrapper.index('tls {') + 1}: "
    if "resolver" in wrapper:
        place = f"@x.conf:1:{wrapper.index('resolver_tls') + 1}: "

    whole = 'cert_file: "@cert.pem", key_file: "@key.pem", ca_file: "@cert.pem"'
    assert problem(wrapper % whole, tmp_path) == ""
    for changed in (("cert.pem", "none.pem"), ("key.pem", "none.pem"), ("key.pem", "junk.pem")):
        said = problem(wrapper % whole.replace(*changed, 1), tmp_path)
        assert said.startswith(place)
        assert changed[1] in said
    for name in ("none.pem", "junk.pem"):
        said = problem(wrapper % f'{whole}, ca_file: "@{name}"', tmp_path)
        assert said.startswith(place)
        assert name in said


def test_the_seed_of_a_remote_is_read(tmp_path: Path) -> None:
    text = 'leafnodes { remotes: [ { url: "tls://localhost:7422", nkey: "%s" } ] }'
    seed = nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER)
    (tmp_path / "user.nk").write_bytes(seed)

    assert problem(text % "@user.nk", tmp_path) == ""
    assert problem(text % seed.decode(), tmp_path) == ""
    assert "@none.nk" in problem(text % "@none.nk", tmp_path)


def test_credentials_and_files_to_be_written_are_not_looked_at(tmp_path: Path) -> None:
    text = 'leafnodes { remotes: [ { url: "tls://localhost:7422", creds: "@none.creds" } ] }\n'

    assert problem(text + 'log_file: "@no/where"\npid_file: "@no/where"', tmp_path) == ""


def test_an_operator_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    said = problem('operator: "@none.jwt"', tmp_path)

    assert said == (
        "@x.conf:1:1: error parsing operator JWT: open @none.jwt: No such file or directory; "
        "put it there, with: nsc describe operator --raw"
    )
    (tmp_path / "junk.jwt").write_text("junk")
    assert "put it there" not in problem('operator: "@junk.jwt"', tmp_path)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_file_that_is_missing_is_told_with_what_to_do(wrapper: str, tmp_path: Path) -> None:
    tls_pair(tmp_path)

    said = problem(wrapper % 'cert_file: "@none.pem", key_file: "@key.pem"', tmp_path)
    assert said.endswith("No such file or directory; put it there, or name another file")
    (tmp_path / "junk.pem").write_text("junk")
    said = problem(wrapper % 'cert_file: "@cert.pem", key_file: "@junk.pem"', tmp_path)
    assert "put it there" not in said

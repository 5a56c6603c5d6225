""".creds files. Source: nats-io/jwt creds_utils.go; files as nsc writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.auth.creds import read_creds_file
from leafnode.errors import AuthError
from tests.hub.jwt import Operator

if TYPE_CHECKING:
    from pathlib import Path

NOW_S = 1_800_000_000


def written(path: Path, **claims: object) -> str:
    file = path / "edge.creds"
    Operator(now_s=NOW_S).write_creds(file, "edge", **claims)
    return str(file)


def test_the_first_block_is_the_jwt_and_the_second_the_seed(tmp_path: Path) -> None:
    creds = read_creds_file(written(tmp_path))

    assert creds.jwt.count(".") == 2
    assert creds.signer.public_key.startswith("U")
    assert creds.expires_s == 0


def test_the_time_of_expiry_is_read_from_the_jwt(tmp_path: Path) -> None:
    assert read_creds_file(written(tmp_path, exp=NOW_S + 60)).expires_s == NOW_S + 60


def test_windows_line_ends_and_blank_lines_are_borne(tmp_path: Path) -> None:
    path = tmp_path / "edge.creds"
    Operator(now_s=NOW_S).write_creds(path, "edge")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))

    assert read_creds_file(str(path)).signer.public_key.startswith("U")


def test_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    path = written(tmp_path)
    creds = read_creds_file(path)
    (file,) = tmp_path.iterdir()
    seed = next(line for line in file.read_text().splitlines() if line.startswith("SU"))

    assert creds.jwt not in repr(creds)
    assert seed not in repr(creds)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no user JWT"),
        ("hello\n", "no user JWT"),
        ("---a---\nx.y.z\n---b---\n", "no user seed"),
        ("---a---\nCANARY\n---b---\n---c---\nSUCANARY\n---d---\n", "not a JWT"),
        ("---a---\nCANARY.e30.x\n---b---\n---c---\nSUCANARY\n---d---\n", "seed is damaged"),
    ],
)
def test_a_damaged_file_is_named_and_its_content_is_not_shown(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "edge.creds"
    path.write_text(content)

    with pytest.raises(AuthError) as caught:
        read_creds_file(str(path))

    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_jwt_that_is_no_json_is_refused_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "edge.creds"
    Operator(now_s=NOW_S).write_creds(path, "edge")
    lines = path.read_text().split("\n")
    lines[1] = "CANARY.CANARY.CANARY"
    path.write_text("\n".join(lines))

    with pytest.raises(AuthError) as caught:
        read_creds_file(str(path))

    assert "JWT is damaged" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.binary(max_size=300))
def test_any_content_is_credentials_or_an_auth_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.creds"
    path.write_bytes(b"---a---\n" + content + b"\n---b---\n---c---\n" + content + b"\n---d---\n")

    with pytest.raises(AuthError):
        read_creds_file(str(path))

"""leafnode.sha256: the digest of FIPS 180-2, by whichever module has it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from leafnode import sha256 as module
from leafnode.sha256 import sha256

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_digest_is_that_of_the_standard() -> None:
    assert sha256(b"abc").hex() == ABC


@pytest.mark.parametrize("modules", [("hashlib",), ("no_such_module", "hashlib")])
def test_a_python_without_a_module_of_its_own_has_hashlib(
    modules: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MODULES", modules)

    assert sha256(b"abc").hex() == ABC


def test_a_module_that_is_not_there_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = ("no_such_module_either", "hashlib")
    asked: list[str] = []

    def load(name: str) -> object:
        asked.append(name)
        return import_module(name)

    monkeypatch.setattr(module, "_MODULES", modules)
    monkeypatch.setattr(module, "import_module", load)

    assert sha256(b"abc") == sha256(b"abc")
    assert asked == list(modules)


@pytest.mark.parametrize("name", ["leafnode.server.server", "leafnode.jetstream.jetstream"])
def test_openssl_is_not_loaded_for_it(name: str) -> None:
    code = f"""
import sys
import {name}
from leafnode.sha256 import sha256
sha256(b"")
print("_hashlib" in sys.modules)
"""

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "False\n"

"""Keys that are refused by name: each is in its block, and no table binds it as well."""

from __future__ import annotations

import pytest

from leafnode.config import refused
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

WRAPPERS = {
    "TOP": "%s: { port: 1 }",
    "JETSTREAM": "jetstream { %s: {} }",
    "REMOTE": "leafnodes { remotes [ { %s: {} } ] }",
    "TLS": "leafnodes { remotes [ { tls { %s: {} } } ] }",
}
CASES = [(name, key) for name in WRAPPERS for key in getattr(refused, name)]


@pytest.mark.parametrize(("name", "key"), CASES)
def test_a_key_is_refused_with_its_reason(name: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(parse(WRAPPERS[name] % key, "x.conf"))

    assert caught.value.problem == getattr(refused, name)[key]
    assert caught.value.path.endswith(key)


@pytest.mark.parametrize("key", refused.TOP)
def test_an_empty_block_asks_for_nothing(key: str) -> None:
    assert bind(parse(f"{key} {{}}", "x.conf")) == bind(parse("", "x.conf"))

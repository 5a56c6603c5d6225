"""Keys that are refused by name: each is in its block, and no table binds it as well."""

from __future__ import annotations

import pytest

from leafnode.config import refused
from leafnode.config.bind import bind
from leafnode.config.parser import parse
from leafnode.errors import ConfigError

WRAPPERS = {
    "TOP": "%s: {}",
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

"""What either server says of a configuration file: its digest, which stands for the whole tree, or
why it is refused.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.config.bind import load
from leafnode.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHECK_S: Final = 60  # how long one `nats-server -t` may take on a busy machine


class Judged(NamedTuple):
    digest: str  # empty: refused
    said: str


def here(path: Path, environment: Mapping[str, str]) -> Judged:
    try:
        options = load(str(path), environment)
    except ConfigError as err:
        return Judged("", str(err))
    if options.deprecated:
        return Judged("", str(options.deprecated))
    return Judged(options.config_digest, "")


def there(program: str, path: Path, environment: Mapping[str, str]) -> Judged:
    done = subprocess.run(
        [program, "-t", "-c", str(path)],
        capture_output=True,
        check=False,
        timeout=CHECK_S,
        env={**os.environ, **environment},
    )
    said = done.stderr.decode(errors="replace")
    return Judged("" if done.returncode else said.rpartition("(")[2].strip(")\n"), said)

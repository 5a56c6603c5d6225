"""leafnode.cli.words: each word runs something, is in the help text, and loads nothing before."""

import importlib
import subprocess
import sys

import pytest

from leafnode.cli.flags import COMMANDS
from leafnode.cli.words import WORDS


@pytest.mark.parametrize("word", WORDS)
def test_a_word_has_a_command_and_a_line_in_the_help(word: str) -> None:
    assert callable(importlib.import_module(WORDS[word]).run)
    assert f"{{program}} {word} --help" in COMMANDS


def test_the_table_loads_no_command() -> None:
    code = (
        "import sys, leafnode.cli.words; print(any(n in sys.modules for n in ('click', 'asyncio')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "False\n"

"""A missing tool is a failure in CI and a skip, with the reason, elsewhere."""

import pytest

from tests.firmware.interpreter import tool


def test_a_missing_tool_fails_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not beside"):
        tool("no-such-tool", "some-package")


def test_a_missing_tool_skips_elsewhere(monkeypatch):
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="install some-package"):
        tool("no-such-tool", "some-package")

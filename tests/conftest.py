"""What every test may use: goldens that a flag regenerates, and a strict mode in which a skipped test is a failure.

Nothing heavy is imported here: the tests on an emulated machine load this file too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest


class Golden(Protocol):
    """Compares a text with a file."""

    def __call__(self, text: str, file: Path) -> None:
        """Fail unless the file holds exactly this text."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-goldens", action="store_true", help="write the goldens anew; review the diff")
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails the run")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the comparison; with --regenerate-goldens it writes the file instead."""

    def compare(text: str, file: Path) -> None:
        if request.config.getoption("--regenerate-goldens"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        assert file.exists(), f"no golden {file}; make it with: make golden"
        assert text == file.read_text(encoding="utf-8"), f"{file} differs; if that is right: make golden"

    return compare


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--no-skips") or exitstatus != pytest.ExitCode.OK:
        return
    if reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

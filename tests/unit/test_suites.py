"""The suite runner calls nothing good that did not run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import suites

TESTS = Path(__file__).resolve().parents[1]
SKIPPING = "import pytest\ndef test_one(): pass\ndef test_two(): pytest.skip('no part')\n"


def run_pytest(directory: Path, *arguments: str) -> int:
    (directory / "test_it.py").write_text(SKIPPING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        *arguments,
        "test_it.py",
    ]
    done = subprocess.run(command, cwd=directory, env={"PYTHONPATH": str(TESTS)}, capture_output=True, check=False)
    return done.returncode


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("--no-skips",), 1)])
def test_a_skipped_test_fails_where_skips_are_forbidden(
    tmp_path: Path, arguments: tuple[str, ...], status: int
) -> None:
    assert run_pytest(tmp_path, *arguments) == status


def test_a_suite_without_what_it_needs_is_skipped_with_every_reason() -> None:
    suite = suites.Suite("x", 1, commands=[["false"]], needs=[lambda: "no a", lambda: None, lambda: "no b"])
    assert suites.verdict(suite, strict=False) == "skipped: no a; no b"


@pytest.mark.parametrize(("commands", "word"), [([["true"]], "ok"), ([["true"], ["false"]], "failed")])
def test_a_suite_is_as_good_as_its_commands(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], word: str
) -> None:
    monkeypatch.setattr(suites, "BIN", Path("/bin"))
    assert suites.verdict(suites.Suite("x", 10, commands=commands), strict=True) == word


def test_a_command_that_hangs_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert suites.run(["sleep", "60"], 0.1) is False
    assert "ended after 0 s: sleep 60" in capsys.readouterr().out


def test_a_suite_aside_runs_beside_the_others_and_is_shown_at_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suites, "BIN", Path("/bin"))
    monkeypatch.setattr(suites, "RESULTS", tmp_path)
    there = tmp_path / "there"
    waits = ["sh", "-c", f"until [ -e {there} ]; do sleep 0.01; done; echo it came"]
    monkeypatch.setattr(
        suites,
        "SUITES",
        (
            suites.Suite("guest", 20, commands=[waits], aside=True),
            suites.Suite("first", 20, commands=[["touch", there]]),
        ),
    )
    monkeypatch.setattr(suites.sys, "argv", ["suites.py"])
    assert suites.main() == 0
    told = capsys.readouterr().out
    assert told.index("first ") < told.index("== guest (beside the others)\nit came") < told.index("guest  ")


def test_counts_come_from_junit_files(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>')
    count = suites.Count()
    count.add(file)
    assert (count.passed, count.failed, count.skipped) == (3, 3, 3)

"""Runs the suites in order and says of each how long it took against its budget, or why it was skipped.

`suites.py [--strict] [NAME...]`; with --strict whatever is skipped, suite or test, fails. Only the standard library.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / ".cache" / "results"
BIN = Path(sys.executable).parent
RUNNING: list[subprocess.Popen[bytes]] = []  # to be ended when a person ends us
PATIENCE = 3  # a suite is ended after so many times its budget: it hangs


def without_root() -> str | None:
    return None if os.geteuid() == 0 else "it needs root"


def without(program: str, package: str) -> Callable[[], str | None]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return lambda: None if shutil.which(program, path=path) else f"no {program}: apt-get install {package}"


@dataclass(frozen=True, slots=True)
class Suite:
    """Commands that are run one after another, or the tests under some paths, within a budget of seconds."""

    name: str
    budget: int
    commands: Sequence[Sequence[str]] = ()
    tests: Sequence[str] = ()
    needs: Sequence[Callable[[], str | None]] = ()
    aside: bool = False  # beside the others, after those of its kind: so that both lines take as long


APART = ("tests/real/test_cgroup2.py", "tests/real/stack")  # suites of their own
SUITES = (
    Suite("lint", 10, commands=[["ruff", "check", "."], ["ruff", "format", "--check", "."]]),
    Suite("types", 60, commands=[["mypy"]]),
    Suite("layers", 15, commands=[["lint-imports"]]),
    Suite("unit", 420, tests=["tests/unit"]),
    Suite("gates", 60, tests=["tests/gates"], needs=[without_root]),
    Suite("golden", 20, tests=["tests/golden"]),
    Suite("docs", 30, tests=["tests/docs"]),
    Suite("stack", 320, tests=["tests/real/stack"]),
    Suite("real", 1200, tests=["tests/real", *(f"--ignore={place}" for place in APART)], aside=True),
    Suite("differential", 90, tests=["tests/differential"], needs=[without("promtool", "prometheus")], aside=True),
    Suite("fuzz", 90, tests=["tests/fuzz"], aside=True),
    Suite(
        "grafana",
        80,
        tests=["tests/grafana"],
        needs=[without("prometheus", "prometheus"), without("npm", "npm")],
        aside=True,
    ),
    Suite(
        "cgroup2",
        600,
        tests=["tests/real/test_cgroup2.py"],
        needs=[without_root, without("qemu-system-x86_64", "qemu-system-x86"), without("dockerd", "docker.io")],
    ),
)


@dataclass(slots=True)
class Count:
    """Tests by what became of them."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    faults: list[str] = field(default_factory=list)  # each failed test with the first line of why

    def add(self, results: Path) -> None:
        """Add what a pytest wrote into its JUnit file."""
        for suite in ET.parse(results).getroot().iter("testsuite"):  # noqa: S314 (our own pytest wrote it)
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            self.passed += int(suite.get("tests", 0)) - failed - skipped
            self.failed += failed
            self.skipped += skipped
            for test in suite.iter("testcase"):
                for fault in (*test.iter("failure"), *test.iter("error")):
                    why = next(iter(fault.get("message", "").splitlines()), "")
                    self.faults.append(f"{test.get('classname')}::{test.get('name')}: {why}")


def commands_of(suite: Suite, *, strict: bool) -> list[list[str]]:
    """Return the suite's command lines."""
    commands = [[str(BIN / command[0]), *command[1:]] for command in suite.commands]
    if suite.tests:
        results = f"--junitxml={RESULTS / suite.name}.xml"
        commands.append(
            [sys.executable, "-m", "pytest", "-q", results, *(["--no-skips"] if strict else []), *suite.tests]
        )
    return commands


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a command, so that it puts away what it started; kill its group when it does not listen."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def run(command: Sequence[str], seconds: float, out: IO[str] | None = None) -> bool:
    """Run one command in a process group of its own; end it when its time is over."""
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=out, stderr=out) as process:
        RUNNING.append(process)
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            print(f"ended after {seconds:.0f} s: {' '.join(command)}")
            end(process)
            return False
        except BaseException:
            end(process)
            raise
        finally:
            RUNNING.remove(process)


def verdict(suite: Suite, *, strict: bool, out: IO[str] | None = None) -> str:
    """Run the suite and return ok, failed or why it was skipped."""
    reasons = [reason for need in suite.needs if (reason := need())]
    if reasons:
        return f"skipped: {'; '.join(reasons)}"
    end = time.monotonic() + PATIENCE * suite.budget
    for command in commands_of(suite, strict=strict):
        if not run(command, max(1.0, end - time.monotonic()), out):
            return "failed"
    return "ok"


class Run:
    """One run of a suite; a suite aside shows what it printed when it is over."""

    def __init__(self, suite: Suite, *, strict: bool) -> None:
        self.suite = suite
        self.strict = strict
        self.word = "failed"
        self.took = 0.0
        self.out = (RESULTS / f"{suite.name}.out").open("w+") if suite.aside else None

    def run(self) -> None:
        began = time.monotonic()
        self.word = verdict(self.suite, strict=self.strict, out=self.out)
        self.took = time.monotonic() - began

    @property
    def good(self) -> bool:
        """Tell whether it may pass."""
        return self.word == "ok" or (self.word.startswith("skipped") and not self.strict)

    def tell(self) -> str:
        """Print how it went; return the line about it."""
        if self.out is not None:
            self.out.seek(0)
            print(f"\n== {self.suite.name} (beside the others)\n{self.out.read()}", end="")
            self.out.close()
        late = ", over its budget" if self.took > self.suite.budget else ""
        line = f"{self.suite.name:<12} {self.took:6.1f} s of {self.suite.budget} s{late}  {self.word}"
        print(line, flush=True)
        return line


def main() -> int:
    """Run what was asked for and report."""
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(description="Run the test suites.")
    parser.add_argument("--strict", action="store_true", help="what is skipped fails")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}; all of them by default")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(names)
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    # A shell's background job ignores SIGINT and hands that on to its children; `end` relies on it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)

    began, lines = time.monotonic(), []
    runs = [Run(suite, strict=chosen.strict) for suite in SUITES if not chosen.names or suite.name in chosen.names]
    aside = [one for one in runs if one.suite.aside]
    beside = threading.Thread(target=lambda: [one.run() for one in aside], daemon=True)
    beside.start()
    for one in runs:
        if one not in aside:
            print(f"\n== {one.suite.name}", flush=True)
            one.run()
            lines.append(one.tell())
    beside.join()
    lines += [one.tell() for one in aside]
    good = all(one.good for one in runs)
    count = Count()
    for results in sorted(RESULTS.glob("*.xml")):
        count.add(results)
    print("\n" + "\n".join([*count.faults, *lines]))
    print(
        f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped in {time.monotonic() - began:.0f} s"
        f": {'good' if good else 'NOT GOOD'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        for process in RUNNING.copy():
            end(process)
        sys.exit(130)

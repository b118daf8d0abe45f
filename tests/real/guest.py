"""Runs a directory of tests once on a real cgroup v2 kernel (tests/real/vm/run) and reads back what became of each."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real.loads import binary
from real.places import CACHE, ROOT, MissingPartError

RUN = Path(__file__).with_name("vm") / "run"
RESULTS = CACHE / "results"


@dataclass(frozen=True, slots=True)
class Report:
    """What a guest's pytest said."""

    status: int
    output: str
    passed: int
    failed: int
    skipped: int


def _require_emulator() -> None:
    if os.geteuid() != 0:
        raise MissingPartError("the machine with cgroup v2 needs root to share this one's files")
    if os.uname().machine != "x86_64":
        raise MissingPartError("the machine with cgroup v2 is an x86_64 one")
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("cpio", "cpio"), ("apt-get", "apt")):
        if shutil.which(program) is None:
            raise MissingPartError(f"no {program}: apt-get install {package}")


def run_tests(
    directory: Path,
    *,
    systemd: bool = False,
    memory_mib: int = 1500,
    disk_mib: int = 0,
    seed: Path | None = None,
    seconds: int = 900,
    arguments: Sequence[str] = (),
) -> Report:
    """Boot once, run pytest on `directory` with this very Python, and return its report.

    `systemd` makes systemd the guest's first process; `disk_mib` adds a disk at /data, filled with `seed`.
    """
    _require_emulator()
    binary()  # the guest cannot write into the cache
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="brimline-guest-", dir="/var/tmp") as shared:
        pytest = shlex.join(
            [
                *(sys.executable, "-m", "pytest", str(directory.relative_to(ROOT)), f"--junitxml={shared}/results.xml"),
                # Every import costs here, and the clock of an emulated CPU is no measure.
                *("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--basetemp=/run/tmp/pytest", "--durations=5"),
                *("-o", "timeout=0", *arguments),
            ]
        )
        flags = [
            "-m",
            str(memory_mib),
            "-d",
            str(disk_mib),
            "-t",
            str(seconds),
            "-o",
            shared,
            *(["-s"] if systemd else []),
        ]
        environment = os.environ | {"VM_SEED": str(seed)} if seed else os.environ
        status, output = _boot([str(RUN), *flags, pytest], environment)
        results = Path(shared) / "results.xml"
        if not results.exists():
            return Report(status, output, 0, 0, 0)
        kept = shutil.copy(results, RESULTS / f"guest-{directory.name}.xml")
    return _report(status, output, Path(kept))


def _boot(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            process.terminate()  # it ends its emulator and removes its files; killed, it could not
            process.wait()
            raise
    return process.returncode, output


def _report(status: int, output: str, results: Path) -> Report:
    suites = list(ET.parse(results).getroot().iter("testsuite"))  # noqa: S314 (our own pytest wrote it)

    def count(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    failed, skipped = count("failures") + count("errors"), count("skipped")
    return Report(status, output, count("tests") - failed - skipped, failed, skipped)

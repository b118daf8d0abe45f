"""What the kernel still tells of its OOM kills: its own buffer, else systemd's journal, else why it is not known."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brimline.kmsg import Kill, Record, kills, parse_journal, parse_kmsg

KMSG: Final = Path("/dev/kmsg")
JOURNALCTL: Final = "journalctl"
_RECORD_BYTES: Final = 8192  # the kernel answers EINVAL to a read with less room than the record takes
_LINES: Final = "50000"
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Told:
    """The kills that are known of; without a `source`, `why` says what stands against each."""

    kills: tuple[Kill, ...] = ()
    source: str = ""
    since: float | None = None  # wall time of the oldest line
    why: str = ""


def kernel(kmsg: Path = KMSG, journalctl: str = JOURNALCTL) -> Told:
    """Read what can be read."""
    ways: tuple[tuple[str, Callable[[], list[Record]]], ...] = (
        (str(kmsg), lambda: _from_kmsg(kmsg)),
        (f"{journalctl} -k", lambda: _from_journal(journalctl)),
    )
    refusals = []
    for source, read in ways:
        try:
            records = read()
        except (OSError, subprocess.SubprocessError) as error:
            refusals.append(f"{source}: {_reason(error)}")
        else:
            return _told(records, source)
    return Told(why="; ".join(refusals))


def _told(records: Iterable[Record], source: str) -> Told:
    found = tuple(records)
    return Told(tuple(kills(found)), source, found[0].wall if found else None)


def _from_kmsg(path: Path) -> list[Record]:
    boot = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
    return list(parse_kmsg(b"".join(_chunks(path)).decode(errors="replace"), boot))


def _chunks(path: Path) -> Iterable[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while True:
            try:
                chunk = os.read(fd, _RECORD_BYTES)
            except BlockingIOError:  # that was the newest record
                return
            except (
                BrokenPipeError
            ):  # what was to be read next was overwritten meanwhile; the next read goes on behind it
                continue
            if not chunk:
                return
            yield chunk
    finally:
        os.close(fd)


def _from_journal(program: str) -> list[Record]:
    """Read the kernel's lines of every boot; `-k` itself would stop at the present one."""
    command = [program, "--quiet", "--no-pager", "--output=short-unix", f"--lines={_LINES}", "_TRANSPORT=kernel"]
    environ = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS, env=environ)  # noqa: S603 - fixed words
    records = list(parse_journal(done.stdout.decode(errors="replace")))
    if not records:
        raise PermissionError(13, "it shows no line of the kernel")
    return records


def _reason(error: Exception) -> str:
    match error:
        case subprocess.CalledProcessError():
            said = error.stderr.decode(errors="replace").strip().splitlines() if error.stderr else []
            return said[-1] if said else f"exit status {error.returncode}"
        case subprocess.TimeoutExpired():
            return f"no answer within {_SECONDS:g} s"
        case OSError():
            return (error.strerror or str(error)).lower()
        case _:
            return str(error)

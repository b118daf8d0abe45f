"""The wheels that the locks name, for a Python and a machine that are not this one's: fetched once and kept."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from real.places import CACHE, ROOT

GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")  # Debian 12 has 2.36


def fetch(locks: Sequence[str], version: str, machine: str = platform.machine()) -> Path:
    """Return a directory with the wheels of these locks, each one checked against its hash."""
    files = [ROOT / lock for lock in locks]
    known = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    target = CACHE / f"wheels-{machine}-{version}-{known}"
    if target.exists():
        return target
    for old in CACHE.glob(f"wheels-{machine}-*"):
        shutil.rmtree(old)
    fresh = CACHE / f"wheels-{os.getpid()}"
    platforms = [part for glibc in GLIBC for part in ("--platform", f"{glibc}_{machine}")]
    chosen = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", version, *platforms]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *chosen]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:  # pip reads markers as this Python's
        wanted.write("\n".join(re.sub(r"; python_full_version < '\S+'", "", file.read_text()) for file in files))
        wanted.flush()
        subprocess.run([*command, "--dest", fresh, "-r", wanted.name], check=True)
    return fresh.rename(target)

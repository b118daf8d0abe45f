"""Brimline as docs/deploy.md has it installed under systemd: its own commands, by the machine's own Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from docs.blocks import blocks_of
from docs.pages import page
from real.places import CACHE, ROOT, MissingPartError

PLACE = Path("/opt/brimline")
BUILT = CACHE / "opt-brimline"  # bound to PLACE where nothing of the machine is changed
SYSTEM = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def commands(first: str) -> str:
    """Return the block of docs/deploy.md that begins with these words."""
    blocks = (block.text for block in blocks_of(page("docs/deploy.md")) if block.language == "sh")
    (found,) = (text for text in blocks if text.startswith(first))
    return found


def build() -> Path:
    """Make the virtual environment; its scripts name PLACE, as if it had been made there."""
    if not Path("/usr/bin/python3").exists():
        raise MissingPartError("no /usr/bin/python3: apt-get install python3 python3-venv")
    script = commands("python3 -m venv ").replace(str(PLACE), str(BUILT))
    environ = {**os.environ, "PATH": SYSTEM, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(["sh", "-ec", f"rm -rf {BUILT}\n{script}"], cwd=ROOT, env=environ, check=True, capture_output=True)
    for made in (BUILT / "bin").iterdir():
        if not made.is_symlink():
            made.write_bytes(made.read_bytes().replace(bytes(BUILT), bytes(PLACE)))
    return BUILT

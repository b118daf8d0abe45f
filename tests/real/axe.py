"""axe-core, which knows the rules of accessible pages: fetched once by npm, held to its digest."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from real.chromium import Tab
from real.places import CACHE, MissingPartError

VERSION = "4.14.1"
DIGEST = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_RUN = """axe.run(document, {resultTypes: ["violations"]}).then((found) => JSON.stringify(
  found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`)))"""


def script() -> str:
    """Return axe-core as a script."""
    kept = CACHE / f"axe-{VERSION}.min.js"
    if not kept.exists():
        if shutil.which("npm") is None:
            raise MissingPartError("no axe-core: apt-get install npm")
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
            if done.returncode:
                raise MissingPartError(f"no axe-core: npm cannot fetch it: {done.stderr.strip()[-200:]}")
            archive = Path(folder, f"axe-core-{VERSION}.tgz")
            digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            assert digest == DIGEST, f"{archive.name} is not what it was: {digest}"
            with tarfile.open(archive) as packed:
                inner = packed.extractfile("package/axe.min.js")
                assert inner is not None
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(inner.read())
    return kept.read_text("utf-8")


async def violations(tab: Tab, axe: str) -> list[str]:
    """Return what axe-core finds wrong with the page that is open: WCAG and its best practices."""
    await tab.look(f"{axe};0")
    found: list[str] = json.loads(await tab.look(_RUN))
    return found

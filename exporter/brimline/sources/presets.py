"""What makes a group of a master: the table of presets, and where the process runs. Pure.

A new preset is one function and one line in `masters.py:PRESETS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from brimline.masters import PRESETS, Master, recognise

__all__ = ["PRESETS", "Master", "in_container", "recognise", "unit_of"]

_CONTAINER: Final = re.compile(r"(?:^|[/:-])[0-9a-f]{64}(?:\.scope)?(?:/|$)|(?:^|/)kubepods(?:[./-]|$)")
_UNIT: Final = re.compile(r"/([^/]+)\.service(?:/|$)")


def in_container(cgroups: Sequence[str]) -> bool:
    """Tell whether a cgroup path is a container's: Docker's, Podman's, containerd's, CRI-O's or a pod's."""
    return any(_CONTAINER.search(path) for path in cgroups)


def unit_of(cgroups: Sequence[str]) -> str:
    """Return the innermost systemd service a process runs in; empty outside of one."""
    return next((units[-1] for path in cgroups if (units := _UNIT.findall(path))), "")

"""The files that travel with Brimline, as text: from the wheel, or from the checkout it is installed from.

The working directory plays no part, nor does a file a user made.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

RULES: Final = "brimline.rules.yml"  # the rules `bundled` stands for
_CHECKOUT: Final = Path(__file__).parents[2] / "alerts"  # an editable install has the package only, no copies beside it


def text(name: str) -> str:
    """Return a bundled file's text."""
    packed = files("brimline") / "rules" / "bundled" / name
    found = packed if packed.is_file() else _CHECKOUT / name
    return found.read_text(encoding="utf-8")

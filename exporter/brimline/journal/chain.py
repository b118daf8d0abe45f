"""What makes the journal's lines one chain: the hash of a line covers the hash of the line before it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

GENESIS: Final = bytes(32)  # what stands before the first line


def link(before: bytes, seq: int, columns: Sequence[object]) -> bytes:
    """Return the hash of a line from the hash before it and its columns as they are stored."""
    written = json.dumps([seq, *columns], ensure_ascii=True, separators=(",", ":"), default=repr)
    return sha256(before + written.encode("ascii")).digest()

"""Writes every dashboard as JSON into a directory: `python -m boards DIRECTORY`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards import dropin, itself, overview, subject
from boards.kinds import SERVICE, UNIT


def main(directory: Path) -> None:
    """Write them."""
    boards = {
        "overview": overview.board(),
        "service": subject.board(SERVICE),
        "unit": subject.board(UNIT),
        "brimline": itself.board(),
        "drop-in": dropin.board(),
    }
    for name, board in boards.items():
        text = json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        (directory / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

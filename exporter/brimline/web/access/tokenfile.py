"""A token that stands in a file, so that it is in no process list and no configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LONGEST_TOKEN: Final = 4096


class TokenFile:
    """The token of a file, read again when the file changed."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._stamp: tuple[int, int, int] | None = None
        self._token = b""

    def read(self) -> bytes:
        """Return the token; raises OSError, and ValueError where the file holds none."""
        found = self._file.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            with self._file.open("rb") as opened:
                token = opened.read(_LONGEST_TOKEN + 1).strip()
            if not token or len(token) > _LONGEST_TOKEN:
                raise ValueError("it is empty, or too long")
            self._token, self._stamp = token, stamp
        return self._token

"""What must not be shown: the credentials in an address. Pure."""

from __future__ import annotations

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)", re.ASCII)


def hide_secrets(text: str) -> str:
    """Replace `user:password` of every address in the text."""
    return _CREDENTIALS.sub("***", text)

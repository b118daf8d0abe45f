"""Where the journal stands and how much of it is kept."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from brimline import units
from brimline.options import Bytes, Duration, Options, refusal

_DAY: Final = 86_400.0
_LEAST_BYTES: Final = 8 * 1024 * 1024


def _path(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise refusal(f'"{text}" is no directory; write its path, such as "/var/lib/brimline"')
    return text


def _keep(seconds: float) -> float:
    if seconds < _DAY:
        raise refusal(f"{units.spell_duration(seconds)} is too short, budgets look a day back; write 1d or more")
    return seconds


def _max_size(size: int) -> int:
    if size < _LEAST_BYTES:
        raise refusal(f"{units.spell_bytes(size)} is too little; write {units.spell_bytes(_LEAST_BYTES)} or more")
    return size


class StorageOptions(Options):
    """What is remembered, and where."""

    path: Annotated[str, AfterValidator(_path)] = "/var/lib/brimline"
    """Directory of the journal; made if it is missing."""
    keep: Annotated[Duration, AfterValidator(_keep)] = 30 * _DAY
    """How long the journal's lines are kept."""
    max_size: Annotated[Bytes, AfterValidator(_max_size)] = 256 * 1024 * 1024
    """How large the journal may grow, the samples by the minute included; then the oldest go first."""

"""A token bucket: so many at once, then one more every interval. Pure."""

from __future__ import annotations


class Bucket:
    """Tokens that come back with time, by whatever clock asks."""

    __slots__ = ("_at", "_burst", "_interval", "_tokens")

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._tokens = float(burst)
        self._at: float | None = None

    def take(self, mono: float) -> bool:
        """Take a token where there is one."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (mono - self._at) / self._interval)
        self._at = mono
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

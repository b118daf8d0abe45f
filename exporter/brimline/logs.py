"""What is written to standard error: one line an event, as logfmt or as JSON; set up once, by app."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, Literal

_PLAIN: Final = re.compile(r"[^\s\"=]+")
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES: Final = {logging.WARNING: "warn", logging.CRITICAL: "error"}


def set_up(level: Literal["debug", "info", "warn", "error"], form: Literal["logfmt", "json"]) -> None:
    """Send every log line of this process to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Logfmt() if form == "logfmt" else Json())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    fields = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _NAMES.get(record.levelno, record.levelname.lower()),
        "msg": record.getMessage(),
        "logger": record.name,
    }
    if record.exc_info:
        fields["error"] = formatter.formatException(record.exc_info)
    return fields


class Logfmt(logging.Formatter):
    """`ts=... level=info msg="..." logger=...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{key}={self._quote(value)}" for key, value in _fields(record, self).items())

    @staticmethod
    def _quote(value: str) -> str:
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(_fields(record, self), ensure_ascii=False)

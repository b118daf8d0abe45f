"""What is written to standard error: one line an event, as logfmt or as JSON; set up once, by app."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from brimline.redaction import hide_addresses, hide_secrets

_PLAIN: Final = re.compile(r"[^\s\"=]+")
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_TALKATIVE: Final = ("apprise", "urllib3", "requests")  # at a lower level they log whole addresses, tokens and all
_NAMES: Final = {logging.WARNING: "warn", logging.CRITICAL: "error"}


def set_up(level: Literal["debug", "info", "warn", "error"], form: Literal["logfmt", "json"]) -> None:
    """Send every log line of this process to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Logfmt() if form == "logfmt" else Json())
    handler.addFilter(_is_ours)
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what aiohttp says of requests that are no HTTP: anybody on the network could fill the log with it."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__module__ != "aiohttp.http_exceptions"


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, str]:
    hide = hide_addresses if record.name.partition(".")[0] in _TALKATIVE else hide_secrets
    fields = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _NAMES.get(record.levelno, record.levelname.lower()),
        "msg": hide(record.getMessage()),
        "logger": record.name,
    }
    if record.exc_info:
        fields["error"] = hide(formatter.formatException(record.exc_info))
    return fields


class Logfmt(logging.Formatter):
    """`ts=... level=info msg="..." logger=...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{key}={self._quote(value)}" for key, value in _fields(record, self).items())

    @staticmethod
    def _quote(value: str) -> str:
        return value if _PLAIN.fullmatch(value) and value.isprintable() else _spelled(value)


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _spelled(_fields(record, self))


def _spelled(value: object) -> str:
    """Return it as JSON on one line, people's letters as they are; what a terminal obeys is escaped too."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)

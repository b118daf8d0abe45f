"""The options of `actions:`; every one of them is off, narrow or cautious unless somebody says otherwise."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from brimline.options import Duration, Options, callable_at, refusal

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW: Final = re.compile(
    rf"(?:({'|'.join(_DAYS)})(?:-({'|'.join(_DAYS)}))? )?([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)"
)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal(f'"{text}" is no address; write "http://host:port/path"')
    callable_at(parts.hostname)
    return text


def _window(text: str) -> str:
    if not _WINDOW.fullmatch(text.lower()):
        raise refusal(f'"{text}" is no window; write "02:00-04:30" or "sat-sun 02:00-04:30", in local time')
    return text.lower()


Url = Annotated[str, AfterValidator(_url)]
Window = Annotated[str, AfterValidator(_window)]


class DrainOptions(Options):
    """How one service is emptied before it is restarted."""

    post: Url | None = None
    """Where to POST that it must take no more work."""
    gauge: Url | None = None
    """A Prometheus page or JSON that tells how much is under way."""
    metric: str = "in_flight"
    """Name of the gauge, or of the JSON's key (dots go deeper); several series are added up."""
    timeout: Duration = 30.0
    """How long to wait for 0; shortened where the forecast leaves less."""


class BudgetOptions(Options):
    """Restarts within an hour; those of a person count too."""

    subject: Annotated[int, Field(ge=0)] = 3
    """Of one container."""
    service: Annotated[int, Field(ge=0)] = 3
    """Of one compose service, and one more for each extra replica."""
    host: Annotated[int, Field(ge=0)] = 10
    """Of all containers."""


class RestartOptions(Options):
    """Restarts of containers."""

    allow: tuple[str, ...] = ()
    """Who may be restarted, beside those labelled brimline.restart=true: globs on name or project/service."""
    honor_autoheal: bool = False
    """Take the label autoheal=true as leave to restart."""
    per_hour: BudgetOptions = BudgetOptions()
    drain: dict[str, DrainOptions] = Field(default_factory=dict)
    """How to empty a service first, by glob."""
    stop_timeout: Duration | None = None
    """Time between SIGTERM and SIGKILL; unset: each container's own, else the engine's 10 s."""


class ActionsOptions(Options):
    """What Brimline may do."""

    dry_run: bool = False
    """Decide and write down everything, and do nothing."""
    restart: RestartOptions = RestartOptions()
    cleanup: dict[str, Url] = Field(default_factory=dict)
    """Where to POST that memory should be freed, by glob; {host} stands for each replica's own address."""
    cleanup_timeout: Duration = 10.0
    """How long one cleanup may take to answer."""
    settle: Duration = 15.0
    """How long after an action memory is measured again."""
    quiet: tuple[Window, ...] = ()
    """Maintenance windows in which nothing is done, such as "sat-sun 02:00-04:30"."""
    inbound_token_file: str | None = None
    """File with the bearer token that POST /api/v1/alertmanager asks for; unset: that path does not exist."""

"""The configuration: the parts' own options put together, and how flags, variables and the file become one.

Precedence: flag, then environment, then file, then default. Everything has a default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from brimline import mistakes, units
from brimline.actions.notify_options import NotifyOptions
from brimline.actions.options import ActionsOptions
from brimline.journal.options import StorageOptions
from brimline.options import Bytes, Duration, Options, Ratio, refusal
from brimline.sources.docker import DockerOptions
from brimline.sources.groups import GroupOptions, ProcessOptions

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:\[\]/]*):([0-9]{1,5})", re.ASCII)
_HIGHEST_PORT: Final = 65_535
PORT: Final = 12_746


def split_address(text: str) -> tuple[str, int]:
    """Read `host:port`, `[::1]:port` or `:port` (every address of this machine: the host is empty)."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[2]) > _HIGHEST_PORT:
        raise refusal(f'"{text}" is no address; write {_likely_address(text)}')
    return found[1].strip("[]"), int(found[2])


def _likely_address(text: str) -> str:
    if text.isdecimal() and int(text) <= _HIGHEST_PORT:
        return f'":{text}" for every address of this machine, "127.0.0.1:{text}" for this machine only'
    if re.fullmatch(r"[\w.-]+", text, re.ASCII):
        return f'"{text}:{PORT}"'
    if text.count(":") > 1 and "[" not in text and "/" not in text:
        return f'"[{text}]:{PORT}"'
    return f'"127.0.0.1:{PORT}", "[::1]:{PORT}" or ":{PORT}"'


def _address(text: str) -> str:
    split_address(text)
    return text


def _interval(seconds: float) -> float:
    if not 0.1 <= seconds <= 300:  # noqa: PLR2004 - an early wake's shortest distance; Prometheus's look-back
        raise refusal(f"{units.spell_duration(seconds)} is out of range; write 100ms to 5m, such as 5s")
    return seconds


def _start_period(seconds: float) -> float:
    if not 0 <= seconds <= 86_400:  # noqa: PLR2004 - a day
        raise refusal(f"{seconds:g} seconds is out of range; write 0s to 1d, such as 2m")
    return seconds


def _url_path(text: str) -> str:
    if not re.fullmatch(r"/[\w./~-]*", text, re.ASCII):
        raise refusal(f'"{text}" is no path; write it with a leading "/", such as "/metrics"')
    return text


def _telemetry_path(text: str) -> str:
    if text == "/" or text.startswith(("/-/", "/api/", "/assets/", "/health/", "/subject/")):
        raise refusal(f'"{text}" is taken; write another path, such as "/metrics"')
    return _url_path(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal(f'"{text}" is no address of a page; write "https://host/path"')
    return text


def _some_address(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise refusal(f'no address to listen on; write at least one, such as "127.0.0.1:{PORT}"')
    return addresses


Address: TypeAlias = Annotated[str, AfterValidator(_address)]


class AloneConfig(Options):
    """Brimline as a guest beside one service, without Docker and without the host's files."""

    limit: Bytes | None = None
    """Memory of this container where its cgroup cannot be read, such as 2GiB."""


class SourcesConfig(Options):
    """What is measured."""

    docker: DockerOptions = DockerOptions()
    cgroups: tuple[str, ...] = ("system.slice/*.service",)
    """Cgroups to measure, as globs below the cgroup root; a leading ! excludes, [] is off."""
    processes: tuple[GroupOptions, ...] = ()
    """Named groups of processes."""
    presets: tuple[str, ...] = ProcessOptions().presets
    """Servers found by their command line where they run outside containers; [] is off."""
    pss_budget: Ratio = ProcessOptions().pss_budget
    """Share of one core that reading PSS may use."""
    host: bool = True
    """Measure the host's own memory."""
    alone: AloneConfig = AloneConfig()

    @field_validator("processes", "presets", "pss_budget")
    @classmethod
    def _suits_the_source(cls, value: object, info: ValidationInfo) -> object:
        """Ask the process source's own options, so that its rules are written once."""
        if info.field_name == "pss_budget" and isinstance(value, float) and not 0 < value <= 1:
            raise refusal(f'"{units.spell_ratio(value)}" is out of range; write a share of one core, such as "1%"')
        name = "groups" if info.field_name == "processes" else str(info.field_name)
        try:
            return getattr(ProcessOptions.model_validate({name: value}), name)
        except ValidationError as error:
            raise refusal(mistakes.sentence(error.errors()[0])) from None

    @property
    def process(self) -> ProcessOptions:
        """Return the process source's own options."""
        return ProcessOptions(groups=self.processes, presets=self.presets, pss_budget=self.pss_budget)


class LimitsConfig(Options):
    """Limits Brimline puts on itself."""

    fds: int = Field(default=4096, ge=0)
    """Files kept open between readings; beyond it they are opened each time."""
    series: int = Field(default=100_000, ge=1)
    """Series served at most; the rest is dropped and counted."""


class CompatConfig(Options):
    """Names of other exporters."""

    cadvisor: bool = False
    """Serve cAdvisor's names and labels too."""


class WebFileConfig(Options):
    """Who may come in."""

    file: str | None = None
    """File with TLS, users and headers, in the format of Prometheus's exporters (web-config.yml)."""


class WebConfig(Options):
    """The HTTP face."""

    listen_address: Annotated[tuple[Address, ...], AfterValidator(_some_address)] = (f"127.0.0.1:{PORT}",)
    """Where to listen: host:port, [::1]:port, or :port for every address."""
    telemetry_path: Annotated[str, AfterValidator(_telemetry_path)] = "/metrics"
    """Path of the metrics."""
    external_url: Annotated[str, AfterValidator(_url)] | None = None
    """Address under which browsers reach Brimline, where a proxy stands before it."""
    route_prefix: Annotated[str, AfterValidator(_url_path)] | None = None
    """Prefix of every path; by default the path of external_url."""
    enable_lifecycle: bool = False
    """Allow POST /-/reload."""
    enable_actions: bool = False
    """Allow restarts, cleanups and pauses to be asked for over HTTP; policy decides."""
    actions_token_file: str | None = None
    """File with the bearer token that such requests must show."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which browsers reach Brimline, beside addresses, names without a dot and external_url; "*" is any."""
    config: WebFileConfig = WebFileConfig()

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return every listen address as (host, port); an empty host is every address of this machine."""
        return tuple(split_address(text) for text in self.listen_address)


class LogConfig(Options):
    """What is written to standard error."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    """Least level that is written."""
    format: Literal["logfmt", "json"] = "logfmt"
    """Form of each line."""


class PathConfig(Options):
    """Where the kernel's files are mounted; for a sidecar that sees the host's elsewhere."""

    procfs: str = "/proc"
    """Mount point of proc."""
    cgroupfs: str = "/sys/fs/cgroup"
    """Mount point of the cgroup file systems."""


class LevelsConfig(Options):
    """The levels of some subjects."""

    alert_at: Ratio | None = None
    """Where they are spoken of, such as 70%."""
    restart_at: Ratio | None = None
    """Where they are restarted, such as 90%."""


class Config(Options):
    """Everything a person can set."""

    interval: Annotated[Duration, AfterValidator(_interval)] = 5.0
    """Time between readings."""
    sources: SourcesConfig = SourcesConfig()
    rules: tuple[str, ...] = ("bundled",)
    """Rule files, beside this file where the path is relative; bundled: those that travel with Brimline; [] is off."""
    thresholds: dict[str, LevelsConfig] = Field(default_factory=dict)
    """Levels by glob: a container, project/service, project/container or a cgroup; the first that names one wins."""
    start_period: Annotated[Duration, AfterValidator(_start_period)] = 120.0
    """How long a container without a health check is taken as starting."""
    actions: ActionsOptions = ActionsOptions()
    notify: NotifyOptions = NotifyOptions()
    storage: StorageOptions = StorageOptions()
    limits: LimitsConfig = LimitsConfig()
    compat: CompatConfig = CompatConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()
    path: PathConfig = PathConfig()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, and for every leaf where its value was written."""

    config: Config
    origins: Mapping[str, str]
    file: str | None

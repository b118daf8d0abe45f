"""The options of `notify:`: who is told. An address often is the secret itself, so only its host is ever shown."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from brimline.options import Duration, Options, callable_at, refusal
from brimline.redaction import SecretAddress, SecretText

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110: the name of a header
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)  # Prometheus's name of a label
_OURS: Final = frozenset({"content-type", "content-length", "host", "transfer-encoding", "user-agent"})
_LONGEST_TIMEOUT: Final = 60.0


def _url(address: SecretAddress) -> SecretAddress:
    text, host = address.get_secret_value(), None
    with suppress(ValueError):
        parts = urlsplit(text)
        host = parts.hostname if parts.scheme in {"http", "https"} and parts.port != 0 else None
    if not host or re.search(r"[\s\x00-\x1f]", text):
        raise refusal('this is no address (it is not shown: it may be secret); write "https://host/path"')
    callable_at(host)
    return address


def _apprise(address: SecretAddress) -> SecretAddress:
    text, host = address.get_secret_value(), None
    if not text:
        raise refusal('this is empty; write an address such as "tgram://token/chat"')
    with suppress(ValueError):  # apprise has its own idea of an address
        host = urlsplit(text).hostname
    callable_at(host)
    return address


def _header(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise refusal(f'"{name}" is no name of a header; write one such as "Authorization"')
    if name.lower() in _OURS or name.lower().startswith("webhook-"):
        raise refusal(f'"{name}" is set by Brimline; leave it out')
    return name


def _header_value(value: SecretText) -> SecretText:
    if re.search(r"[^\t\x20-\x7e]", value.get_secret_value()):
        raise refusal("the value of a header is one line of ASCII (it is not shown: it may be secret)")
    return value


def _timeout(seconds: float) -> float:
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise refusal(f"{seconds:g} seconds is out of range; write up to 1m, such as 10s")
    return seconds


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for name, value in labels.items():
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise refusal(f'"{name}" is no name of a label; write letters, digits and "_", such as host')
        if not value:
            raise refusal(f'label "{name}" is empty; leave it out, or write its value')
    return labels


def _group_wait(seconds: float) -> float:
    if not 0 <= seconds <= 300:  # noqa: PLR2004 - five minutes
        raise refusal(f"{seconds:g} seconds is out of range; write 0s to 5m, such as 2s")
    return seconds


_hidden: Final = PlainSerializer(str, return_type=str)
HookUrl = Annotated[SecretAddress, AfterValidator(_url), _hidden]
AppriseUrl = Annotated[SecretAddress, AfterValidator(_apprise), _hidden]
HeaderName = Annotated[str, AfterValidator(_header)]
HeaderValue = Annotated[SecretText, AfterValidator(_header_value), _hidden]


def _named(kind: str, address: str) -> str:
    """Return a name that stays the same over restarts and tells nothing that is secret."""
    return f"{kind}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


class WebhookOptions(Options):
    """One receiver of webhooks."""

    url: HookUrl
    """Where to POST; only its host is ever shown."""
    shape: Literal["alertmanager", "json", "slack"] = "json"
    """Form of the body."""
    secret_file: str | None = None
    """File with the secret that signs every message, as whsec_...; read again for each."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """More headers, such as Authorization."""
    send_resolved: bool = True
    """Whether it is told that an alert is over."""
    timeout: Annotated[Duration, AfterValidator(_timeout)] = 10.0
    """How long an answer may take."""
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What it is called in the journal and on the page; its messages wait under this name."""

    @property
    def target(self) -> str:
        """Return its name, or one made of its address."""
        address = self.url.get_secret_value()
        return self.name or _named(urlsplit(address).hostname or "webhook", address)


class NotifyOptions(Options):
    """Who is told of alerts and actions."""

    alertmanagers: tuple[HookUrl, ...] = ()
    """Addresses of all Alertmanagers, such as http://alertmanager:9093."""
    webhooks: tuple[WebhookOptions, ...] = ()
    """Receivers of webhooks."""
    apprise: tuple[AppriseUrl, ...] = ()
    """Addresses for apprise, or files of its configuration; needs brimline[notify]."""
    labels: Annotated[dict[str, str], AfterValidator(_labels)] = Field(default_factory=dict)
    """Labels of all that is told, such as the host's name where several Brimlines tell one Alertmanager."""
    group_wait: Annotated[Duration, AfterValidator(_group_wait)] = 2.0
    """How long what fires is gathered into one message."""
    burst: Annotated[int, Field(ge=1)] = 20
    """Messages that one target gets at once; what comes beyond is put together."""
    message_every: Annotated[Duration, Field(gt=0)] = 2.0
    """Time after which a target may get one more."""

    @property
    def apprise_targets(self) -> dict[str, str]:
        """Return address or file by the target's name."""
        entries = [entry.get_secret_value() for entry in self.apprise]
        return {_named(entry.partition("://")[0].rpartition("/")[2], entry): entry for entry in entries}

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [hook.target for hook in self.webhooks] + list(self.apprise_targets)
        for name in names:
            if names.count(name) > 1:
                raise refusal(f'target "{name}" is there twice; give each webhook its own name')
        return self

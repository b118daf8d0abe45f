"""Posts what fires to every Alertmanager as Prometheus does: again and again, with an end that moves on.

No outbox: what an Alertmanager must know is rebuilt from what fires. What ended while Brimline was away ends there by
itself, at the end that was posted last.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from brimline.actions.messages import Notice, about_alert
from brimline.actions.shapes import moment
from brimline.deeds import Decision
from brimline.errors import UnreachableError
from brimline.httpclient import HttpClient
from brimline.model import Now
from brimline.redaction import SecretAddress, hide_secrets

_log: Final = logging.getLogger(__name__)
RESEND: Final = 60.0  # seconds; Prometheus's --rules.alert.resend-delay
RESOLVED_FOR: Final = 300.0  # seconds for which the end of an alert is posted again
ENDS_AFTER: Final = 4  # times the longer of interval and RESEND: rules/manager.go:AlertingRule.sendAlerts
BATCH: Final = 64  # alerts in one request
BEGUN: Final = "begun"  # the outcome of what is under way
_SECONDS: Final = 10.0  # for one request; Prometheus's default
_PATIENCE: Final = 5.0  # seconds after a failed request
_ANSWER: Final = 200  # characters of a refusal that are shown

Latest = Callable[[str], Notice | None]


@dataclass(slots=True)
class _Held:
    """One alert as the Alertmanagers are told of it."""

    notice: Notice
    version: int  # rises with every change
    over: float | None = None  # mono


@dataclass(slots=True)
class _Peer:
    """One Alertmanager: what it knows since when, and how it is."""

    address: SecretAddress
    posted: dict[str, tuple[int, float]] = field(default_factory=dict)  # version and mono by alert
    again: float = float("-inf")  # mono before which it is left alone
    error: str = ""
    flying: asyncio.Task[None] | None = None


class Alertmanagers:
    """All of them get all alerts; one that is slow or down delays no other."""

    def __init__(
        self,
        addresses: Iterable[SecretAddress],
        client: HttpClient,
        *,
        interval: float,
        external_url: str,
        latest: Latest,
    ) -> None:
        self._client = client
        self._latest = latest  # an alert with its values of now; None once it does not fire
        self._held: dict[str, _Held] = {}
        self._versions = count(1)
        self._done: dict[str, Mapping[str, str]] = {}  # what was done about an alert
        self._peers: dict[SecretAddress, _Peer] = {}
        self.use(addresses, interval=interval, external_url=external_url)

    @property
    def listed(self) -> bool:
        """Tell whether there is one."""
        return bool(self._peers)

    @property
    def errors(self) -> Mapping[str, str]:
        """Return what is wrong with which of them."""
        return {f"{peer.address}": peer.error for peer in self._peers.values() if peer.error}

    def use(self, addresses: Iterable[SecretAddress], *, interval: float, external_url: str) -> None:
        """Post to these from now on."""
        self._lasts = ENDS_AFTER * max(interval, RESEND)
        self._external_url = external_url
        self._peers = {address: self._peers.get(address, _Peer(address)) for address in addresses}

    def observe(self, firing: Mapping[str, str], now: Now) -> None:
        """Take in what fires: which alert, and which firing of it."""
        for about, identifier in firing.items():
            held = self._held.get(about)
            if held is not None and held.over is None and held.notice.id == identifier:
                continue
            if (notice := self._latest(about)) is not None:
                if held is not None:
                    self._done.pop(about, None)
                self._held[about] = _Held(notice, next(self._versions))
        for about, held in self._held.items():
            if about not in firing and held.over is None:
                held.notice = replace(held.notice, ends_at=max(now.wall, held.notice.starts_at))
                held.version, held.over = next(self._versions), now.mono

    def acted(self, notice: Notice) -> None:
        """Write on an alert what was done about it, or why nothing was."""
        self._write(notice.about, notice.action, notice.action_id, notice.outcome)

    def begun(self, decision: Decision) -> None:
        """Write on an alert that something is being done: a route may wait with waking somebody."""
        if decision.key is not None:
            self._write(about_alert(decision.key), decision.action, decision.id, BEGUN)

    def _write(self, about: str, action: str, action_id: str, outcome: str) -> None:
        if (held := self._held.get(about)) is None:
            return
        self._done[about] = {"action": action, "action_id": action_id, "outcome": outcome}
        held.version = next(self._versions)

    def post(self, now: Now) -> None:
        """Begin to post what is due, to each that is free."""
        for about in [about for about, held in self._held.items() if _forgotten(held, now)]:
            del self._held[about]
            self._done.pop(about, None)
        for peer in self._peers.values():
            if peer.flying is None and now.mono >= peer.again and (due := self._due(peer, now)):
                self._refresh(due)
                peer.flying = asyncio.create_task(self._post(peer, due, now))

    async def settle(self) -> None:
        """Wait until nothing is under way any more."""
        while flying := [peer.flying for peer in self._peers.values() if peer.flying is not None]:
            await asyncio.wait(flying)

    async def close(self) -> None:
        """Break off what is under way."""
        flying = [peer.flying for peer in self._peers.values() if peer.flying is not None]
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)

    def _due(self, peer: _Peer, now: Now) -> list[str]:
        peer.posted = {about: last for about, last in peer.posted.items() if about in self._held}
        return [
            about
            for about, held in self._held.items()
            if (last := peer.posted.get(about)) is None or held.version > last[0] or now.mono - last[1] >= RESEND
        ]

    def _refresh(self, due: Sequence[str]) -> None:
        """Let alerts that go on say their values of now."""
        for about in due:
            held = self._held[about]
            if held.over is None and (notice := self._latest(about)) is not None:
                held.notice = notice

    async def _post(self, peer: _Peer, due: Sequence[str], now: Now) -> None:
        try:
            for start in range(0, len(due), BATCH):
                abouts = [about for about in due[start : start + BATCH] if about in self._held]
                versions = {about: (self._held[about].version, now.mono) for about in abouts}
                error = await self._send(peer.address, [self._alert(about, now) for about in abouts])
                self._note(peer, error)
                if error:
                    peer.again = now.mono + _PATIENCE
                    break
                peer.posted.update(versions)
        finally:
            peer.flying = None

    async def _send(self, address: SecretAddress, alerts: Sequence[Mapping[str, object]]) -> str:
        """Post one batch; return what went wrong."""
        url = f"{address.get_secret_value().rstrip('/')}/api/v2/alerts"
        body, headers = json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        try:
            answer = await self._client.send("POST", url, seconds=_SECONDS, body=body, headers=headers)
        except UnreachableError as error:
            return f"{error}".replace(hide_secrets(url), f"{address}")
        if answer.ok:
            return ""
        said = hide_secrets(answer.body[:_ANSWER].decode(errors="replace")).strip()
        return f"POST {address}: answered {answer.status}" + (f": {said}" if said else "")

    def _alert(self, about: str, now: Now) -> dict[str, object]:
        notice = self._held[about].notice
        ends = now.wall + self._lasts if notice.ends_at is None else notice.ends_at
        return {
            "labels": dict(notice.labels),
            "annotations": {**notice.annotations, **self._done.get(about, {})},
            "startsAt": moment(notice.starts_at),
            "endsAt": moment(ends),
            **({"generatorURL": self._external_url} if self._external_url else {}),
        }

    def _note(self, peer: _Peer, error: str) -> None:
        """Say once that it fails, and once that it is back."""
        if error and not peer.error:
            _log.error("Alertmanager is not told of alerts: %s", error)
        elif peer.error and not error:
            _log.info("Alertmanager %s takes alerts again", peer.address)
        peer.error = error


def _forgotten(held: _Held, now: Now) -> bool:
    return held.over is not None and now.mono - held.over > RESOLVED_FOR

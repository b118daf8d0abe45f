"""Which refusals are news: policy says them every tick, people want to read them when they change. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from brimline.actions.messages import about_alert, identity
from brimline.deeds import Decision, Verdict

ONCE: Final = frozenset({Verdict.NOT_OPTED_IN, Verdict.DRY_RUN})  # told once per episode, whatever comes in between
# They pass within seconds and say nothing new: what is under way is told of when it ends.
PASSING: Final = frozenset({Verdict.IN_FLIGHT, Verdict.LOCKED, Verdict.FIRST_SAMPLES})
_CRITICAL: Final = "critical"
_KEY: Final = "refused/"
_ASKED: Final = "asked-"  # begins what no alert of ours asked for
_MOST_ASKED: Final = 1000


@dataclass(frozen=True, slots=True)
class _Last:
    """What was told last of one action on one alert."""

    episode: str
    verdict: str
    once: tuple[str, ...] = ()


class Refusals:
    """Remembers by alert and action."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], _Last] = {}

    def news(self, decision: Decision) -> bool:
        """Tell whether this decision is to be told of, and remember it."""
        if decision.verdict in PASSING or not _matters(decision):
            return False
        key = (_about(decision), decision.action)
        last = self._last.get(key)
        episode = decision.episode or decision.caller
        if last is None or last.episode != episode:
            last = _Last(episode, "")
        changed = decision.verdict != last.verdict and decision.verdict not in last.once
        once = (*last.once, decision.verdict) if decision.verdict in ONCE and changed else last.once
        self._last[key] = _Last(episode, decision.verdict, once)
        return changed and decision.verdict is not Verdict.RUN

    def text(self, decision: Decision) -> tuple[str, str]:
        """Return key and text under which what is known of one is saved."""
        about = _about(decision)
        last = self._last[about, decision.action]
        return f"{_KEY}{about}/{decision.action}", json.dumps([last.episode, last.verdict, last.once])

    def load(self, key: str, text: str) -> bool:
        """Take up what was saved; tell whether it is one of these."""
        about, _, action = key.removeprefix(_KEY).partition("/")
        if not key.startswith(_KEY):
            return False
        episode, verdict, once = json.loads(text)
        self._last[about, action] = _Last(episode, verdict, tuple(once))
        return True

    def forget(self, firing: Collection[str]) -> list[str]:
        """Forget what does not fire any more; return the keys it was saved under."""
        over = [key for key in self._last if key[0] not in firing and not key[0].startswith(_ASKED)]
        over += [key for key in self._last if key[0].startswith(_ASKED)][:-_MOST_ASKED]
        for key in over:
            del self._last[key]
        return [f"{_KEY}{about}/{action}" for about, action in over]


def _matters(decision: Decision) -> bool:
    """Tell whether anybody waits for it: a critical alert, or another tool that asked."""
    if decision.key is None:
        return decision.caller.startswith("alertmanager")
    return decision.severity == _CRITICAL


def _about(decision: Decision) -> str:
    if decision.key is not None:
        return about_alert(decision.key)
    subject = decision.subject
    return _ASKED + identity(decision.caller, subject.kind, subject.name, *subject.labels)

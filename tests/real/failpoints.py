"""Lives of a real `brimline run` that is killed at a named point and started again, and what the world shows then.

One dockerd for all, and a container, a directory and a path of the receiver for each life.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from brimline.faults import POINTS, VARIABLE
from brimline.journal.file import NAME
from real.engine import Dockerd
from real.receiving import Hook
from real.sidecar import Sidecar
from unit.journals import rows

TOGETHER = 10  # lives at once; two cores are busy with them
MESSAGES = ("queueing", "queued", "sending", "sent")  # points that the alert's own message passes too
WAITS = ("intended", "calling")  # lives that outlast the others: an intent that nobody carried out is waited for
# Full at first, and deaf to SIGTERM, so that a restart takes its whole second; what comes after it is nearly empty.
FULL_ONCE = "echo born; if [ -e /tmp/again ]; then exec memload anon 5; fi; : >/tmp/again; exec memload deaf + anon 45"
RULES = """
groups:
  - name: life
    rules:
      - alert: Full
        on: container
        when: memory_used_ratio > 60%
        for: {held}
        severity: critical
        do: [{do}]
"""
CONFIG = """
interval: 500ms
start_period: 500ms
sources:
  docker: {{host: "{engine}", include: ["{name}"]}}
  cgroups: []
  presets: []
  host: false
rules: [rules.yml]
actions: {{settle: 100ms, restart: {{stop_timeout: {stop}}}}}
notify: {{group_wait: 0s, webhooks: [{{url: "{url}", name: hook}}]}}
"""


@dataclass(frozen=True, slots=True)
class Life:
    """One kill at one point. Every second one tells of its action alone, so that it is its message that is cut off."""

    point: str
    number: int

    @property
    def name(self) -> str:
        """Return its container's name."""
        return f"{self.point}-{self.number}"

    @property
    def quiet(self) -> bool:
        """Tell whether its alert is not told of."""
        return self.point in MESSAGES and self.number % 2 == 1


@dataclass
class Seen:
    """What the world shows after it."""

    life: Life
    killed: bool = False
    restarts: int = 0  # POST /restart
    starts: int = 0  # POST /start, less the one that made it run at first
    incarnations: int = 0
    running: bool = False
    intents: dict[str, list[str]] = field(default_factory=dict)  # decision -> fates
    events: Counter[str] = field(default_factory=Counter)  # told, each message id once
    told_of: set[str] = field(default_factory=set)  # decisions whose outcome was told
    twice: int = 0  # messages that came again, by the same id
    twofold: list[str] = field(default_factory=list)  # notices that came in two messages
    seconds: float = 0.0
    log: str = ""

    def faults(self) -> list[str]:
        """Return what is wrong, as sentences."""
        found = []
        if not self.killed:
            found.append("it did not die at its point")
        if self.restarts != 1 or self.incarnations != 2 or self.starts:
            found.append(
                f"{self.restarts} POST /restart and {self.starts} POST /start made {self.incarnations} incarnations"
            )
        if not self.running:
            found.append("the container is down")
        found += [f"intent {i} has the outcomes {f}" for i, f in self.intents.items() if len(f) != 1]
        done = [i for i, fates in self.intents.items() if fates == ["done"]]
        if len(done) != 1:
            found.append(f"{len(done)} actions are done")
        found += [f"notice {one} was told under two ids" for one in self.twofold]
        return [f"{self.life.name}: {text}" for text in (*found, *self.untold())]

    def untold(self) -> list[str]:
        """Return what nobody was told of, or was told of otherwise than it was."""
        found = [f"nobody was told of {one}" for one in self.intents if one not in self.told_of]
        if not self.life.quiet and (self.events["alert_fired"], self.events["alert_resolved"]) != (1, 1):
            found.append(f"the alert was told of as {dict(self.events)}")
        return found


def full_once(dockerd: Dockerd, name: str, *more: str) -> str:
    """Run a container that is full until it is restarted; return its id."""
    options = (*more, "--network=none", "--memory=64m", "--label=brimline.restart=true", f"--name={name}")
    container = dockerd.cli("run", "--detach", *options, dockerd.busybox, "sh", "-c", FULL_ONCE)
    dockerd.wait_for_line(container, "ready")
    return container


def settings(
    directory: Path,
    name: str,
    dockerd: Dockerd,
    url: str,
    *,
    do: str = "notify, restart",
    held: str = "0s",
    stop: str = "1s",
) -> tuple[str, str]:
    """Write the files of a Brimline that looks at one container alone; return its flags."""
    directory.mkdir(parents=True)
    (directory / "rules.yml").write_text(RULES.format(do=do, held=held))
    (directory / "brimline.yml").write_text(CONFIG.format(engine=dockerd.url, name=name, url=url, stop=stop))
    return f"--config.file={directory}/brimline.yml", f"--storage.path={directory}/journal"


def orders(dockerd: Dockerd) -> Counter[tuple[str, str]]:
    """Return how often each container was to be changed, by its id and how; `dockerd` writes that down (`--debug`)."""
    return Counter(re.findall(r"POST /v[\d.]+/containers/([0-9a-f]{64})/(\w+)", dockerd.log()))


def lives(each: int) -> list[Life]:
    """Return every point `each` times, the long ones first."""
    points = sorted(POINTS, key=lambda point: (point not in WAITS, POINTS.index(point)))
    return [Life(point, number) for point in points for number in range(each)]


def live_all(dockerd: Dockerd, directory: Path, chosen: Iterable[Life]) -> list[Seen]:
    """Live them side by side, in a directory each."""
    dockerd.busybox  # noqa: B018 - imported once, before several ask for it
    with Hook() as hook, ThreadPoolExecutor(TOGETHER) as pool:
        seen = list(pool.map(lambda life: _live(life, dockerd, hook, directory / life.name), chosen))
    calls = orders(dockerd)
    for one in seen:
        container = dockerd.inspect(one.life.name)
        one.restarts = calls[container["Id"], "restart"]
        one.starts = calls[container["Id"], "start"] - 1
        one.running = container["State"]["Running"]
    return seen


def _live(life: Life, dockerd: Dockerd, hook: Hook, directory: Path) -> Seen:
    began = time.monotonic()
    container = full_once(dockerd, life.name)
    do = "restart" if life.quiet else "notify, restart"
    flags = settings(directory, life.name, dockerd, f"{hook.url}/{life.name}", do=do)
    seen = Seen(life, killed=_dies(life, flags, directory / "first.log"))
    one = Sidecar(*flags)
    try:
        with suppress(TimeoutError):  # what is missing is told as a fault
            one.wait_for(lambda: _over(life, hook, directory / "journal"), f"{life.name}: it is restarted and told", 60)
        one.next_ticks(3)
        one.signal(signal.SIGTERM)
        one.wait()
        seen.log = one.log()
    finally:
        one.close()
    _read(seen, hook, directory / "journal")
    seen.incarnations = dockerd.cli("logs", container).splitlines().count("born")
    seen.seconds = time.monotonic() - began
    return seen


def _dies(life: Life, flags: Iterable[str], log: Path) -> bool:
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "brimline", "run", "--web.listen-address=127.0.0.1:0", *flags],
            stdout=file,
            stderr=file,
            env={**os.environ, VARIABLE: life.point},
        )
        try:
            return process.wait(60) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False


def _over(life: Life, hook: Hook, journal: Path) -> bool:
    """Tell whether its action is done, and all there is to tell was told."""
    seen = Seen(life, killed=True, restarts=1, incarnations=2, running=True)
    _read(seen, hook, journal)
    return not seen.faults()


def _read(seen: Seen, hook: Hook, journal: Path) -> None:
    """Take in what the journal and the receiver hold."""
    if (journal / NAME).exists():
        for kind, decision, fate in rows(
            journal, "SELECT kind, decision_id, facts ->> 'fate' FROM lines WHERE kind IN ('intent', 'outcome')"
        ):
            fates = seen.intents.setdefault(decision, [])
            if kind == "outcome":
                fates.append(fate)
    told = hook.of(f"/{seen.life.name}")
    by_id = {one.id: one for one in told}
    seen.twice = len(told) - len(by_id)
    notices = [notice for one in by_id.values() for notice in one.body["notices"]]
    seen.events = Counter(notice["event"] for notice in notices)
    seen.twofold = sorted(name for name, times in Counter(notice["id"] for notice in notices).items() if times > 1)
    seen.told_of = {n["action_id"] for n in notices if n["event"] in {"action_done", "action_failed"}}

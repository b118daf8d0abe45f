"""Asks a service to free memory: a POST to where it said, and a signal to each of its workers that carries the hook."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

from brimline.actions.base import Job, Proof, RefusedError, Standing
from brimline.actions.options import ActionsOptions
from brimline.actions.workers import Crew, Workers
from brimline.deeds import Verdict
from brimline.errors import ActionError, UnreachableError
from brimline.httpclient import HttpClient
from brimline.labels import names, sanitise
from brimline.model import Container, Subject
from brimline.redaction import hide_secrets

LABEL: Final = "brimline.cleanup"
BELOW: Final = 0.05  # how far below its alert level a cleanup should bring a subject: else the next request is an alert
_PLACE: Final = re.compile(r":(\d{1,5})(/[!-~]*)")  # a port and a path, printable and without spaces
_HEADERS: Final = {"Content-Type": "application/json"}
_HOST: Final = "host"
_MARGIN: Final = 5.0  # seconds for signalling beside the POST


class Cleanup:
    """POST and signal at once: the POST reaches one worker and says how much, the signal reaches every worker."""

    name = "cleanup"

    def __init__(
        self,
        options: ActionsOptions,
        *,
        http: HttpClient,
        workers: Workers,
        alert_at: Callable[[Subject], float],
        own_ports: Collection[int] = (),
    ) -> None:
        self._options = options
        self._http = http
        self._workers = workers
        self._alert_at = alert_at
        self._own_ports = own_ports  # on which Brimline itself listens
        self._reached: dict[str, str] = {}

    def lacks(self, standing: Standing, container: Container | None, directories: Mapping[str, str]) -> str:
        """Return why no cleanup is possible, with what to write; empty where one is. It looks at every process."""
        crew = self._crew(standing, container, directories)
        url, flaw = self.url(standing.subject, container, crew)
        if url or self._workers.carriers(crew):
            return ""
        return flaw or (
            f'it has no cleanup: label it {LABEL}=":PORT/PATH", name it under actions.cleanup, '
            "or install brimline.hook in its workers"
        )

    def reach(self, standing: Standing, container: Container | None, directories: Mapping[str, str]) -> str:
        """Say what it would call and signal: `POST http://10.0.0.2:8000/cleanup, 2 processes with the hook`."""
        crew = self._crew(standing, container, directories)
        url, _ = self.url(standing.subject, container, crew)
        carriers = self._workers.carriers(crew)
        hooks = f"{carriers} {'process' if carriers == 1 else 'processes'} with the hook"
        return ", ".join([*([f"POST {hide_secrets(url)}"] if url else []), *([hooks] if carriers else [])])

    def url(self, subject: Subject, container: Container | None, crew: Crew) -> tuple[str, str]:
        """Return where to POST, and why not there: the owner's label first, then the configuration's first glob."""
        host, lost = ("127.0.0.1", "") if container is None else self._address(container, crew)
        flaw = ""
        if container is not None and LABEL in container.labels:
            port, path, flaw = labelled(container)
            if port and not host:
                flaw = f'label {LABEL}="{container.labels[LABEL].strip()}" leads nowhere: {lost}'
            elif port in self._own_ports and container.network_mode == _HOST:
                flaw = f"label {LABEL} is not followed: Brimline itself listens on port {port}"
            elif port:
                return f"http://{host}:{port}{path}", ""
        called = names(subject)
        found = next((u for g, u in self._options.cleanup.items() if any(fnmatchcase(n, g) for n in called)), "")
        if "{host}" not in found:
            return found, flaw
        if not host:
            return "", f"actions.cleanup has {{host}} for {subject.name}: {lost}"
        return found.replace("{host}", host), flaw

    def seconds(self, _: Job) -> float:
        """Return how long the POST may take, and a little."""
        return self._options.cleanup_timeout + _MARGIN

    async def prepare(self, job: Job) -> None:
        """Refuse where there is neither a URL nor a worker with the hook."""
        if lack := self.lacks(job.standing, job.container, job.directories):
            raise RefusedError(Verdict.NOT_CONFIGURED, lack)

    async def run(self, job: Job) -> str:
        """POST and signal; one of them must reach a worker."""
        crew = self._crew(job.standing, job.container, job.directories)
        url, flaw = self.url(job.standing.subject, job.container, crew)
        # The request is under way before the signals go out: a worker that does both does the one that says how much.
        post = asyncio.ensure_future(self._post(url, job))
        await asyncio.sleep(0)
        reach = self._workers.signal(crew, critical=self._level(job) == "critical")
        answered, said = await post
        told = "; ".join(part for part in (said, flaw, reach.sentence) if part)
        if not answered and not reach.signalled:
            raise ActionError(f"the cleanup reached no worker: {told}")
        self._reached[job.decision.id] = told
        return told

    async def verify(self, job: Job) -> Proof:
        """Tell what was reached; whether it helped shows when memory is measured again."""
        told = self._reached.pop(job.decision.id, "")
        return Proof(bool(told), told or "the cleanup reached no worker", uid=job.decision.subject.uid)

    async def _post(self, url: str, job: Job) -> tuple[bool, str]:
        if not url:
            return False, ""
        body = json.dumps(
            {
                "level": self._level(job),
                "used_ratio": job.standing.ratio,
                "want_bytes": self.want_bytes(job.standing),
                "subject": job.decision.subject.name,
                "decision_id": job.decision.id,
            }
        ).encode()
        try:
            answer = await self._http.send(
                "POST", url, seconds=self._options.cleanup_timeout, body=body, headers=_HEADERS
            )
        except UnreachableError as error:
            return False, str(error)
        return answer.ok, f"POST {hide_secrets(url)} answered {answer.status}"

    def want_bytes(self, standing: Standing) -> int | None:
        """Return how much less must be used to stand 5 points below the alert level; None where use is not known."""
        if standing.used is None or standing.limit is None:
            return None
        return max(0, round(standing.used - max(0.0, self._alert_at(standing.subject) - BELOW) * standing.limit))

    def _address(self, container: Container, crew: Crew) -> tuple[str, str]:
        """Return where a replica is reached, as a URL writes it, and why nowhere."""
        if container.network_mode != _HOST:
            first = next(iter(container.addresses), "")
            lost = "" if first else "the container has no address in a network of its own"
            return f"[{first}]" if ":" in first else first, lost
        if self._workers.near(crew):
            return "127.0.0.1", ""
        return "", (
            "the container is in the host's network, where Brimline is not seen to be (it needs network_mode: host and "
            "pid: host); write a whole URL under actions.cleanup"
        )

    def _crew(self, standing: Standing, container: Container | None, directories: Mapping[str, str]) -> Crew:
        if container is None and standing.pids:
            return self._workers.crew(None, standing.pids)
        return self._workers.crew(directories.get("memory"))

    @staticmethod
    def _level(job: Job) -> str:
        return "critical" if job.decision.severity == "critical" else "warning"


def labelled(container: Container) -> tuple[int, str, str]:
    """Return the port and the path that a container's label means, and why it means none."""
    text = container.labels[LABEL].strip()
    place = _PLACE.fullmatch(text)
    if place is None or not 0 < int(place[1]) <= 65535:  # noqa: PLR2004 - the last port
        return (
            0,
            "",
            (
                f'label {LABEL}="{sanitise(text)}" is not followed: write a port and a path, ":8000/cleanup"; '
                "a whole URL belongs into actions.cleanup of the configuration"
            ),
        )
    return int(place[1]), place[2], ""

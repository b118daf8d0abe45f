"""What the half that acts would know of this moment, gathered for `explain` while everything is open."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from brimline.actions.cleanup import Cleanup
from brimline.actions.workers import Workers
from brimline.app import App
from brimline.cli import asking
from brimline.cli.explain.acting import Facts
from brimline.config import Config
from brimline.endpoints import leans_on, resolved
from brimline.httpclient import HttpClient
from brimline.leave import Leave, terms_of
from brimline.model import Kind, Subject
from brimline.policy.terms import service_of
from brimline.procfs import Procfs
from brimline.standings import Standings
from brimline.view import View


@dataclass(slots=True)
class Reach:
    """Where each subject's processes are; asked of an application before it closes."""

    directories: dict[Subject, Mapping[str, str]] = field(default_factory=dict)
    pids: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def look(self, app: App) -> None:
        """Note it."""
        self.directories = {target.subject: target.directories for target in app.targets()}
        reports = app.view.snapshot.reports if app.view is not None else ()
        subjects = {s for report in reports for column in report.columns for s in column.subjects}
        self.pids = {s.name: app.pids(s.name) for s in subjects if s.kind is Kind.PROCESS}

    def facts(self, subject: Subject, view: View, config: Config) -> Facts:
        """Return what can be said of one subject. It may wait for a name server."""
        containers = view.snapshot.containers or {}
        replicas: dict[str, set[str]] = {}
        for each, container in containers.items():
            replicas.setdefault(service_of(each, container.labels), set()).add(each.name)
        local = time.localtime()
        return Facts(
            subject=subject,
            at=asking.now(),
            leave=Leave(terms_of(config.actions), resolved(leans_on(config, os.environ))),
            containers=containers,
            replicas=replicas,
            cleanup=self._cleanup(subject, view, config),
            clock_time=asking.clock_time,
            quiet_at=(local.tm_wday, local.tm_hour * 60 + local.tm_min),
        )

    def _cleanup(self, subject: Subject, view: View, config: Config) -> str:
        standings = Standings(lambda group: self.pids.get(group, ()))
        standings.look(view.snapshot)
        standing = standings(subject)
        if standing is None:
            return "not known: it is not measured at present"
        container = (view.snapshot.containers or {}).get(subject)
        directories = self.directories.get(subject, {})
        workers = Workers(Procfs(config.path.procfs))
        ports = [port for _, port in config.web.addresses]
        cleanup = Cleanup(config.actions, http=HttpClient(), workers=workers, alert_at=lambda _: 0.0, own_ports=ports)
        lack = cleanup.lacks(standing, container, directories)
        return lack or cleanup.reach(standing, container, directories)

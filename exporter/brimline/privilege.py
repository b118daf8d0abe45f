"""Whether the way to an engine that Brimline acts through is wider than it needs: asked once per connection.

A local socket is not asked: it is root on this host whatever it answers. A dry run asks nothing: it sends no POST.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from brimline.config import Config
from brimline.dockerapi import DockerApi
from brimline.errors import SourceError
from brimline.metrics.acted import Acted
from brimline.redaction import hide_secrets

_log: Final = logging.getLogger(__name__)
_REMOTE: Final = ("tcp://", "http://", "https://")


def is_asked(config: Config, host: str) -> bool:
    """Tell whether the engine at this host is asked: somebody chose a way for actions, or it leads over a network."""
    return not config.actions.dry_run and (config.sources.docker.action_host is not None or host.startswith(_REMOTE))


class Privilege:
    """Asks beside everything else, so that no action and no tick waits for an answer."""

    def __init__(self, acted: Acted) -> None:
        self._acted = acted
        self._tasks: set[asyncio.Task[None]] = set()
        self._wide: set[str] = set()  # hosts of which it was said

    def ask(self, engine: DockerApi, host: str) -> None:
        """Begin to ask."""
        self._tasks.add(task := asyncio.create_task(self._ask(engine, host)))
        task.add_done_callback(self._tasks.discard)

    def forget(self) -> None:
        """Drop what was asked, and what was answered: another engine is coming, or none."""
        for task in self._tasks:
            task.cancel()
        self._acted.overprivileged = None

    async def _ask(self, engine: DockerApi, host: str) -> None:
        shown = hide_secrets(host)
        try:
            wide = await engine.lets_create()
        except SourceError as error:
            _log.debug("whether %s lets more pass than is needed is not known: %s", shown, error)
            return
        self._acted.overprivileged = wide
        if wide is None:
            _log.debug("%s answered neither yes nor no when asked whether it lets create containers", shown)
        elif not wide:
            self._wide.discard(shown)
        elif shown not in self._wide:
            self._wide.add(shown)
            _log.warning(
                "%s also lets create containers: whoever reaches it is root there; put a socket proxy before it that "
                "allows, beside what is read, only POST on /containers/{id}/restart, /stop and /start",
                shown,
            )

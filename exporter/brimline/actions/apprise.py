"""Sends a message through apprise (Telegram, Discord, mail and many more), an extra imported only where it is used."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from brimline.actions.sender import Receipt, Sent
from brimline.deeds import Message
from brimline.errors import ConfigError, Problem
from brimline.redaction import shown

_log: Final = logging.getLogger(__name__)
_WHERE: Final = "notify.apprise"
_SECONDS: Final = 30.0  # for one message to one entry, however many services it names


class Apprise:
    """One address, or all of one file of addresses. A service that hangs costs one daemon thread and nothing else."""

    def __init__(self, name: str, address: str, services: Any, *, seconds: float = _SECONDS) -> None:  # noqa: ANN401 - apprise.Apprise
        self.name = name
        self._shown = shown(address)
        self._services = services
        self._seconds = seconds
        self._thread: threading.Thread | None = None

    async def send(self, message: Message) -> Receipt:
        """Try once."""
        if self._thread is not None and self._thread.is_alive():
            return Receipt(Sent.FAILED, f"{self._shown}: an earlier message still waits for an answer")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()
        self._thread = threading.Thread(
            target=self._notify, args=(json.loads(message.body), loop, told), name="brimline-apprise", daemon=True
        )
        self._thread.start()
        try:
            async with asyncio.timeout(self._seconds):
                delivered = await told
        except TimeoutError:
            return Receipt(Sent.FAILED, f"{self._shown}: no answer within {self._seconds:g} s")
        if delivered:
            return Receipt(Sent.DELIVERED)
        return Receipt(Sent.FAILED, f"{self._shown}: apprise could not deliver it; the log says why")

    def _notify(self, body: Mapping[str, str], loop: asyncio.AbstractEventLoop, told: asyncio.Future[bool]) -> None:
        try:
            delivered = bool(self._services.notify(title=body["title"], body=body["body"], notify_type=body["type"]))
        except Exception as error:  # noqa: BLE001 - an action's run, in code that is not ours
            _log.error("%s: apprise failed with %s", self._shown, type(error).__name__)  # its text may hold the token
            delivered = False
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, told, delivered)


def load(entries: Mapping[str, str], importer: Callable[[str], Any] = import_module) -> list[Apprise]:
    """Return a sender for each entry (name -> address or file); raises ConfigError where one cannot be used."""
    if not entries:
        return []
    try:
        library = importer("apprise")
    except ImportError:
        text = "addresses for apprise need a package that is not installed; run: pip install 'brimline[notify]'"
        raise ConfigError([Problem(_WHERE, text)]) from None
    problems, senders = [], []
    for name, entry in entries.items():
        services, problem = _services(library, entry)
        if problem:
            problems.append(Problem(_WHERE, problem))
        senders.append(Apprise(name, entry, services))
    if problems:
        raise ConfigError(problems)
    return senders


def _services(library: Any, entry: str) -> tuple[Any, str]:  # noqa: ANN401 - the module apprise
    services = library.Apprise()
    if "://" in entry:
        if not services.add(entry):
            return services, f'apprise cannot use the address "{shown(entry)}"; see the documentation of its service'
        return services, ""
    if not Path(entry).is_file():
        return services, f'no file "{entry}"; write an address such as "tgram://token/chat", or a file of apprise'
    config = library.AppriseConfig()
    if not config.add(entry) or not config.servers():
        return services, f'file "{entry}" names no service that apprise can use'
    services.add(config)
    return services, ""


def _settle(told: asyncio.Future[bool], delivered: bool) -> None:  # noqa: FBT001 - what a thread hands over
    if not told.done():
        told.set_result(delivered)

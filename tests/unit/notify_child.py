"""A process that tells one webhook what fires, and dies where the environment says: `DIRECTORY URL fires|over`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from brimline import faults
from brimline.actions.delivery import Delivery
from brimline.actions.notifier import Notifier
from brimline.actions.notify_options import NotifyOptions
from brimline.deeds import Fate
from brimline.engine import SystemClock
from brimline.httpclient import HttpClient
from brimline.journal.options import StorageOptions
from brimline.journal.store import JournalFile
from unit.notify_parts import alert, decision, outcome


class FileTold:
    """What was told, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> Mapping[str, str]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}

    def save(self, changes: Mapping[str, str | None]) -> None:
        kept = {key: text for key, text in {**self.load(), **changes}.items() if text is not None}
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(kept))
        fresh.replace(self._file)


async def main(directory: str, url: str, phase: str) -> None:
    clock, client = SystemClock(), HttpClient()
    journal = JournalFile(StorageOptions(path=directory), clock, "boot")
    journal.open()
    assert journal.up, journal.why
    delivery = Delivery(
        journal.outbox, clock=clock, jitter=lambda: 0.0, point=faults.points(os.environ), note=lambda _: None
    )
    notifier = Notifier(
        NotifyOptions.model_validate({"webhooks": [{"url": url, "name": "hook"}], "group_wait": "0s"}),
        annotate=lambda _: {},
        client=client,
        clock=clock,
        delivery=delivery,
        told=FileTold(Path(directory, "told.json")),
        interval=5.0,
    )
    firing = [alert("a"), alert("b", alertname="Low")] if phase == "fires" else []
    notifier.tick(clock.now(), firing, ())
    if firing:
        notifier.concluded(decision(alert("a")), outcome(), Fate.DONE)
    await notifier.flush()
    while journal.outbox.counts()["queued"]:
        delivery.look()
        await delivery.settle()
    await client.close()
    journal.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))

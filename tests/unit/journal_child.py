"""A process of its own that intends and concludes and may be killed at a named point: `journal_child.py DIRECTORY`."""

from __future__ import annotations

import asyncio
import os
import sys

from brimline.deeds import Fate, Message
from brimline.faults import points
from brimline.journal.options import StorageOptions
from brimline.journal.store import JournalFile
from fakes import FakeClock
from unit.journals import BOOT, decision, outcome


async def work(directory: str) -> None:
    clock, point = FakeClock(), points(os.environ)
    journal = JournalFile(StorageOptions(path=directory), clock, BOOT)
    journal.open()
    decided = decision(clock.now())
    point("intending")
    await journal.intend(decided)
    point("intended")
    point("concluding")
    await journal.conclude(decided, outcome(), Fate.DONE)
    point("concluded")
    point("queueing")
    await journal.outbox.add([Message("m1", "hook", "action", b"done", clock.wall)])
    point("queued")
    journal.outbox.delivered("m1")
    journal.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))

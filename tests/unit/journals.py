"""What the journal's tests begin with: a journal whose clock a test moves, decisions, outcomes, what the file holds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from brimline.deeds import Decision, Entry, EntryKind, Outcome, Verdict
from brimline.journal.file import NAME
from brimline.journal.minutes import Measure
from brimline.journal.options import StorageOptions
from brimline.journal.reading import open_reading
from brimline.journal.store import JournalFile
from brimline.journal.verify import Finding, verify
from brimline.model import AlertKey, Kind, Metric, Now, Subject
from fakes import FakeClock, container

T = TypeVar("T")
BOOT = "boot-1"
WEB = container("shop-web-1", "c1@5", ("shop", "web"))


@contextmanager
def opened(
    directory: Path,
    clock: FakeClock,
    *,
    boot: str = BOOT,
    retry: float = 10.0,
    measures: Mapping[Metric, Measure] | None = None,
    **options: Any,  # noqa: ANN401 - those of the storage
) -> Iterator[JournalFile]:
    """Open a journal for the time of the block."""
    storage = StorageOptions(path=str(directory), **options)
    journal = JournalFile(storage, clock, boot, measures=measures, retry=retry)
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def decision(at: Now, number: int = 1, subject: Subject = WEB, **more: Any) -> Decision:  # noqa: ANN401 - its fields
    usual = Decision(
        id=f"d{number:04}",
        at=at,
        action="restart",
        subject=subject,
        verdict=Verdict.RUN,
        reason="91 % of 2 GiB used",
        key=AlertKey("memory/High{severity=critical}", Kind.CONTAINER, subject.name, subject.labels),
        alertname="High",
        severity="critical",
        episode="e1",
        service="shop/web",
        image_id="sha256:1",
        limit=2**31,
    )
    return replace(usual, **more)


def outcome(number: int = 1, *, ok: bool = True) -> Outcome:
    return Outcome(f"d{number:04}", ok, "running again after 2s", 1.5, 4.0, 2**31, 2**20, 2.0, "c1@9")


def note(clock: FakeClock, text: str = "reloaded", kind: EntryKind = EntryKind.NOTE, **more: Any) -> Entry:  # noqa: ANN401 - its fields
    return Entry(kind, clock.now(), text, **more)


def texts(directory: Path) -> list[str]:
    return [text for (text,) in rows(directory, "SELECT text FROM lines ORDER BY seq")]


def rows(directory: Path, sql: str) -> list[Any]:
    with closing(open_reading(directory)) as connection:
        return connection.execute(sql).fetchall()


def change(directory: Path, sql: str, parameters: tuple[object, ...] = ()) -> None:
    """Do what nobody but a test or a vandal does."""
    with closing(sqlite3.connect(directory / NAME, isolation_level=None)) as connection:
        connection.execute(sql, parameters)


def verified(directory: Path) -> Finding:
    with closing(open_reading(directory)) as connection:
        return verify(connection)


def until(look: Callable[[], bool]) -> None:
    """Wait for the writer's thread."""

    async def wait() -> None:
        async with asyncio.timeout(30):
            while not look():  # noqa: ASYNC110 - it is a thread that brings it about
                await asyncio.sleep(0.01)

    asyncio.run(wait())

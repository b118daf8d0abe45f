"""A Celery pool: each task keeps a little of the document it has read. Its processes have Brimline's hook."""

import os
from pathlib import Path

import hook
from celery import Celery
from celery.signals import worker_ready

ALIVE = Path("/tmp/alive")  # noqa: S108 - this container's own; health.py looks at it
app = Celery("documents", broker=os.environ.get("BROKER", "redis://redis:6379/0"))
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
kept: list[bytes] = []
hook.celery()


@worker_ready.connect
def ready(**_: object) -> None:
    """Say that the pool takes work."""
    ALIVE.touch()


@app.task
def read(kib: int) -> None:
    """Read a document of so many KiB."""
    kept.append(os.urandom(kib * 1024))
    ALIVE.touch()

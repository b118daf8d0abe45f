"""The situations in which the usual numbers lie about memory; each test asks the kernel itself what is left."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
WEIGHTS = "/weights"


@dataclass(frozen=True, slots=True)
class Row:
    """A workload under a limit, in MiB. `lie`: what docker stats would say is at least so many points off."""

    name: str
    steps: tuple[object, ...]
    limit: int
    lie: float = 0.0


ROWS = (
    Row("mapped weights", ("mmap-file", WEIGHTS, 150), 225),
    Row("weights read twice", ("read-file", WEIGHTS, 150), 225, lie=0.5),
    Row("weights and a little of its own", ("read-file", WEIGHTS, 150, "+", "anon", 30), 225, lie=0.5),
    Row("anonymous", ("anon", 150), 225),
    Row("shared memory", ("shm", 100), 200),
    Row("shared memory whose writer is gone", ("shm-orphan", 100), 200),
    Row("locked and memfd", ("mlock", 60, "+", "memfd", 40), 200),
    Row("given back with MADV_FREE", ("madvfree", 80), 200),
    Row("preloaded model and four workers", ("fork", 120, 4, 10), 250),
)
# v1 does not tell how much of its kernel memory is reclaimable slab: there these 18 MiB count as used, hence the limit.
DENTRIES = Row("negative dentries", ("dentries", 50000), 1200)


def truth(limit: int, room: int) -> float:
    """Return the share of the limit that was really in use, from what a child could still take."""
    return 1 - room / limit

"""How full this container is: its anonymous and shared memory against its limit, as the kernel counts them."""

from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
FILES = (("memory/memory.stat", "memory/memory.limit_in_bytes"), ("memory.stat", "memory.max"))
HELD = {"total_rss", "total_shmem", "anon", "shmem"}


def share() -> float:
    """Return the share of the limit that cannot be dropped; 0 where there is no limit."""
    for stat, limit in FILES:
        if (GROUP / stat).exists():
            counts = dict(line.split() for line in (GROUP / stat).read_text().splitlines())
            most = (GROUP / limit).read_text().strip()
            held = sum(int(counts[name]) for name in HELD & counts.keys())
            return held / int(most) if most.isdigit() else 0.0
    return 0.0

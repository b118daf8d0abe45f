"""A /proc made of plain files, for what real processes cannot show on demand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

BOOT = 1_700_000_000
MEMINFO = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nSwapTotal: 20 kB\nSwapFree: 10 kB\n"


class FakeProcfs:
    """Writes the files that Brimline reads; `pages` are resident ones, `start` and `cpu` in ticks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file("meminfo", MEMINFO)
        self.file("vmstat", "nr_free_pages 5\noom_kill 3\noom_kill_x 9\n")
        self.file("pressure/memory", "some avg10=1.50 avg60=0 avg300=0 total=2500000\nfull avg10=0.25 total=1000000\n")
        self.file("stat", f"cpu 1 2 3\nbtime {BOOT}\nprocesses 9\n")
        self.file("sys/kernel/random/boot_id", "0123abcd-0000\n")
        self.spawn(1, ["/sbin/init"], ppid=0, start=1)

    def file(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def spawn(
        self,
        pid: int,
        argv: list[str] | None = None,
        *,
        ppid: int = 1,
        start: int = 100,
        comm: bytes = b"python3",
        pages: int = 10,
        cpu: int = 0,
        state: str = "S",
        cgroup: str = "/user.slice",
        depth: int = 1,
        stack: int = 7,
    ) -> None:
        flags = 0 if argv is not None else 0x200000
        before = f"{state} {ppid} 1 1 0 -1 {flags} 0 0 0 0 {cpu} 0 0 0 20 0 1 0 {start} 9999 {pages} 0 1 2 {stack} 0"
        self.file(f"{pid}/stat", b"%d (%b) %b\n" % (pid, comm, before.encode()))
        self.pages(pid, 0 if state == "Z" else pages)
        self.file(f"{pid}/cmdline", b"".join(os.fsencode(arg) + b"\0" for arg in argv or []))
        self.file(f"{pid}/cgroup", f"0::{cgroup}\n")
        self.file(f"{pid}/status", f"Name:\tx\nNSpid:\t{' '.join('1' * depth)}\n")

    def pages(self, pid: int, pages: int) -> None:
        size = pages * 10
        self.file(f"{pid}/statm", f"{size} {pages} 3 1 0 5 0\n")

    def kill(self, pid: int) -> None:
        shutil.rmtree(self.root / str(pid))

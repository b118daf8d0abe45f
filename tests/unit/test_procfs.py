from __future__ import annotations

import os

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.procfs import (
    Procfs,
    parse_boot_time,
    parse_cgroup,
    parse_cmdline,
    parse_meminfo,
    parse_nspid_depth,
    parse_pressure,
    parse_stat,
    parse_statm,
    parse_vmstat,
)

# A line of a 6.18 kernel, with the name in its place left open.
STAT = (
    b"17212 (%b) R 17206 17207 12508 0 -1 4194304 1180 0 0 0 15 4 0 0 20 0 1 0 233987 17182720 3203 "
    b"18446744073709551615 4194304 7090813 140729312215744 0 0 0 0 16781312 2 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 7 0\n"
)


@pytest.mark.parametrize("comm", [b"python3", b"a b", b"a) R 1 (b", b'\xff\n")\\', b"", b"((("])
def test_a_process_name_may_hold_anything(comm: bytes) -> None:
    stat = parse_stat(STAT % comm)
    assert (stat.comm, stat.state, stat.ppid) == (comm, "R", 17206)
    assert (stat.cpu_ticks, stat.start, stat.rss_pages, stat.kernel) == (19, 233987, 3203, False)
    assert stat.image == (comm, b"140729312215744")


@given(st.binary(max_size=16))
def test_no_name_shifts_the_fields(comm: bytes) -> None:
    assert parse_stat(STAT % comm).start == 233987


def test_a_kernel_thread_is_told_by_its_flag() -> None:
    assert parse_stat(b"2 (kthreadd) S 0 0 0 0 -1 2129984 " + b"0 " * 30).kernel


def test_statm_gives_resident_pages() -> None:
    assert parse_statm(b"4195 812 700 250 0 120 0\n") == 812
    assert parse_statm(b"0 0 0 0 0 0 0\n") == 0


@pytest.mark.parametrize(
    ("raw", "argv"),
    [
        (b"python\0-m\0app\0", ("python", "-m", "app")),
        (b"python\0\0x\0", ("python", "", "x")),
        (b"gunicorn: master [app:app]\0\0\0\0", ("gunicorn: master [app:app]",)),
        (b"nginx: worker process      ", ("nginx: worker process",)),
        (b"", ()),
        (b"\0\0", ()),
        (b"\xff\n\0", ("\udcff\n",)),
    ],
)
def test_a_command_line(raw: bytes, argv: tuple[str, ...]) -> None:
    assert parse_cmdline(raw) == argv


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (b"0::/system.slice/a.service\n", ("/system.slice/a.service",)),
        (b"5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/u\n1:name=systemd:/u\n", ("/docker/1", "/u", "/x")),
        (b"4:memory:/with:colon\n", ("/with:colon",)),
        (b"garbage\n", ()),
    ],
)
def test_the_cgroups_of_a_process(raw: bytes, paths: tuple[str, ...]) -> None:
    assert parse_cgroup(raw) == paths


def test_how_deep_a_pid_name_space_is() -> None:
    assert parse_nspid_depth(b"Name:\tx\nNSpid:\t812\nNSpgid:\t1\t2\n") == 1
    assert parse_nspid_depth(b"Name:\tx\nNSpid:\t812\t1\n") == 2
    assert parse_nspid_depth(b"Name:\tNSpid:\\n\n") == 1


def test_meminfo_answers_only_what_is_there() -> None:
    raw = b"MemTotal:       1000 kB\nMemFree: 7 kB\nHugePages_Total:       0\n"
    assert parse_meminfo(raw, ("MemTotal", "MemAvailable")) == {"MemTotal": 1_024_000}


def test_vmstat_takes_whole_lines_only() -> None:
    assert parse_vmstat(b"a 1\noom_kill 12\nz 1\n", "oom_kill") == 12
    assert parse_vmstat(b"a 1\noom_kill 1", "oom_kill") is None  # the rest of the number is in the next read
    assert parse_vmstat(b"xoom_kill 1\noom_kill_x 2\n", "oom_kill") is None


def test_pressure_with_and_without_full() -> None:
    both = parse_pressure(b"some avg10=1.50 avg60=0.1 avg300=0 total=2500000\nfull avg10=0.25 avg60=0 total=1000000\n")
    assert (both.some_ratio, both.some_seconds, both.full_ratio, both.full_seconds) == (0.015, 2.5, 0.0025, 1.0)
    assert parse_pressure(b"some avg10=0.00 avg60=0 avg300=0 total=0\n").full_ratio is None


def test_boot_time() -> None:
    assert parse_boot_time(b"cpu 1\nbtime 1700000000\nx 1\n") == 1_700_000_000
    with pytest.raises(ValueError, match="btime"):
        parse_boot_time(b"cpu 1\n")


def test_this_very_process_as_psutil_sees_it() -> None:
    procfs, me = Procfs(), psutil.Process()
    stat = procfs.stat(me.pid)
    assert procfs.cmdline(me.pid) == tuple(me.cmdline())
    assert stat.ppid == me.ppid()
    assert procfs.boot_time() + stat.start / procfs.ticks_per_second == pytest.approx(me.create_time(), abs=2)
    assert procfs.owner(me.pid) == me.uids().effective
    assert str(me.pid) in procfs.listing()
    assert procfs.nspid_depth(me.pid) == 1
    assert procfs.cgroup(me.pid)
    assert len(procfs.boot_id()) == 36
    fd = procfs.open_statm(me.pid)
    try:
        resident = parse_statm(os.pread(fd, 128, 0)) * procfs.page_size
    finally:
        os.close(fd)
    assert resident == pytest.approx(me.memory_info().rss, rel=0.1)

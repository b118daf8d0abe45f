"""OOM kills in the kernel's log: reports of several kernels, on both cgroup versions, of a host and of memory nodes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.kmsg import Bound, Kill, Record, kills, parse_journal, parse_kmsg

CAPTURED = Path(__file__).parents[1] / "fixtures/kmsg/linux-6.18-v1.txt"
ID = "74bea4773fde644e8d41e00dbe72e90b9caa1ad429cbd0248faf3f868997dd77"
KIB, BOOT = 1024, 1_700_000_000.0

# As mm/oom_kill.c of each version prints them; what stands between the lines that count is left out.
V6_2 = f"""\
python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
memory: usage 524288kB, limit 524288kB, failcnt 821
swap: usage 0kB, limit 0kB, failcnt 0
Memory cgroup stats for /system.slice/docker-{ID}.scope:
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=docker-{ID}.scope,mems_allowed=0-1,oom_memcg=/system.slice\
/docker-{ID}.scope,task_memcg=/system.slice/docker-{ID}.scope,task=python3,pid=1234,uid=1000
Memory cgroup out of memory: Killed process 1234 (python3) total-vm:812kB, anon-rss:500000kB, file-rss:1000kB, \
shmem-rss:2000kB, UID:1000 pgtables:1372kB oom_score_adj:0
"""
ANCESTOR = """\
a,b=c) (x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
memory: usage 2097152kB, limit 2097152kB, failcnt 3
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0,2,cpuset=/,mems_allowed=0,2,oom_memcg=/shop.slice,task_memcg=/shop.slice\
/a,task=b.service,task=a,b=c) (x,pid=77,uid=0
Memory cgroup out of memory: Killed process 77 (a,b=c) (x) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB
"""
GLOBAL = """\
stress invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0
Mem-Info:
oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice,task=stress\
,pid=9,uid=1000
Out of memory: Killed process 9 (stress) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:1kB
"""
NODES = GLOBAL.replace("CONSTRAINT_NONE", "CONSTRAINT_CPUSET")
V4_4 = f"""\
java invoked oom-killer: gfp_mask=0x24000c0, order=0, oom_score_adj=0
Task in /docker/{ID} killed as a result of limit of /docker/{ID}
memory: usage 4194300kB, limit 4194304kB, failcnt 111
memory+swap: usage 4194304kB, limit 8388608kB, failcnt 0
Memory cgroup out of memory: Kill process 5 (java) score 1003 or sacrifice child
Killed process 5 (java) total-vm:9kB, anon-rss:4000000kB, file-rss:0kB
"""
V3_10 = """\
palo_be invoked oom-killer: gfp_mask=0x280da, order=0, oom_score_adj=0
Out of memory: Kill process 24984 (palo_be) score 968 or sacrifice child
Killed process 18177 (palo_be), UID 0, total-vm:70347780kB, anon-rss:45563572kB, file-rss:0kB, shmem-rss:0kB
"""
SCOPE = f"/system.slice/docker-{ID}.scope"


def found(text: str) -> list[Kill]:
    return list(kills(Record(BOOT + number, line) for number, line in enumerate(text.splitlines())))


@pytest.mark.parametrize(
    ("text", "kill"),
    [
        (V6_2, Kill(BOOT + 5, 1234, "python3", 503000 * KIB, Bound.CGROUP, SCOPE, SCOPE, 524288 * KIB)),
        (
            ANCESTOR,
            Kill(BOOT + 3, 77, "a,b=c) (x", KIB, Bound.CGROUP, "/shop.slice", "/shop.slice/a,task=b.service", 2 << 30),
        ),
        (GLOBAL, Kill(BOOT + 3, 9, "stress", 8 * KIB, Bound.HOST, "", "/user.slice")),
        (NODES, Kill(BOOT + 3, 9, "stress", 8 * KIB, Bound.NODES, "", "/user.slice")),
        (V4_4, Kill(BOOT + 5, 5, "java", 4000000 * KIB, Bound.CGROUP, f"/docker/{ID}", f"/docker/{ID}", 4 << 30)),
        (V3_10, Kill(BOOT + 2, 18177, "palo_be", 45563572 * KIB, Bound.HOST)),
    ],
    ids=["6.1 v2", "limit of an ancestor", "host", "nodes", "4.4 v1", "3.10 host"],
)
def test_a_report_is_one_kill(text: str, kill: Kill) -> None:
    assert found(text) == [kill]


def test_a_captured_report_and_the_end_of_the_one_before_it() -> None:
    boot = 1_000_000.0
    first, second = kills(parse_kmsg(CAPTURED.read_text(encoding="utf-8"), boot))
    assert (first.pid, first.task, first.bound, first.limit) == (32655, "memload", Bound.CGROUP, None)
    assert first.wall == pytest.approx(boot + 12990.958863)
    assert second.limited == second.victim
    assert second.victim.startswith("/docker/")
    assert second.limit is not None
    assert second.resident == pytest.approx(second.limit, rel=0.05)  # its file pages may be another's


def test_every_victim_of_a_group_that_dies_together_has_the_report_of_the_first() -> None:
    """With memory.oom.group=1 the rest of the cgroup follows."""
    rest = V6_2.splitlines()[-1].replace("1234", "1235")
    assert [(kill.pid, kill.limited) for kill in found(V6_2 + rest)] == [(1234, SCOPE), (1235, SCOPE)]


def test_reports_do_not_mix() -> None:
    assert [(kill.bound, kill.limit) for kill in found(V6_2 + GLOBAL + V4_4)] == [
        (Bound.CGROUP, 524288 * KIB),
        (Bound.HOST, None),
        (Bound.CGROUP, 4 << 30),
    ]


def test_a_host_without_memory_has_no_limit_though_the_log_lost_where_its_report_begins() -> None:
    torn = "\n".join([*V6_2.splitlines()[:2], *GLOBAL.splitlines()[1:]])
    assert [(kill.pid, kill.bound, kill.limit) for kill in found(torn)] == [(9, Bound.HOST, None)]


def test_the_last_line_alone_still_tells_who_and_why() -> None:
    (kill,) = found(V6_2.splitlines()[-1])
    assert (kill.pid, kill.bound, kill.limited, kill.limit) == (1234, Bound.CGROUP, "", None)


def test_other_lines_are_no_kills() -> None:
    reaped = "oom_reaper: reaped process 1234 (python3), now anon-rss:0kB, file-rss:0kB, shmem-rss:92kB"
    assert found(f"{reaped}\nkilled process 3 (x)\n") == []


def test_a_name_that_no_terminal_can_show_is_made_one() -> None:
    (kill,) = found(V3_10.replace("(palo_be), UID", "(pa\x1blo), UID"))
    assert kill.task == "pa\\x1blo"


def test_records_of_dev_kmsg() -> None:
    text = "6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n4,340,6000000,c,caller=T1;a;b\nno record\n"
    assert list(parse_kmsg(text, BOOT)) == [Record(BOOT + 5.1409, "NET: Registered"), Record(BOOT + 6.0, "a;b")]


def test_lines_of_journalctl() -> None:
    text = "1700000000.5 host kernel: Out of memory\n1700000001.5 host kernel: [   12.5] stamped\n-- Boot abc --\n"
    assert list(parse_journal(text)) == [Record(1_700_000_000.5, "Out of memory"), Record(1_700_000_001.5, "stamped")]


@given(st.text())
def test_whatever_a_log_holds_is_read(text: str) -> None:
    assert all(isinstance(kill, Kill) for kill in found(text))
    assert all(record.wall >= BOOT for record in parse_kmsg(text, BOOT))
    list(parse_journal(text))


def test_a_line_that_no_kernel_writes_costs_no_time() -> None:
    began = time.process_time()
    assert not found("oom-kill:constraint=CONSTRAINT_M,nodemask=" + ",oom_memcg=,task_memcg=,task=,pid=1,uid=" * 250)
    assert time.process_time() - began < 2, "it is cubic"  # seen: 0.1 s

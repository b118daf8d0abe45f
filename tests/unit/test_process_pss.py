from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from brimline.procfs import Procfs
from brimline.sources.pss import Member, Scales, Share, psutil_measure

A, B, C = (10, 1), (11, 2), (12, 3)


def table(shares: dict[Member, Share | None]) -> Callable[[Member], Share | None]:
    return lambda member: shares[member]


def weighed(scales: Scales, *names: str) -> None:
    """Let the thread weigh once."""
    scales.start()
    deadline = time.monotonic() + 10
    while not all(name in scales._latest for name in names):
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_a_group_is_the_sum_of_its_members_less_the_gone() -> None:
    scales = Scales(table({A: Share(5, 3, 1), B: None, C: Share(7, 4, 0)}), 1.0)
    weighing = scales.weigh((A, B, C))
    assert (weighing.share, weighing.denied, weighing.oldest) == (Share(12, 7, 1), False, A)


def test_a_group_none_of_whose_members_is_there_weighs_nothing_and_not_zero() -> None:
    assert Scales(table({A: None}), 1.0).weigh((A,)).share is None


def test_one_member_that_may_not_be_read_makes_the_sum_wrong_so_there_is_none() -> None:
    def measure(member: Member) -> Share:
        if member == B:
            raise PermissionError
        return Share(1, 1, 1)

    weighing = Scales(measure, 1.0).weigh((A, B))
    assert weighing.share is None
    assert weighing.denied


def test_the_last_weighing_counts_until_another_incarnation_or_too_long() -> None:
    scales = Scales(table({A: Share(5, 3, 1), B: Share(1, 1, 1)}), 1.0)
    scales.watch({"g": (A, B), "empty": ()})
    assert scales.latest("g", 0.0) is None
    weighed(scales, "g")
    scales.close()
    weighing = scales.latest("g", 0.0)
    assert weighing is not None
    assert weighing.share == Share(6, 4, 2)
    assert scales.latest("g", 299.0) is weighing
    assert scales.latest("g", 301.0) is None
    assert scales.latest("empty", 0.0) is None
    assert scales.latest("other", 0.0) is None
    scales.watch({"g": (B,)})
    assert scales.latest("g", 1.0) is None


def test_a_new_incarnation_is_weighed_at_once() -> None:
    scales = Scales(table({A: Share(5, 3, 1), B: Share(1, 1, 1)}), 1.0)
    scales.watch({"g": (A,)})
    weighed(scales, "g")
    scales.watch({"g": (B,)})
    deadline = time.monotonic() + 10
    while scales.latest("g", 0.0) is None:
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)
    scales.close()


def test_the_thread_keeps_to_its_share_of_a_core() -> None:
    def work(_: Member) -> Share:
        until = time.thread_time() + 0.004
        while time.thread_time() < until:
            pass
        return Share(1, 1, 1)

    rests: list[float] = []
    scales = Scales(work, 0.01)

    class Recorder(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout or 0.0)
            self.set()
            return True

    scales._closed = Recorder()
    scales.watch({"g": (A,)})
    scales._work()
    cost = scales._latest["g"].cost
    assert cost >= 0.004
    assert rests == [pytest.approx(cost * 99)]


def test_this_very_process_as_psutil_sees_it() -> None:
    procfs = Procfs()
    measure = psutil_measure("/proc", lambda pid: procfs.stat(pid).start)
    pid = os.getpid()
    share = measure((pid, procfs.stat(pid).start))
    assert share is not None
    memory = psutil.Process().memory_full_info()
    assert share.pss == pytest.approx(memory.pss, rel=0.1)
    assert 0 < share.uss <= share.pss <= memory.rss
    assert measure((pid, 1)) is None  # another process had this pid
    assert measure((2**22 + 1, 1)) is None

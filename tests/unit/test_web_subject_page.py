"""The page of one subject, drawn from ticks built by hand."""

from __future__ import annotations

from brimline.deeds import EntryKind
from brimline.members import Members
from brimline.model import Level, Subject
from brimline.web.page.gathered import Gathered
from brimline.web.page.subject import Known, other_page, subject_page
from unit.cli_views import GIB, HOST, container, group
from unit.page_scenes import Scenery, entry, members, restarted, shop
from unit.test_web_front import Page

WHISPER = container("whisper-bot", "shop", "whisper-bot")


def html(scenery: Scenery, subject: Subject, known: Known | None = None, *, fresh: bool = True) -> str:
    gathered = Gathered(scenery.view(), scenery.past)
    line = gathered.called(subject.kind, subject.name)
    assert line is not None
    if known is None:
        past = scenery.past.entries if scenery.past else ()
        known = Known([e for e in past if e.subject is not None and e.subject.name == subject.name], members())
    return subject_page(gathered, line, known, fresh=fresh, up="../../")


def seen(scenery: Scenery, subject: Subject, known: Known | None = None) -> str:
    return Page(html(scenery, subject, known)).text


def test_it_says_how_it_stands_why_and_what_is_decided() -> None:
    text = seen(shop(), WHISPER)
    assert "whisper-bot container / shop / whisper-bot critical 91.2 % 934 MiB of 1 GiB The marks stand at 80 %" in text
    assert "nothing of that can be dropped: critical" in text
    assert "InferenceMemoryCritical critical 91.2 % for 5m" in text
    assert "no restart, cooldown: the last restart ended 40s ago" in text
    assert "restarts seen 2 restarts left this hour 1 OOM kills 1" in text


def test_every_definition_of_used_is_stacked_and_listed() -> None:
    text = seen(shop(), WHISPER)
    for part in ("anonymous 654 MiB", "shared memory 187 MiB", "kernel 46.7 MiB", "droppable 205 MiB"):
        assert part in text
    assert "working set 1.01 GiB 101.2 % docker stats, kubectl top, cAdvisor" in text


def test_the_chain_of_limits_says_which_one_binds() -> None:
    text = seen(shop(), WHISPER)
    assert "/system.slice/docker-1.scope 1 GiB 934 MiB 90.1 MiB binds /system.slice - 2 GiB -" in text


def test_a_shared_level_that_fills_first_names_who_fills_it() -> None:
    scenery, sibling = shop(), container("sibling")
    pod = Level("/pod", GIB, GIB, GIB - 1)
    for subject, used in ((WHISPER, 1), (sibling, GIB - 2)):
        scenery.add(subject, 0.5)
        scenery.chains[subject] = (Level(f"/pod/{subject.name}", 2 * GIB, used, used), pod)
    assert "/pod fills first; container/sibling holds most of that, 1.00 GiB" in seen(scenery, WHISPER)


def test_processes_are_listed_by_pss() -> None:
    text = seen(shop(), WHISPER)
    assert "Processes by PSS Name Pid PSS RSS python3 4711 640 MiB 700 MiB ffmpeg 4720 - 90 MiB" in text
    assert "2 smaller ones are left out. Weighed 3s ago" in text


def test_processes_nobody_knows_or_could_read_are_not_made_up() -> None:
    assert "Processes" not in seen(shop(), WHISPER, Known())
    assert "None could be read." in seen(shop(), WHISPER, Known((), Members(0, ())))


def test_each_action_stands_with_its_before_and_after() -> None:
    text = seen(shop(), WHISPER)
    assert "What was done Action When Before After Freed Without service What happened" in text
    assert "restart 40s ago 952 MiB 932 MiB 20.5 MiB 3s restart of whisper-bot done" in text
    assert "restart 30m ago 922 MiB 512 MiB 410 MiB 3s" in text


def test_what_failed_or_did_not_last_is_marked() -> None:
    lines = [
        restarted(WHISPER, 60, 2 * GIB, GIB, ok=False),
        entry(EntryKind.RELAPSED, WHISPER, "restart of whisper-bot did not last", 30, "restart"),
        entry(EntryKind.OBSERVED, WHISPER, "somebody restarted whisper-bot", 20, "restart"),
    ]
    drawn = html(shop(), WHISPER, Known(lines))
    assert drawn.count('<tr class="failed">') == 2
    assert drawn.count('<tr class="done">') == 1


def test_a_leak_says_when_it_is_full() -> None:
    assert "full in 42m" in seen(shop(), container("translator", "shop", "translator"))


def test_a_group_and_the_host_have_their_own_numbers() -> None:
    assert "PSS 241 MiB 47.0 % smem; shared pages divided among sharers" in seen(shop(), group("soroka-bot"))
    text = seen(shop(), HOST, Known())
    assert "host all of this machine normal 42.0 %" in text
    assert "Last hour" not in text


def test_what_is_stopped_or_unknown_says_why_and_nothing_else() -> None:
    gone, hidden = container("gone"), container("hidden")
    scenery = Scenery()
    scenery.values[gone] = {"running": 0, "exit_code": 137}
    scenery.failed[hidden] = "memory.stat: permission denied"
    assert "stopped stopped, exit code 137" in seen(scenery, gone)
    assert "unknown memory.stat: permission denied" in seen(scenery, hidden)
    assert "What it consists of" not in seen(scenery, gone)


def test_it_is_as_loud_as_the_front_page() -> None:
    scenery = shop()
    scenery.dry_run = True
    assert "Dry run." in seen(scenery, WHISPER)
    assert "Stale." in html(scenery, WHISPER, fresh=False)


def test_a_name_that_is_not_there_leads_to_those_that_may_be_meant() -> None:
    gathered = Gathered(shop().view(), None)
    drawn = other_page("container", "whisper", gathered, "../../")
    assert "Nothing called container/whisper is measured now" in Page(drawn).text
    assert '<a href="../../subject/container/whisper-bot">whisper-bot</a>' in drawn


def test_names_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>\"&'<img src=x>"
    subject = container(evil, evil, evil)
    scenery = Scenery().add(subject, 0.9, memory_anon_bytes=1, memory_usage_bytes=2)
    scenery.chains[subject] = (Level(evil, 1, 1, 1),)
    known = Known([entry(EntryKind.OUTCOME, subject, evil, 5, evil, ok=True)], members())
    pages = [Page(html(scenery, subject, known)), Page(other_page(evil, evil, Gathered(scenery.view(), None), ""))]
    for page in pages:
        assert {"script", "img"}.isdisjoint(page.tags)
        assert "<script>alert(1)</script>" in page.text

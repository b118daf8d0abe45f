"""The early looks stand where a subject's own levels are: its alarms, its deadline, and what counts as crossed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.app import App
from brimline.config import Loaded
from brimline.fds import FdBudget
from brimline.levels import LevelBook, Levels, Override
from brimline.loading import load
from brimline.model import HostFacts, Snapshot, SourceReport, Subject, Target
from brimline.procfs import Procfs
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.oom import OomLedger
from fakes import MIB, FakeClock, V1Tree, V2Tree, container, described, target, v2_stat
from unit.fake_procfs import FakeProcfs
from unit.fake_watch import RecordingWatch

DEFAULTS = LevelBook(0.8, 0.85)
OTHERS = LevelBook(0.8, 0.85, (Override("web", 0.7, 0.9),))


class CountedLevels(Levels):
    """Counts how often a subject's levels are asked for."""

    asked = 0

    def of(self, subject: Subject) -> tuple[float, float]:
        self.asked += 1
        return super().of(subject)


class Scene:
    """A cgroup source over plain files, its alarms recorded; a tick ends with what the engine asks after it."""

    def __init__(self, tree: V1Tree | V2Tree, book: LevelBook) -> None:
        self.levels = CountedLevels(book)
        self.watch = RecordingWatch()
        self.wakes: list[str] = []
        self.targets: tuple[Target, ...] = ()
        self.labels: dict[Subject, dict[str, str]] = {}
        self.tree = tree
        self._clock = FakeClock()
        self.source = CgroupSource(
            fs=Cgroupfs(str(tree.procfs), str(tree.cgroupfs)),
            globs=(),
            procfs=Procfs(str(tree.procfs)),
            fds=FdBudget(100),
            watch=self.watch,
            clock=self._clock,
            wake=self.wakes.append,
            targets=lambda: self.targets,
            host=lambda: HostFacts(total=1000 * MIB, available=500 * MIB, swap_free=0),
            kills=OomLedger(),
            levels=self.levels,
        )

    def run(self, name: str = "web", **labels: str) -> Subject:
        """Start a container of 100 bytes; `alert_at` stands for brimline.alert-at."""
        top = self.tree.memory if isinstance(self.tree, V1Tree) else self.tree.cgroupfs
        sizes = {"limit_in_bytes": 100} if isinstance(self.tree, V1Tree) else {"max": 100}
        self.tree.add(name, **sizes)
        subject = container(name, name)
        self.targets += (target(subject, {"memory": str(top / name)}),)
        self.labels[subject] = {f"brimline.{key.replace('_', '-')}": value for key, value in labels.items()}
        return subject

    def use(self, size: int, name: str = "web") -> None:
        if isinstance(self.tree, V1Tree):
            self.tree.set(name, usage_in_bytes=size)
        else:
            self.tree.set(name, current=size, stat=v2_stat(anon=size))

    def tick(self, seconds: float = 5.0) -> float | None:
        """Read, judge, and return when to look again."""
        now = self._clock.pass_(seconds)
        engine = SourceReport("docker", (), containers={s: described(s, own) for s, own in self.labels.items()})
        self.levels.report(Snapshot(now, (engine, self.source.read(now))))
        return self.source.next_look()


@pytest.fixture
def v1(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(V1Tree(tmp_path), OTHERS)
    yield scene
    scene.source.close()


@pytest.fixture
def v2(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(V2Tree(tmp_path), OTHERS)
    yield scene
    scene.source.close()


def test_the_alarms_stand_at_the_levels_that_the_configuration_gives(v1: Scene) -> None:
    v1.run()
    v1.run("other")
    v1.tick()
    assert v1.watch.set == ["70", "90", "80", "85"]


def test_a_label_moves_the_alarms_after_the_very_tick_that_found_it(v1: Scene) -> None:
    v1.run(alert_at="50%")
    v1.tick()
    assert v1.watch.alive == ["50", "90"]
    v1.run("late", restart_at="60%", alert_at="40%")
    v1.tick()
    assert v1.watch.alive == ["50", "90", "40", "60"]


def test_other_levels_move_the_alarms_of_whom_they_concern(v1: Scene) -> None:
    v1.run()
    v1.run("other")
    v1.tick()
    v1.levels.use(LevelBook(0.8, 0.85, (Override("web", 0.6, 0.9),)))
    v1.tick()
    assert v1.watch.set == ["70", "90", "80", "85", "60", "90"]
    assert v1.watch.alive == ["80", "85", "60", "90"]


def test_a_new_name_brings_the_levels_of_its_glob(v1: Scene) -> None:
    v1.run()
    v1.tick()
    (before,) = v1.targets
    v1.targets = (target(container("other", "web"), before.directories),)
    v1.tick()
    assert v1.watch.alive == ["80", "85"]


def test_a_container_that_came_back_has_its_alarms_at_its_own_levels(v1: Scene) -> None:
    """Docker's labels did not change since: no newer version of the levels tells of it."""
    v1.run(alert_at="50%")
    v1.tick()
    known, v1.targets = v1.targets, ()
    v1.tick()
    assert v1.watch.alive == []
    v1.targets = known
    v1.tick()
    assert v1.watch.alive == ["50", "90"]


def test_an_unlimited_one_has_no_alarms_whatever_its_levels(v1: Scene) -> None:
    v1.run()
    v1.tree.set("web", limit_in_bytes="9223372036854771712")
    v1.tick()
    v1.levels.use(DEFAULTS)
    v1.tick()
    assert v1.watch.set == []


def test_crossing_an_own_level_wakes_and_crossing_the_default_one_does_not(v1: Scene) -> None:
    v1.run()
    v1.use(60)
    v1.tick()
    v1.use(71)
    v1.watch.cross(70)
    assert v1.wakes == ["level"]
    v1.tick()
    v1.use(86)
    v1.watch.cross(90)
    assert v1.wakes == ["level"], "80 and 85 % are no levels of its own"
    v1.use(91)
    v1.watch.cross(90)
    assert v1.wakes == ["level", "level"]


def test_other_levels_alone_are_no_crossing(v1: Scene) -> None:
    v1.run()
    v1.use(75)
    v1.tick()
    v1.levels.use(LevelBook(0.8, 0.9))
    v1.tick()
    v1.use(76)
    v1.watch.cross(80)
    assert v1.wakes == []


def test_the_deadline_of_a_filling_one_aims_at_its_own_level(v2: Scene) -> None:
    v2.run(alert_at="50%")
    v2.use(10)
    v2.tick()
    v2.use(30)
    assert v2.tick(2.0) == pytest.approx(1.0)  # 10 % a second, 20 % below
    v2.levels.use(LevelBook(0.8, 0.85, (Override("web", 0.9, 0.95),)))
    assert v2.source.next_look() == pytest.approx(1.0), "what its owner wrote goes before a glob"
    v2.labels = {subject: {} for subject in v2.labels}
    assert v2.tick(0.0) == pytest.approx(3.0)


def test_levels_are_asked_for_only_when_they_or_their_subjects_change(v1: Scene) -> None:
    v1.run(alert_at="50%")
    v1.run("other")
    v1.tick()
    v1.tick()
    asked = v1.levels.asked
    for use in range(20):
        v1.use(use)
        v1.use(use, "other")
        v1.tick()
    assert v1.levels.asked == asked


CONFIG = """\
path: {{procfs: {tree.procfs}, cgroupfs: {tree.cgroupfs}}}
sources: {{docker: {{enabled: false}}, presets: [], cgroups: ["system.slice/*.service"]}}
rules: [{rules}]
thresholds: {thresholds}
"""
RULES = """\
levels: {alert_at: 60%, restart_at: 90%}
groups: [{name: one, rules: [{alert: High, on: cgroup, when: memory_used_ratio > alert_at}]}]
"""


def test_the_running_whole_looks_again_by_the_levels_of_its_files_and_follows_a_reload(tmp_path: Path) -> None:
    tree, clock, file, rules = V2Tree(tmp_path), FakeClock(), tmp_path / "brimline.yml", tmp_path / "one.rules.yml"
    FakeProcfs(tree.procfs)
    unit = "system.slice/web.service"
    tree.add(unit, max=100_000, swap_max=0)
    rules.write_text(RULES)

    def configured(thresholds: str = "{}") -> Loaded:
        file.write_text(CONFIG.format(tree=tree, rules=rules, thresholds=thresholds))
        return load({"config.file": str(file)}, {})

    async def whole() -> None:
        app = App(configured(), lambda: configured(f'{{"{unit}": {{alert_at: 45%}}}}'), {}, clock=clock)

        def grow(size: int) -> float | None:
            tree.set(unit, current=1000 * size, stat=v2_stat(anon=1000 * size))
            clock.pass_(1.0)
            app.tick()
            return app._sources.next_look()

        try:
            grow(20)
            assert grow(30) == pytest.approx(1.5)  # 10 % a second, 30 % below what the rule file states
            assert await app.reload() == []
            assert grow(40) == pytest.approx(0.25)
        finally:
            await app.close()

    asyncio.run(whole())

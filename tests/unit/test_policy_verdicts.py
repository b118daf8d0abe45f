"""Every verdict of policy: what gives it, and the nearest thing that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brimline.deeds import Deed, Fate, Ledger, Pause, Verdict, whose
from brimline.model import Kind, Now, Subject
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.pauses import window
from brimline.policy.terms import Scene, Terms
from unit.policy_scenes import MIB, MONO, asked, container, deed, only, scene, verdicts, wish

WHISPER = container()
GROUP = Subject(Kind.PROCESS, "bot", ("bot",), "7@1")
THERE = scene([WHISPER], [wish(WHISPER)])
CLEANUP = scene([WHISPER], [wish(WHISPER, "cleanup")])
ONE_OFF = {"com.docker.compose.oneoff": "True"}
PAIR = (container("a", "shop/api"), container("b", "shop/api"))
RELAPSED = [deed(WHISPER, 1900, relapsed=True), deed(WHISPER, 1500, relapsed=True)]


def of(**facts: object) -> Scene:
    """Return the scene of one container that is a little different."""
    other = container(**facts)
    return scene([other], [wish(other)])


def one_of_two(*, other: dict[str, object] | None = None, **facts: object) -> Scene:
    """Return two replicas of which the first is to be restarted; the other one is a little different."""
    a, b = PAIR[0], container("b", "shop/api", **(other or {}))
    return scene([a, b], [wish(a)], **facts)


def pause(**told: object) -> tuple[Pause, ...]:
    return (Pause(**{"glob": "", "at": 0.0, "until": None, "caller": "cli ann", **told}),)


def freed(share: float, action: str = "cleanup", **facts: object) -> list[Deed]:
    """Return a cleanup of an hour ago that freed so much."""
    after = round(100 * MIB * (1 - share))
    return [deed(WHISPER, 3600, action, **{"before_bytes": 100 * MIB, "after_bytes": after, "episode": "1", **facts})]


CASES: list[tuple[Verdict, Scene, list[Deed], Terms]] = [
    (Verdict.NOT_CONFIGURED, scene([WHISPER], [wish(WHISPER, "dance")]), [], Terms()),
    (Verdict.NOT_CONFIGURED, scene([], [wish(GROUP)]), [], Terms(allow=("*",))),
    (Verdict.NOT_CONFIGURED, replace(CLEANUP, unconfigured={("cleanup", WHISPER.subject): "no URL"}), [], Terms()),
    (Verdict.RUN, replace(CLEANUP, unconfigured={("recycle", WHISPER.subject): "no master"}), [], Terms()),
    (Verdict.RUN, scene([], [wish(GROUP, "recycle")]), [], Terms(allow=("bot",))),
    (Verdict.PROTECTED, of(labels={"brimline.restart": "true", "brimline.protect": "true"}), [], Terms()),
    (Verdict.PROTECTED, of(labels={"brimline.restart": "true", "brimline.protect": ""}), [], Terms()),
    (Verdict.RUN, of(labels={"brimline.restart": "true", "brimline.protect": "false"}), [], Terms()),
    (Verdict.PROTECTED, of(image="quay.io:443/prom/prometheus:v3@sha256:12"), [], Terms()),
    (Verdict.PROTECTED, of(image="alertmanager"), [], Terms()),
    (Verdict.RUN, of(image="prometheus/exporter-of-mine"), [], Terms()),
    (Verdict.PROTECTED, replace(THERE, protected={WHISPER.subject: "this is Brimline itself"}), [], Terms()),
    (Verdict.PROTECTED, replace(CLEANUP, protected={WHISPER.subject: "this is Brimline itself"}), [], Terms()),
    (Verdict.RUN, replace(THERE, protected={PAIR[0].subject: "this is Brimline itself"}), [], Terms()),
    (Verdict.ORCHESTRATED, of(labels={"io.kubernetes.pod.name": "web-1"}), [], Terms(allow=("*",))),
    (Verdict.ORCHESTRATED, of(labels={"annotation.io.kubernetes.container.hash": "1"}), [], Terms(allow=("*",))),
    (Verdict.RUN, of(labels={"com.docker.swarm.service.name": "web"}), [], Terms(allow=("*",))),
    (Verdict.NOT_OPTED_IN, of(labels={}), [], Terms()),
    (Verdict.NOT_OPTED_IN, of(labels={}), [], Terms(allow=("other", "shop/*"))),
    (Verdict.NOT_OPTED_IN, of(labels={"brimline.restart": "false"}), [], Terms(allow=("*",))),
    (Verdict.NOT_OPTED_IN, of(labels={"autoheal": "true"}), [], Terms()),
    (Verdict.NOT_OPTED_IN, of(labels={"autoheal": "all"}), [], Terms(honor_autoheal=True)),
    (Verdict.NOT_OPTED_IN, scene([], [wish(GROUP, "recycle")]), [], Terms()),
    (Verdict.RUN, of(labels={"autoheal": "true"}), [], Terms(honor_autoheal=True)),
    (Verdict.RUN, of(labels={}), [], Terms(allow=("whisp*",))),
    (Verdict.RUN, of(service="shop/api", labels={}), [], Terms(allow=("shop/api",))),
    (Verdict.RUN, of(service="shop/api", labels={}), [], Terms(allow=("shop/whisper",))),
    (Verdict.RUN, replace(CLEANUP, containers={WHISPER.subject: container(labels={})}), [], Terms()),
    (Verdict.PAUSED, replace(THERE, pauses=pause()), [], Terms()),
    (Verdict.PAUSED, replace(CLEANUP, pauses=pause(glob="whis*")), [], Terms()),
    (Verdict.RUN, replace(THERE, pauses=pause(glob="shop/*")), [], Terms()),
    (Verdict.PAUSED, replace(THERE, pauses=pause(since=MONO - 59.0, seconds=60.0)), [], Terms()),
    (Verdict.RUN, replace(THERE, pauses=pause(since=MONO - 60.0, seconds=60.0)), [], Terms()),
    (Verdict.PAUSED, replace(THERE, minute=150), [], Terms(quiet=(window("02:00-04:30"),))),
    (Verdict.RUN, replace(THERE, minute=270), [], Terms(quiet=(window("02:00-04:30"),))),
    (Verdict.PAUSED, replace(of(service="shop/api"), recreating={"shop"}), [], Terms()),
    (Verdict.RUN, replace(of(service="shop/api"), recreating={"other"}), [], Terms()),
    (Verdict.STOPPED, of(running=False, status="exited", exit_code=137), [], Terms()),
    (Verdict.STOPPED, of(status="paused"), [], Terms()),
    (Verdict.STOPPED, of(status="restarting"), [], Terms()),
    (Verdict.STOPPED, of(auto_remove=True), [], Terms()),
    (Verdict.RUN, of(status="running"), [], Terms()),
    (Verdict.RUN, replace(CLEANUP, containers={WHISPER.subject: container(auto_remove=True)}), [], Terms()),
    (Verdict.STALE_DATA, scene([], [wish(WHISPER)]), [], Terms()),
    (Verdict.STALE_DATA, scene([WHISPER], [wish(WHISPER, known=False)]), [], Terms()),
    (Verdict.STALE_DATA, replace(THERE, fresh=frozenset()), [], Terms()),
    (Verdict.FIRST_SAMPLES, replace(THERE, samples={"whisper@1": 2}), [], Terms()),
    (Verdict.FIRST_SAMPLES, replace(THERE, samples={"whisper@0": 9}), [], Terms()),
    (Verdict.RUN, replace(THERE, samples={"whisper@1": 3}), [], Terms()),
    (Verdict.START_PERIOD, replace(THERE, starting={"whisper@1"}), [], Terms()),
    (Verdict.RUN, replace(THERE, starting={"whisper@0"}), [], Terms()),
    (Verdict.IN_FLIGHT, replace(THERE, busy={whose(WHISPER.subject): "cleanup"}), [], Terms()),
    (Verdict.IN_FLIGHT, scene([], [wish(WHISPER)], busy={whose(WHISPER.subject): "restart"}), [], Terms()),
    (Verdict.IN_FLIGHT, THERE, [deed(WHISPER, 900, fate=Fate.INTENDED, ended=None)], Terms()),
    (Verdict.RUN, replace(THERE, busy={("whisper", ("whisper",)): "cleanup"}), [], Terms()),  # a group of its name
    (Verdict.RUN, replace(THERE, busy={("whisper-2", ("whisper-2", "", "")): "restart"}), [], Terms()),
    (Verdict.INEFFECTIVE, THERE, RELAPSED, Terms()),
    (Verdict.INEFFECTIVE, THERE, [RELAPSED[0], replace(RELAPSED[1], rule="g/Exhausted")], Terms()),
    (Verdict.INEFFECTIVE, THERE, [replace(each, rule="", caller="alertmanager x") for each in RELAPSED], Terms()),
    (Verdict.RUN, THERE, [replace(each, rule="", caller="cli ann") for each in RELAPSED], Terms()),
    (Verdict.RUN, THERE, [RELAPSED[0], replace(RELAPSED[1], relapsed=False)], Terms()),
    (Verdict.RUN, THERE, [replace(RELAPSED[0], relapsed=False), RELAPSED[1]], Terms()),
    (Verdict.RUN, THERE, [replace(each, image_id="sha256:0") for each in RELAPSED], Terms()),
    (Verdict.RUN, THERE, [RELAPSED[0], replace(RELAPSED[1], limit=MIB)], Terms()),
    (Verdict.INEFFECTIVE, THERE, [RELAPSED[0], replace(RELAPSED[1], began=-9e3, ended=MONO - 21_599)], Terms()),
    (Verdict.RUN, THERE, [replace(each, began=-9e3, ended=MONO - 21_600) for each in RELAPSED], Terms()),
    (Verdict.INEFFECTIVE, CLEANUP, freed(0.04), Terms()),
    (Verdict.INEFFECTIVE, CLEANUP, freed(-0.5), Terms()),
    (Verdict.RUN, CLEANUP, freed(0.05), Terms()),
    (Verdict.RUN, CLEANUP, freed(0.04, episode="0"), Terms()),
    (Verdict.RUN, CLEANUP, freed(0.04, rule="g/High"), Terms()),
    (Verdict.RUN, CLEANUP, freed(0.04, after_bytes=None), Terms()),
    (Verdict.RUN, CLEANUP, freed(0.04, fate=Fate.FAILED), Terms()),
    (Verdict.RUN, scene([WHISPER], [wish(WHISPER, "recycle")]), freed(0.04, action="recycle"), Terms()),
    (Verdict.COOLDOWN, THERE, [deed(WHISPER, 9)], Terms()),
    (Verdict.RUN, THERE, [deed(WHISPER, 10)], Terms()),
    (Verdict.COOLDOWN, CLEANUP, [deed(WHISPER, 59, "cleanup")], Terms()),
    (Verdict.RUN, CLEANUP, [deed(WHISPER, 60, "cleanup")], Terms()),
    (Verdict.RUN, CLEANUP, [deed(WHISPER, 9)], Terms()),
    (Verdict.BUDGET_SUBJECT, THERE, [deed(WHISPER, ago) for ago in (3590, 2000, 900)], Terms()),
    (Verdict.RUN, THERE, [deed(WHISPER, ago) for ago in (3591, 2000, 900)], Terms()),
    (Verdict.BUDGET_SUBJECT, THERE, [], Terms(per_subject=0)),
    (Verdict.BUDGET_SUBJECT, THERE, [deed(WHISPER, 900, fate=Fate.OBSERVED)], Terms(per_subject=1)),
    (Verdict.BUDGET_SUBJECT, THERE, [deed(WHISPER, 900, fate=Fate.ABANDONED)], Terms(per_subject=1)),
    (Verdict.BUDGET_SUBJECT, THERE, [deed(WHISPER, 900, fate=Fate.FAILED, rule="")], Terms(per_subject=1)),
    (Verdict.RUN, THERE, [deed(WHISPER, 900, "recycle")], Terms(per_subject=1)),
    (Verdict.RUN, THERE, [deed(PAIR[0], 900)], Terms(per_subject=1)),
    (Verdict.BUDGET_SERVICE, one_of_two(), [deed(PAIR[1], ago) for ago in (3000, 2000, 900, 800)], Terms()),
    (Verdict.RUN, one_of_two(), [deed(PAIR[1], ago) for ago in (3000, 2000, 900)], Terms()),
    (Verdict.BUDGET_SERVICE, one_of_two(), [deed(PAIR[1], ago) for ago in (3590, 2000, 900, 800)], Terms()),
    (Verdict.RUN, one_of_two(), [deed(PAIR[1], ago) for ago in (3591, 2000, 900, 800)], Terms()),
    (Verdict.BUDGET_HOST, THERE, [deed(container("c"), 3590)], Terms(per_host=1)),
    (Verdict.RUN, THERE, [deed(container("c"), 3591)], Terms(per_host=1)),
    (Verdict.BUDGET_HOST, THERE, [deed(container(f"c{n}"), 900 + n) for n in range(10)], Terms()),
    (Verdict.RUN, THERE, [deed(container(f"c{n}"), 900 + n) for n in range(9)], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(other={"running": False, "status": "exited"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(other={"health": "unhealthy"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(other={"health": "starting"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(other={"status": "paused"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(starting={"b@1"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(busy={whose(PAIR[1].subject): "cleanup"}), [], Terms()),
    (Verdict.LAST_REPLICA, one_of_two(other={"labels": ONE_OFF}, replicas={"shop/api": "ab"}), [], Terms()),
    (Verdict.RUN, one_of_two(other={"health": "healthy"}, starting={"b@1"}), [], Terms()),
    (Verdict.RUN, one_of_two(), [], Terms()),
    (Verdict.RUN, of(service="shop/api"), [], Terms()),
    (Verdict.RUN, replace(of(service="shop/api"), replicas={"shop/api": {"api-1", "0123456789ab_api-1"}}), [], Terms()),
    (Verdict.LAST_REPLICA, replace(of(service="shop/api"), replicas={"shop/api": {"api-1", "api-2"}}), [], Terms()),
    (Verdict.NO_JOURNAL, replace(THERE, journal_up=False), [], Terms()),
    (Verdict.NO_JOURNAL, replace(THERE, journal_up=False), [], Terms(dry_run=True)),
    (Verdict.DRY_RUN, THERE, [], Terms(dry_run=True)),
    (Verdict.DRY_RUN, scene([WHISPER], [asked(WHISPER, dry_run=True)]), [], Terms()),
    (Verdict.RUN, THERE, [], Terms()),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "there", "deeds", "terms"), CASES)
def test_a_wish_is_judged(verdict: Verdict, there: Scene, deeds: list[Deed], terms: Terms) -> None:
    assert verdicts(there, deeds, terms) == [verdict]


def test_every_verdict_of_policy_is_given_and_has_a_neighbour() -> None:
    given = {verdict for verdict, *_ in CASES}
    assert given == set(Verdict) - {Verdict.LOCKED}, "LOCKED is the runner's"


PASSED_BY_A_PERSON = [
    replace(THERE, starting={"whisper@1"}),
    replace(THERE, samples={}),
    replace(THERE, fresh=frozenset()),
]


@pytest.mark.parametrize("there", PASSED_BY_A_PERSON)
@pytest.mark.parametrize(("caller", "passes"), [("cli ann", True), ("api ann", True), ("alertmanager x", False)])
def test_a_person_passes_what_only_guards_against_bad_readings(there: Scene, caller: str, *, passes: bool) -> None:
    by_somebody = replace(there, wishes=(asked(WHISPER, caller=caller),))
    assert (verdicts(by_somebody) == [Verdict.RUN]) is passes


@pytest.mark.parametrize(("caller", "verdict"), [("cli ann", Verdict.RUN), ("alertmanager x", Verdict.INEFFECTIVE)])
def test_a_person_may_try_again_what_did_not_help(caller: str, verdict: Verdict) -> None:
    assert verdicts(scene([WHISPER], [asked(WHISPER, caller=caller)]), RELAPSED) == [verdict]


def test_two_restarts_a_tool_asked_for_in_vain_are_told_as_its_own() -> None:
    deeds = [replace(each, rule="", caller="alertmanager mail") for each in RELAPSED]
    told = only(scene([WHISPER], [asked(WHISPER, caller="alertmanager mail")]), deeds)
    assert told.verdict is Verdict.INEFFECTIVE
    assert "after 2 restarts in a row alertmanager mail asked again within 10m" in told.reason


BINDING = [
    (Verdict.NOT_OPTED_IN, replace(THERE, containers={WHISPER.subject: container(labels={})}), []),
    (Verdict.PROTECTED, replace(THERE, protected={WHISPER.subject: "this is Brimline itself"}), []),
    (Verdict.STALE_DATA, replace(THERE, containers={}), []),
    (Verdict.PAUSED, replace(THERE, pauses=pause()), []),
    (Verdict.IN_FLIGHT, replace(THERE, busy={whose(WHISPER.subject): "restart"}), []),
    (Verdict.COOLDOWN, THERE, [deed(WHISPER, 5)]),
    (Verdict.BUDGET_SUBJECT, THERE, [deed(WHISPER, 800 + n) for n in range(3)]),
    (Verdict.BUDGET_HOST, THERE, [deed(container(f"c{n}"), 900 + n) for n in range(10)]),
    (Verdict.NO_JOURNAL, replace(THERE, journal_up=False), []),
]


@pytest.mark.parametrize(("verdict", "there", "deeds"), BINDING)
def test_what_protects_others_binds_a_person_too(verdict: Verdict, there: Scene, deeds: list[Deed]) -> None:
    assert verdicts(replace(there, wishes=(asked(WHISPER),)), deeds) == [verdict]


def test_a_person_does_not_take_the_last_replica() -> None:
    there = scene(PAIR, [asked(PAIR[0])], busy={whose(PAIR[1].subject): "restart"})
    assert verdicts(there) == [Verdict.LAST_REPLICA]


@pytest.mark.parametrize(
    ("resumed", "verdict"),
    [("", Verdict.RUN), ("whisper", Verdict.RUN), ("whi*", Verdict.RUN), ("other", Verdict.INEFFECTIVE)],
)
def test_resume_lets_go_on_what_was_ineffective(resumed: str, verdict: Verdict) -> None:
    assert only(THERE, RELAPSED, resumed={resumed: MONO - 10}).verdict is verdict
    assert only(THERE, RELAPSED, resumed={resumed: MONO - 2000}).verdict is Verdict.INEFFECTIVE


def test_resume_lets_a_cleanup_try_again() -> None:
    assert only(CLEANUP, freed(0.01), resumed={"": MONO - 10}).verdict is Verdict.RUN


REASONS = [
    (of(labels={}), [], "with the label brimline.restart=true whisper would be restarted (Critical at 91.0 %)"),
    (THERE, [deed(WHISPER, n) for n in (2990, 2000, 900)],
     "3 of 3 restarts of whisper in the last hour; the next is possible in 10m"),
    (THERE, [deed(WHISPER, 30), deed(WHISPER, 4)],
     "the last restart of whisper ended 4s ago; after 2 in a row 20s pass: the next is possible in 16s"),
    (CLEANUP, freed(0.012),
     "the cleanup 1h ago freed 1.2 % of 100 MiB, less than 5.0 %: not again before Critical resolves"),
    (replace(THERE, pauses=pause(glob="w*", since=MONO - 60, seconds=3660.0)), [],
     'cli ann paused "w*", for another 1h; whisper would be restarted (Critical at 91.0 %)'),
    (of(labels={"io.kubernetes.pod.name": "web-1", "io.kubernetes.pod.namespace": "shop"}), [],
     ('whisper belongs to a Kubernetes pod (web-1); write "kubectl -n shop rollout restart deployment/NAME" for what '
      "owns it")),
    (scene([WHISPER], [asked(WHISPER)]), [], "asked for by cli ann"),
    (scene([WHISPER], [wish(WHISPER, threshold="85.0 %")]), [], "Critical at 91.0 %, level 85.0 %"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "deeds", "reason"), REASONS)
def test_a_reason_is_a_sentence_with_its_numbers(there: Scene, deeds: list[Deed], reason: str) -> None:
    assert only(there, deeds).reason == reason


def test_a_dry_run_says_what_it_would_have_done() -> None:
    assert only(THERE, terms=Terms(dry_run=True)).reason == "dry run: whisper would be restarted (Critical at 91.0 %)"


def test_a_decision_carries_what_the_ledger_must_know() -> None:
    there = container("a", "shop/api", limit=5 * MIB)
    asks = wish(there, episode="e7", severity="warning", caller="rule")
    found = only(scene([there], [asks]))
    assert (found.service, found.image_id, found.limit) == ("shop/api", "sha256:1", 5 * MIB)
    assert (found.key, found.rule, found.episode, found.severity) == (asks.key, "g/Critical", "e7", "warning")
    assert found.subject == there.subject


def test_ids_sort_by_time_differ_within_a_tick_and_are_the_same_for_the_same_scene() -> None:
    twice = replace(THERE, wishes=(asked(WHISPER), asked(WHISPER), wish(WHISPER)))
    first = [decision.id for decision in decide(Tick(twice, Ledger(), Terms()))]
    again = [decision.id for decision in decide(Tick(twice, Ledger(), Terms()))]
    afterwards = replace(twice, now=Now(twice.now.wall + 0.001, twice.now.mono))
    after = [decision.id for decision in decide(Tick(afterwards, Ledger(), Terms()))]
    assert first == again
    assert len(set(first)) == 3
    assert max(first) < min(after)

"""What the API tells of the view, the journal and the configuration."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from urllib.parse import quote

import pytest

from brimline.actions.notify_options import NotifyOptions, WebhookOptions
from brimline.actions.options import ActionsOptions
from brimline.config import Config
from brimline.deeds import Entry, EntryKind
from brimline.model import Diagnosis, Kind, Now, Phase, Subject
from brimline.rules.terms import RuleSet
from brimline.view import View
from brimline.web.api import reads as api
from brimline.web.api.answers import Targets
from brimline.web.api.queries import TargetsQuery
from brimline.web.api.views import Shown
from unit.acting import until
from unit.api_scene import API, BOT, IDLE, LOST, OTHER, UNIT, YOUNG, face, restarting
from unit.cli_views import GIB, MIB, Scene, alert, container
from unit.web_faces import Ask, FakeFace, FakePast, browse, data, error

DATA = ["/api/v1/targets", "/api/v1/targets/container/shop-api-1", "/api/v1/alerts", "/api/v1/decisions"]


def test_the_targets_are_all_subjects_the_worst_first() -> None:
    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/targets"))
        assert found["at"] == 1_700_000_000.0
        told = [(target["kind"], target["name"], target["state"]) for target in found["targets"]]
        assert told[0] == ("container", "shop-api-1", "critical")
        assert told[-1] == ("container", "migrate", "stopped")
        assert len(told) == 8
        first = found["targets"][0]
        assert first["labels"] == {
            "container": "shop-api-1",
            "compose_project": "shop",
            "compose_service": "api",
        }
        assert (first["used_bytes"], first["limit_bytes"], first["limited"]) == (1900 * MIB, 2 * GIB, True)
        assert (first["alert_at"], first["restart_at"]) == (0.7, 0.9)
        assert first["diagnosis"] == {"name": "leaking", "sentence": "It rises by 10 MiB an hour."}
        assert (first["time_to_limit_seconds"], first["restarts_left"]) == (3600.0, 2)
        assert first["firing"] == ["InferenceMemoryCritical"]
        assert [target["name"] for target in found["targets"] if target["paused"]] == ["soroka"]
        by_name = {target["name"]: target for target in found["targets"]}
        assert by_name["migrate"]["reason"] == "stopped, exit code 3"
        assert by_name["lost"]["reason"] == "its cgroup is gone"
        assert (by_name["lost"]["used_bytes"], by_name["lost"]["restarts_left"]) == (None, None)
        assert by_name["shop-api-2"]["time_to_limit_seconds"] is None  # infinity is no number of JSON's

    browse(check, face(restarting()))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("kind=cgroup", {UNIT.name}),
        ("state=stopped", {IDLE.name}),
        ("state=unknown", {LOST.name}),
        ("name=shop/api", {API.name, OTHER.name}),
        ("name=shop-*", {API.name, OTHER.name}),
        ("name=ollama.service", {UNIT.name}),
        ("kind=container&state=normal", {OTHER.name, YOUNG.name}),
        ("kind=process&name=nobody", set()),
    ],
)
def test_targets_are_chosen_by_kind_state_and_glob(query: str, names: set[str]) -> None:
    async def check(ask: Ask) -> None:
        found = await data(await ask(f"/api/v1/targets?{query}"))
        assert {target["name"] for target in found["targets"]} == names

    browse(check, face())


def test_one_target_is_told_with_all_its_measures_and_its_last_hour() -> None:
    async def check(ask: Ask) -> None:
        found = (await data(await ask("/api/v1/targets/container/shop-api-1")))["target"]
        assert found["measures"]["memory_used_bytes"] == 1900 * MIB
        assert found["measures"]["running"] == 1
        assert [level["path"] for level in found["chain"]] == ["docker/c1", "docker"]
        assert found["chain"][1]["limit_bytes"] is None
        assert (found["container"]["image"], found["container"]["health"]) == ("model:1", "healthy")
        assert [each["alertname"] for each in found["alerts"]] == ["InferenceMemoryCritical"]
        assert [each["verdict"] for each in found["decisions"]] == ["not_opted_in"]
        assert found["history"] == [
            {
                "at": 1_699_999_980,
                "seconds": 60,
                "used": {"least": MIB, "average": 2 * MIB, "greatest": 3 * MIB},
                "usage": None,
                "limit": {"least": GIB, "average": GIB, "greatest": GIB},
            }
        ]

    browse(check, face(restarting()))


@pytest.mark.parametrize("path", ["cgroup/system.slice/ollama.service", "cgroup/system.slice%2Follama.service"])
def test_a_name_may_hold_slashes(path: str) -> None:
    async def check(ask: Ask) -> None:
        found = (await data(await ask(f"/api/v1/targets/{path}")))["target"]
        assert (found["name"], found["container"], found["history"]) == (UNIT.name, None, [])

    browse(check, face())


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("container/shop-api-3", 'there is no container of this name; did you mean "shop-api-'),
        ("container/soroka", "there is no container of this name; known: "),
        ("conteiner/shop-api-1", 'there is no such kind of target; did you mean "container"?'),
    ],
)
def test_what_is_not_there_is_refused_with_what_was_probably_meant(path: str, sentence: str) -> None:
    async def check(ask: Ask) -> None:
        assert (await error(await ask(f"/api/v1/targets/{path}"), 404, "not_found")).startswith(sentence)

    browse(check, face())


def test_alerts_are_told_with_labels_as_prometheus_has_them_and_filled_annotations() -> None:
    pending = alert(UNIT, "UnitHigh", "warning", phase=Phase.PENDING, known=False)

    async def check(ask: Ask) -> None:
        found = (await data(await ask("/api/v1/alerts")))["alerts"]
        assert [(each["alertname"], each["state"], each["known"]) for each in found] == [
            ("Named", "firing", True),
            ("UnitHigh", "pending", False),
        ]
        first = found[0]
        assert first["labels"] == {
            "container": "shop-api-1",
            "compose_project": "shop",
            "compose_service": "api",
            "severity": "critical",
        }
        assert (first["value"], first["threshold"], first["unit"]) == (0.91, 0.85, "ratio")
        assert first["since"] == 1_700_000_000.0 - 300
        assert first["actions"] == ["notify", "restart"]
        assert "shop-api-1" in " ".join(first["annotations"].values())

    firing = restarting("Named")
    there = face()
    rule = next(rule for rule in there.rules.rules if rule.kind is Kind.CONTAINER and "restart" in rule.actions)
    firing = replace(firing, key=replace(firing.key, rule=rule.name))
    there.tick(alerts=(pending, firing))
    browse(check, there)


def test_a_value_that_is_no_number_is_null() -> None:
    async def check(ask: Ask) -> None:
        (found,) = (await data(await ask("/api/v1/alerts")))["alerts"]
        assert found["value"] is None

    browse(check, face(replace(restarting(), value=float("nan"))))


def test_rules_are_told_as_they_are_written() -> None:
    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/rules"))
        assert (found["alert_at"], found["restart_at"]) == (0.8, 0.85)
        assert len(found["rules"]) == len(there.rules.rules)
        rule = next(rule for rule in found["rules"] if "restart" in rule["actions"])
        assert "memory_used_ratio > restart_at" in rule["when"]
        assert rule["for_seconds"] > 0
        assert any("{container}" in text for text in rule["annotations"].values())

    there = face()
    browse(check, there)


def test_the_journal_is_told_newest_first_and_page_by_page() -> None:
    async def check(ask: Ask) -> None:
        first = await data(await ask("/api/v1/journal?limit=3"))
        assert [line["seq"] for line in first["entries"]] == [7, 6, 5]
        second = await data(await ask(f"/api/v1/journal?limit=3&cursor={first['next']}"))
        assert [line["seq"] for line in second["entries"]] == [4, 3, 2]
        last = await data(await ask(f"/api/v1/journal?limit=3&cursor={second['next']}"))
        assert ([line["seq"] for line in last["entries"]], last["next"]) == ([1], None)
        line = second["entries"][2]
        assert line == {
            "seq": 2,
            "at": 2.5,
            "kind": "refused",
            "text": "not taken",
            "subject": {
                "kind": "container",
                "name": "shop-api-1",
                "labels": ["shop-api-1", "shop", "api"],
                "uid": API.uid,
            },
            "action": "restart",
            "decision_id": "d1",
            "facts": {"verdict": "cooldown", "limit": 5},
        }
        assert second["entries"][1]["facts"] == {"ok": True, "downtime": None}

    browse(check, face(lines_=7))


def test_a_page_that_ends_with_the_last_line_has_no_next() -> None:
    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/journal?limit=3"))
        assert (len(found["entries"]), found["next"]) == (3, None)

    browse(check, face(lines_=3))


def test_a_journal_that_cannot_be_read_says_why() -> None:
    async def check(ask: Ask) -> None:
        sentence = await error(await ask("/api/v1/journal"), 503, "unavailable")
        assert sentence == "the journal cannot be read: journal.sqlite: no room is left"
        told = await data(await ask("/api/v1/status"))
        assert told["journal"] == {"up": False, "why": "journal.sqlite: no room is left"}
        there.past = None
        assert await error(await ask("/api/v1/journal"), 503, "unavailable") == "nothing is written down here"
        assert (await data(await ask("/api/v1/status")))["journal"] is None

    there = face()
    there.past = FakePast(why="journal.sqlite: no room is left")
    browse(check, there)


def test_decisions_are_told_with_their_reason() -> None:
    async def check(ask: Ask) -> None:
        (found,) = (await data(await ask("/api/v1/decisions")))["decisions"]
        assert (found["action"], found["verdict"], found["name"]) == ("restart", "not_opted_in", "shop-api-1")
        assert found["reason"] == "91 % of 2 GiB used; brimline.restart=true would allow it"
        assert (found["caller"], found["service"], found["episode"]) == ("rule", "shop/api", "e1")

    browse(check, face())


def test_the_status_counts_and_names_what_fails() -> None:
    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/status"))
        assert found["targets"] == {"critical": 1, "warning": 0, "normal": 5, "unknown": 1, "stopped": 1}
        assert found["alerts"] == {"pending": 0, "firing": 1}
        assert [(source["source"], source["error"]) for source in found["sources"] if not source["up"]] == [
            ("docker", "connection refused")
        ]
        assert found["pauses"] == [{"glob": "soroka", "at": 1_700_000_000.0, "until": None, "caller": "cli ada"}]
        assert (found["fresh"], found["ready"], found["dry_run"], found["actions_enabled"]) == (
            True,
            True,
            False,
            False,
        )
        assert (found["ticks"], found["at"], found["interval_seconds"]) == (1, 1_700_000_000.0, 5.0)

    browse(check, face(restarting()))


def test_what_is_old_is_refused_and_the_status_says_so() -> None:
    async def check(ask: Ask) -> None:
        for path in DATA:
            assert "longer than 3 intervals" in await error(await ask(path), 503, "unavailable")
        found = await data(await ask("/api/v1/status"))
        assert (found["fresh"], found["targets"], found["alerts"]) == (False, {}, {})
        for path in ("/api/v1/rules", "/api/v1/journal", "/api/v1/config"):
            await data(await ask(path))

    there = face(restarting())
    there.is_fresh = False
    browse(check, there)


def test_before_the_first_reading_there_is_no_data() -> None:
    async def check(ask: Ask) -> None:
        for path in DATA:
            assert "first reading" in await error(await ask(path), 503, "unavailable")
        found = await data(await ask("/api/v1/status"))
        assert (found["at"], found["ticks"], found["ready"], found["sources"]) == (None, 0, False, [])

    browse(check, FakeFace())


def test_the_configuration_is_told_without_its_secrets() -> None:
    async def check(ask: Ask) -> None:
        found = (await data(await ask("/api/v1/config")))["config"]
        assert (found["interval"], found["storage"]["max_size"]) == ("5s", "256MiB")
        assert "hunter2" not in json.dumps(found)
        assert found["notify"]["webhooks"][0]["url"] == "https://hooks.example/***"
        assert found["actions"]["cleanup"]["shop/*"].startswith("http://***@")

    there = face()
    there.config = Config(
        notify=NotifyOptions(
            webhooks=(WebhookOptions(url="https://hooks.example/hunter2", headers={"Authorization": "hunter2"}),),
            apprise=("tgram://hunter2/chat",),
        ),
        actions=ActionsOptions.model_validate({"cleanup": {"shop/*": "http://ada:hunter2@shop:8000/cleanup"}}),
    )
    browse(check, there)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/v1/targets?kimd=host", 'unknown parameter "kimd"; did you mean "kind"?'),
        (
            "/api/v1/targets?kind=contaner",
            'kind: found "contaner"; write one of container, cgroup, process, host; did you',
        ),
        ("/api/v1/targets?kind=host&kind=cgroup", '"kind" is given 2 times; give it once'),
        ("/api/v1/targets?name=", "name: "),
        ("/api/v1/alerts?x=1", 'unknown parameter "x"'),
        ("/api/v1/journal?limit=0", 'limit: found "0"; write at least 1'),
        ("/api/v1/journal?limit=1_0", 'limit: found "1_0"; write a whole number'),
        ("/api/v1/journal?limit=1001", 'limit: found "1001"; write at most 1000'),
        ("/api/v1/journal?kind=note&kind=rumour", 'kind: found "rumour"; write one of '),
        ("/api/v1/journal?cursor=9223372036854775808", "cursor: "),
        ("/api/v1/journal?since=yesterday", 'since: found "yesterday"; write seconds since the epoch'),
        ("/api/v1/journal?since=1e400", "since: "),
        ("/api/v1/journal?name=%ff", "name: "),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_with_what_to_write(path: str, sentence: str) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask(path)
        if "%ff" in path:  # which is a text of three characters by the time it is read
            assert answer.status == 200
            return
        assert (await error(answer, 400, "bad_data")).startswith(sentence)

    browse(check, face())


def test_wrong_paths_methods_and_bugs_get_the_envelope(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(ask: Ask) -> None:
        await error(await ask("/api/v1/tragets"), 404, "not_found")
        await error(await ask("/api/v1/targets/container/"), 404, "not_found")
        wrong = await ask("/api/v1/alerts", "DELETE")
        assert "use GET" in await error(wrong, 405, "method_not_allowed")
        assert "GET" in wrong.headers["Allow"]
        monkeypatch.setattr("brimline.web.api.reads.rules", lambda _: 1 / 0)
        assert "its log says why" in await error(await ask("/api/v1/rules"), 500, "internal")

    browse(check, face())


def test_the_api_stands_under_the_prefix() -> None:
    async def check(ask: Ask) -> None:
        await data(await ask("/mem/api/v1/targets"))
        await error(await ask("/mem/api/v1/nothing"), 404, "not_found")
        assert (await (await ask("/mem/api/v1/openapi.json")).json())["servers"] == [{"url": "/mem"}]
        assert (await ask("/mem/health/shop-api-1")).status == 200
        assert (await ask("/api/v1/targets")).status == 404

    browse(check, face(), route_prefix="/mem")


HOSTILE = [
    "</script><script>alert(1)</script>",
    'quote"back\\slash',
    "{{7*7}} ${7*7} %s %n",
    "\u202egnp.exe",
    "a\u2028b",
    "\\xff",
    "名前/ملف",
    "..",
    "../../etc/passwd",
    "a%2Fb",
    "#fragment?query=1&x=y",
    "new\nline",
    "new\\x0aline",
    "unit/restart",
    "🦀" * 40,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_told_as_it_is_and_found_again(name: str) -> None:
    subject = container(name, name, name)
    scene = Scene(diagnoses={subject: Diagnosis("leaking", f"{name} rises.")}, failed={container("f"): name})
    scene.memory(subject, 90, 100)
    there = FakeFace(replace(scene.view(), alerts=(restarting(name, subject),)), past=FakePast())

    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/targets?kind=container&state=critical"))
        assert [target["name"] for target in found["targets"]] == [name]
        detail = await data(await ask(f"/api/v1/targets/container/{quote(name, safe='')}"))
        assert detail["target"]["name"] == name
        (fires,) = (await data(await ask("/api/v1/alerts")))["alerts"]
        assert fires["labels"]["container"] == name
        assert (await ask(f"/health/{quote(name, safe='')}")).status == 503

    browse(check, there)


def test_half_a_character_in_a_line_of_the_journal_is_told_as_its_escape() -> None:
    torn = Entry(
        EntryKind.NOTE, Now(1.0, 1.0), "a\udcffb", Subject(Kind.CGROUP, "c\udcff", (), ""), facts={"x": "\ud800"}
    )

    async def check(ask: Ask) -> None:
        (found,) = (await data(await ask("/api/v1/journal")))["entries"]
        assert (found["text"], found["subject"]["name"], found["facts"]) == ("a\\udcffb", "c\\udcff", {"x": "\\ud800"})

    there = face()
    there.past = FakePast([torn])
    browse(check, there)


def test_a_page_of_targets_is_made_once_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[View] = []

    def counted(view: View, rules: RuleSet) -> Shown:
        made.append(view)
        return Shown(view, rules)

    monkeypatch.setattr("brimline.web.api.reads.Shown", counted)

    async def check(ask: Ask) -> None:
        await asyncio.gather(*(ask("/api/v1/targets") for _ in range(5)))
        await ask("/api/v1/alerts")
        assert len(made) == 1
        there.tick()
        await ask("/api/v1/targets")
        assert len(made) == 2

    there = face()
    browse(check, there)


def test_a_crowd_that_searches_is_refused_before_it_holds_up_a_health_check(monkeypatch: pytest.MonkeyPatch) -> None:
    free, chosen = threading.Event(), Shown.chosen

    def slow(shown: Shown, query: TargetsQuery) -> Targets:
        free.wait(20)
        return chosen(shown, query)

    monkeypatch.setattr(Shown, "chosen", slow)
    monkeypatch.setattr(api, "_SEARCHES", 3)

    async def check(ask: Ask) -> None:
        first = [asyncio.create_task(ask("/api/v1/targets?name=shop*")) for _ in range(5)]
        try:
            await until(lambda: sum(one.done() for one in first) >= 2)
            refusals, waiting = await asyncio.wait(first, timeout=0.5)
            assert [one.result().status for one in refusals] == [503] * 2
            health = [asyncio.create_task(ask("/health/shop-api-1")) for _ in range(20)]
            for path in ("targets?name=x", "targets/container/nobody", "rules"):
                refused = await ask(f"/api/v1/{path}")
                assert "too many ask for answers of their own" in await error(refused, 503, "unavailable")
                assert refused.headers["Retry-After"] == "5"
        finally:
            free.set()
        assert {(await one).status for one in (*waiting, *health)} == {200}
        assert (await ask("/api/v1/targets?name=x")).status == 200

    browse(check, face())


def test_the_group_is_told_by_its_pss() -> None:
    async def check(ask: Ask) -> None:
        found = (await data(await ask(f"/api/v1/targets/process/{BOT.name}")))["target"]
        assert (found["used_bytes"], found["paused"]) == (100 * MIB, True)

    browse(check, face())

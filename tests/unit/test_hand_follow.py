"""Who follows another's restart, who is left alone for a reason of its own, and what is kept of those that are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.config import Config
from brimline.deeds import Fate, Outcome, Pause, Verdict
from brimline.journal import told
from brimline.metrics.acted import AT
from brimline.model import Kind, Now, Subject
from unit.acting import decided, until
from unit.fake_docker import Request
from unit.hand_dry import beside
from unit.hand_life import Life, Place
from unit.policy_scenes import container, deed
from unit.test_journal_asked import write


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        vpn = made.container("vpn")
        guest = made.container("guest", 0.1)
        made.fake.containers[guest]["HostConfig"]["NetworkMode"] = f"container:{vpn}"
        made.pass_(60)
        yield made


def outcome(here: Place) -> str:
    (text,) = here.told("SELECT text FROM lines WHERE kind = 'outcome'")
    return str(text[0])


def restarted(here: Place) -> list[str]:
    return [here.fake.containers[one]["Name"].removeprefix("/") for one in here.restarts()]


def test_a_guest_follows_and_needs_no_label_of_its_own(here: Place) -> None:
    _, guest = here.fake.containers
    del here.fake.containers[guest]["Config"]["Labels"]["brimline.restart"]

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
            assert restarted(here) == ["vpn", "guest"], outcome(here)

    asyncio.run(body())


@pytest.mark.parametrize("label", ["false", "no", ""])
def test_one_whose_own_label_refuses_is_left_alone(here: Place, label: str) -> None:
    _, guest = here.fake.containers
    here.fake.containers[guest]["Config"]["Labels"]["brimline.restart"] = label

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
            assert restarted(here) == ["vpn"]

    asyncio.run(body())
    assert f"guest depends on it and was not restarted: its label says brimline.restart={label}" in outcome(here)


def test_one_that_is_paused_is_left_alone(here: Place) -> None:
    async def body() -> None:
        async with here.life() as life:
            at = here.clock.now()
            write(here.storage, told.paused(Pause("guest", at.wall, None, "cli anna", at.mono), at))
            await life.until_run()
            assert restarted(here) == ["vpn"]

    asyncio.run(body())
    assert 'was not restarted: cli anna paused "guest", until "brimline resume"' in outcome(here)


def test_one_with_an_action_of_its_own_under_way_is_left_alone(here: Place) -> None:
    _, guest = here.fake.containers

    async def body() -> None:
        async with here.life() as life:

            def busy(request: Request) -> None:
                life.hand._runner._busy["guest", ("guest", "", "")] = "recycle"
                request._obey("restart", request.path.split("/")[-2])

            here.fake.faults["restart"] = busy
            assert [life.look() for _ in range(3)][-1] is Verdict.RUN
            await until(here.fates)
            assert guest not in here.restarts()

    asyncio.run(body())
    assert "was not restarted: a recycle of it is under way" in outcome(here)


def last_actions(life: Life) -> set[str]:
    """Return whose last action is on the page."""
    (family,) = [each for each in life.hand._ties.acted.collect() if each.name == AT.name]
    return {sample.labels["container"] or sample.labels["group"] for sample in family.samples}


def test_the_last_action_on_a_container_is_forgotten_with_it_and_that_on_a_group_is_not(here: Place) -> None:
    group = Subject(Kind.PROCESS, "workers", ("workers",), "17")

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
            decision = decided(group, here.clock.now(), "cleanup")
            done = Outcome(decision.id, ok=True, detail="", started=1.0, ended=2.0)
            life.hand._ties.acted.concluded(decision, done, Fate.DONE)
            await life.tick()
            assert last_actions(life) == {"vpn", "workers"}
            here.fake.remove(next(iter(here.fake.containers)))
            await life.tick()
            assert last_actions(life) == {"workers"}

    asyncio.run(body())


def test_a_reload_that_says_where_a_cleanup_goes_is_heard_at_once(here: Place) -> None:
    async def body() -> None:
        async with here.life(do="cleanup") as life:
            assert await life.tick() is Verdict.NOT_CONFIGURED
            written = life.config.model_dump()
            written["actions"]["cleanup"] = {"vpn": "http://127.0.0.1:9/cleanup"}
            life.hand.use(Config.model_validate(written), life.rules)
            assert await life.tick() is Verdict.FIRST_SAMPLES

    asyncio.run(body())


@pytest.mark.parametrize(
    ("rule", "says"), [("memory/Full", "memory/Full holds again"), ("", "alertmanager x asks for")]
)
def test_what_did_not_last_is_told_with_who_asks_again(rule: str, says: str) -> None:
    web = container()
    found = told.relapsed(deed(web, 60, rule=rule, caller="alertmanager x"), web.subject, Now(1.0, 1.0))
    assert says in found.text


def test_a_reload_says_what_takes_effect_at_the_next_start_only(here: Place, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with here.life() as life:
            written = life.config.model_dump()
            written["actions"]["inbound_token_file"] = str(here.storage / "token")
            life.hand.use(Config.model_validate(written), life.rules)
            life.hand.use(Config.model_validate(written), life.rules)

    with caplog.at_level(logging.WARNING):
        asyncio.run(body())
    said = "what is new under actions.inbound_token_file takes effect at the next start"
    assert [line.getMessage() for line in caplog.records].count(said) == 1
    assert "under storage" not in caplog.text

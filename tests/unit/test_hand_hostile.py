"""Labels, names and addresses that mean harm or nonsense cost their own container its luck, and nobody else any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.deeds import Verdict
from brimline.labels import sanitise
from unit.acting import until
from unit.hand_dry import beside
from unit.hand_life import Place

NINES = "9" * 60


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "text",
    [
        "forever",
        "-1s",
        "1e9",
        "",
        "\0",
        "10s\n",
        "9" * 5000 + "s",
        f"{NINES}s",
        f"{NINES}y",
        "1s; reboot",
        "∞",
        "\u0661s",
    ],
)
def test_a_stop_timeout_that_is_none_or_beyond_all_measure_holds_up_nobody(here: Place, text: str) -> None:
    here.container("web", **{"brimline.stop-timeout": text})

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
        (order,) = here.fake.orders
        assert order[2] is None or 0 <= int(order[2]) <= 86_400
        assert here.fates() == ["done"]

    asyncio.run(body())


@pytest.mark.parametrize("seconds", [-1, 2**62, 10**30, "ten"])
def test_a_stop_timeout_of_the_container_itself_may_be_anything(here: Place, seconds: object) -> None:
    web = here.container("web")
    here.fake.containers[web]["Config"]["StopTimeout"] = seconds

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
        assert here.fates() == ["done"]
        assert here.fake.orders == [("restart", web, None)], "how long it takes is left to the engine"

    asyncio.run(body())


@pytest.mark.parametrize(
    "text",
    ["http://evil.example/", "//evil.example/x", ":80@evil.example/", ":0/x", ":70000/x", ":80", ":8000/a b", NINES],
)
def test_a_cleanup_leads_nowhere_but_to_the_container_itself(here: Place, text: str) -> None:
    here.container("web", **{"brimline.cleanup": text})

    async def body() -> None:
        async with here.life(do="cleanup") as life:
            assert set(await life.looks(6)) == {Verdict.NOT_CONFIGURED}
        (told,) = here.told("SELECT text FROM lines WHERE kind = 'refused'")
        assert text[:10] in told[0]

    asyncio.run(body())


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\x00b",
        "\udcff\udcfe",
        "../../etc/passwd",
        "a" * 5000,
        "<script>alert(1)</script>",
        '"; DROP TABLE lines; --',
        "{container}",
        "\u202eevil",
    ],
)
def test_a_container_may_be_called_anything(here: Place, name: str) -> None:
    web = here.container("web")
    here.fake.containers[web]["Name"] = f"/{name}"
    here.full[sanitise(name)] = 0.9

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
        assert here.fates() == ["done"]
        assert here.restarts() == [web]
        async with here.life() as life:
            assert await life.tick() is Verdict.FIRST_SAMPLES

    asyncio.run(body())


def test_one_whose_owner_lets_it_start_for_ever_is_left_to_start_and_the_next_one_is_not(here: Place) -> None:
    slow = here.container("slow", **{"brimline.start-period": f"{NINES}y"})
    here.fake.containers[slow]["State"]["Health"]["Status"] = "starting"
    web = here.container("web")
    here.container("broken", 0.1, **{"brimline.start-period": "for ever"})

    async def body() -> None:
        async with here.life() as life:
            for _ in range(6):
                life.look()
                await until(lambda life=life: not life.hand._runner.busy())
        assert here.restarts() == [web]

    asyncio.run(body())

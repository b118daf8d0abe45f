"""A minute in which Brimline was stopped counts towards nothing, and nothing is done on what it knew before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.deeds import Verdict
from unit.hand_dry import beside
from unit.hand_life import Place

STOPPED = 60.0


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        made.container()
        yield made


def test_an_alert_that_waits_does_not_fire_by_the_time_nobody_looked(here: Place) -> None:
    async def body() -> None:
        async with here.life(held="30s") as life:
            assert await life.looks(5) == [None] * 5
            assert await life.tick(STOPPED) is None
            assert await life.looks(25) == [None] * 25
            assert await life.tick() is Verdict.RUN, "30 s that were looked at"
        assert here.restarts() == list(here.fake.containers)

    asyncio.run(body())


def test_an_alert_that_fires_acts_on_new_samples_only(here: Place) -> None:
    here.full["web"] = 0.1

    async def body() -> None:
        async with here.life() as life:
            assert await life.looks(5) == [None] * 5
            here.full["web"] = 0.9
            assert await life.tick(STOPPED) is Verdict.FIRST_SAMPLES
            assert await life.tick() is Verdict.FIRST_SAMPLES
            assert here.restarts() == []
            assert await life.tick() is Verdict.RUN

    asyncio.run(body())


def test_one_that_is_well_when_brimline_is_awake_again_is_left_alone(here: Place) -> None:
    async def body() -> None:
        async with here.life() as life:
            assert await life.looks(2) == [Verdict.FIRST_SAMPLES] * 2
            here.full["web"] = 0.1
            assert await life.tick(STOPPED) is None
            assert await life.looks(5) == [None] * 5
        assert here.restarts() == []

    asyncio.run(body())

"""What the log says at the start of who may be restarted: once, when containers are known, and where rules restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.hand_life import Life, Place, place

SAID = "1 of 3 containers may be restarted, 1 more with the label brimline.restart=true"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def fill(here: Place) -> None:
    here.container("web", 0.1)
    here.container("db", 0.1, **{"brimline.restart": "false"})
    here.container("am", 0.1, **{"brimline.protect": "true"})


def said(log: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in log.records if "may be restarted" in line.getMessage()]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "brimline.hand")
    return caplog


def test_it_is_said_once_as_soon_as_there_is_a_container_and_again_after_a_reload(
    here: Place, log: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with here.life() as life:
            await life.looks(2)
            assert said(log) == []
            fill(here)
            await life.looks(3)
            assert said(log) == [SAID]
            life.hand.use(life.config, life.rules)
            await life.looks(2)
            assert said(log) == [SAID, SAID]

    asyncio.run(body())


def test_where_no_rule_restarts_nobody_needs_to_hear_it(here: Place, log: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        fill(here)
        async with here.life(do="notify") as life:
            await life.looks(3)
        assert said(log) == []

    asyncio.run(body())


def test_the_view_says_that_nothing_is_done(here: Place) -> None:
    async def dry(life: Life) -> bool:
        await life.tick()
        view = life.engine.view
        assert view is not None
        return view.dry_run

    async def body() -> None:
        fill(here)
        async with here.life() as life:
            assert not await dry(life)
        async with here.life(actions={"dry_run": "true"}) as life:
            assert await dry(life)

    asyncio.run(body())

"""The README's two transcripts are what the verbs print of the shop that tests/docs/shop.py sets up."""

from __future__ import annotations

import re

from brimline.cli.check.text import Result, body, status_line
from brimline.cli.explain.text import explanation
from brimline.model import Alert, Diagnosis, Phase, Subject
from brimline.rules.diagnosis import Facts, diagnose
from docs.pages import page
from docs.shop import ROOM, SHOP
from unit.cli_views import GIB, MIB, Scene, alert, container, group

NOW = 1_700_000_000.0  # of the scene's view


def transcript(command: str) -> list[str]:
    block = rf"^```console\n\$ {re.escape(command)}\n(.*?)^```$"
    found = re.search(block, page("README.md").text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].splitlines()


def service(name: str) -> Subject:
    return container(name, "shop", name)


def shop() -> Scene:
    """Return what a reading of the shop gave, in the README's numbers."""
    translator, bot, tts, embedder = map(service, ("translator", "whisper-bot", "tts", "embedder"))
    held = {"working_set": 894, "usage": 894, "anon": 132, "shmem": 0, "kernel": 2.1}
    scene = (
        Scene()
        .memory(translator, 0.893 * 1536 * MIB, 1536 * MIB)
        .memory(bot, 840 * MIB, GIB)
        .memory(service("ingest-worker"), 593 * MIB, GIB)
        .memory(group("soroka-bot"), 240.7 * MIB, 512 * MIB, memory_pss_bytes=240.7 * MIB)
        .memory(service("reranker"), 291 * MIB, 768 * MIB)
        .host(4.5 * GIB, 23.5 * GIB)
        .memory(embedder, 134 * MIB, GIB, **{f"memory_{part}_bytes": mib * MIB for part, mib in held.items()})
        .memory(tts, 221 * MIB, 23.5 * GIB, limited=0)
    )
    scene.values[service("thumbnails")] = {"running": 0, "exit_code": 137}
    scene.diagnoses = {embedder: ok(134 * MIB, GIB)}
    scene.alerts = (
        pending(translator, "InferenceMemoryHigh", "warning", value=0.893),
        pending(translator, "InferenceMemoryCritical", "critical", value=0.893),
        pending(bot, "InferenceMemoryHigh", "warning", value=840 / 1024),
        pending(tts, "ContainerWithoutLimit", "info", value=0, unit=""),
    )
    return scene


def pending(subject: Subject, name: str, severity: str, *, value: float, unit: str = "ratio") -> Alert:
    return alert(subject, name, severity, phase=Phase.PENDING, value=value, unit=unit, since=NOW)


def ok(used: float, limit: float) -> Diagnosis:
    return diagnose(Facts(ratio=used / limit, limit=limit, full=0.0))


def test_the_reading_that_check_shows_has_the_form_of_today() -> None:
    result = Result(shop().view(), (), {service(name) for name in SHOP})  # none of them has a label
    shown = [status_line(result, perfdata=False), *body(result, ROOM, colour=False)]
    assert transcript("brimline check") == shown


def test_the_container_that_is_explained_is_explained_so_today() -> None:
    result = Result(shop().view(), ("embedder",))
    lines = explanation(result.rows[0], result.measures, ROOM, colour=False)
    shown = transcript("brimline explain embedder")
    assert shown[-1] == "..."
    assert lines[: len(shown) - 1] == shown[:-1]


def test_the_services_are_those_that_are_set_up() -> None:
    named = " ".join(transcript("brimline check"))
    assert [name for name in SHOP if name not in named] == []

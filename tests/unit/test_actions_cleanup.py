from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from brimline.actions.base import Job, RefusedError, Standing
from brimline.actions.cleanup import LABEL, Cleanup, labelled
from brimline.actions.options import ActionsOptions
from brimline.actions.workers import Crew, Reach
from brimline.deeds import Decision, Verdict
from brimline.errors import ActionError, UnreachableError
from brimline.httpclient import HttpAnswer
from brimline.model import Container, Kind, Now, Subject
from fakes import MIB, container, described

WEB = container("web-1", "c1@1", ("shop", "web"))
GROUP = Subject(Kind.PROCESS, "soroka", ("soroka",), "7@1")


@dataclass
class Network:
    """Answers every request the same way and keeps what was asked."""

    status: int = 200
    asked: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    async def send(self, method: str, url: str, *, body: bytes, **_: object) -> HttpAnswer:
        self.asked.append((method, url, json.loads(body)))
        if not self.status:
            raise UnreachableError(f"{method} {url}: connection refused")
        return HttpAnswer(self.status)


@dataclass
class People:
    """Workers of which so many carry the hook."""

    carrying: int = 0
    neighbours: bool = False  # in our own network
    signals: list[tuple[Crew, bool]] = field(default_factory=list)

    def crew(self, directory: str | None, pids: tuple[int, ...] = ()) -> Crew:
        return Crew(pids or ((1, 2, 3) if directory else ()), "" if directory or pids else "not known")

    def carriers(self, _: Crew) -> int:
        return self.carrying

    def near(self, crew: Crew) -> bool:
        return self.neighbours and bool(crew.pids)

    def signal(self, crew: Crew, *, critical: bool) -> Reach:
        self.signals.append((crew, critical))
        return Reach(self.carrying, len(crew.pids) - self.carrying)


def cleanup(network: Network, people: People, **urls: str) -> Cleanup:
    options = ActionsOptions(cleanup={name.replace("__", "/"): url for name, url in urls.items()})
    return Cleanup(
        options,
        http=network,  # type: ignore[arg-type]
        workers=people,  # type: ignore[arg-type]
        alert_at=lambda _: 0.8,
        own_ports=[12746],
    )


def job(seen: Container | None = None, severity: str = "warning", **standing: Any) -> Job:  # noqa: ANN401
    subject = seen.subject if seen is not None else GROUP
    decision = Decision("d1", Now(0, 0), "cleanup", subject, Verdict.RUN, "it is full", severity=severity)
    stands = {"used": 900 * MIB, "limit": 1000 * MIB, "ratio": 0.9, **standing}
    return Job(decision, Standing(subject, **stands), seen, {"memory": "/m"} if seen is not None else {})


def web(label: str | None = None, **more: object) -> Container:
    labels = {} if label is None else {LABEL: label}
    return described(WEB, labels, **{"addresses": ("10.0.0.7",), **more})


def carried_out(action: Cleanup, what: Job) -> str:
    async def live() -> str:
        await action.prepare(what)
        told = await action.run(what)
        proof = await action.verify(what)
        assert proof.ok
        assert proof.detail == told
        assert proof.uid == what.decision.subject.uid
        return told

    return asyncio.run(live())


def test_the_label_is_called_on_the_replicas_own_address_with_what_is_wanted() -> None:
    network = Network()
    told = carried_out(cleanup(network, People()), job(web(":8000/cleanup?deep=1"), severity="critical"))
    assert network.asked == [
        (
            "POST",
            "http://10.0.0.7:8000/cleanup?deep=1",
            {
                "level": "critical",
                "used_ratio": 0.9,
                "want_bytes": 150 * MIB,
                "subject": "web-1",
                "decision_id": "d1",
            },
        )
    ]
    assert "answered 200" in told


def test_the_workers_are_signalled_beside_the_post() -> None:
    people = People(carrying=3)
    told = carried_out(cleanup(Network(), people), job(web(":8000/x"), severity="critical"))
    assert people.signals == [(Crew((1, 2, 3)), True)]
    assert "3 signalled" in told


def test_workers_with_the_hook_are_enough() -> None:
    network, people = Network(), People(carrying=2)
    carried_out(cleanup(network, people), job(web()))
    assert network.asked == []
    assert people.signals == [(Crew((1, 2, 3)), False)]


def test_a_post_that_fails_is_no_failure_where_a_worker_was_signalled() -> None:
    told = carried_out(cleanup(Network(status=0), People(carrying=1)), job(web(":8000/x")))
    assert "connection refused" in told


@pytest.mark.parametrize("status", [0, 301, 404, 500])
def test_what_reached_no_worker_failed(status: int) -> None:
    action, what = cleanup(Network(status), People()), job(web(":8000/x"))
    with pytest.raises(ActionError, match="reached no worker"):
        asyncio.run(action.run(what))
    assert not asyncio.run(action.verify(what)).ok


@pytest.mark.parametrize(
    ("label", "carrying", "said"),
    [
        (":8000/x", 0, "POST http://10.0.0.7:8000/x"),
        (None, 1, "1 process with the hook"),
        (":8000/x", 2, "POST http://10.0.0.7:8000/x, 2 processes with the hook"),
        (None, 0, ""),
    ],
)
def test_it_says_what_it_would_call_and_calls_nothing(label: str | None, carrying: int, said: str) -> None:
    network, people, what = Network(), People(carrying), job(web(label))
    assert cleanup(network, people).reach(what.standing, what.container, what.directories) == said
    assert (network.asked, people.signals) == ([], [])


def test_a_password_in_an_address_is_not_said() -> None:
    what = job()
    said = cleanup(Network(), People(), soroka="http://me:secret@free/x").reach(what.standing, None, {})
    assert "secret" not in said
    assert "free/x" in said


def test_where_nothing_is_configured_it_is_refused_with_what_to_write() -> None:
    with pytest.raises(RefusedError) as refused:
        asyncio.run(cleanup(Network(), People()).prepare(job(web())))
    assert refused.value.verdict is Verdict.NOT_CONFIGURED
    assert 'brimline.cleanup=":PORT/PATH"' in refused.value.reason


@pytest.mark.parametrize(
    "label",
    [
        "http://evil.example/cleanup",
        "8000/cleanup",
        ":8000",
        ":0/x",
        ":65536/x",
        ":8000/a b",
        ":8000@evil.example/x",
        "//evil.example:8000/x",
        ":8000/x\r\nHost: evil.example",
        "",
    ],
)
def test_a_label_that_is_no_port_and_path_is_refused_with_a_sentence(label: str) -> None:
    port, _, flaw = labelled(web(label))
    assert port == 0
    assert ":8000/cleanup" in flaw
    network = Network()
    with pytest.raises(RefusedError, match="is not followed"):
        asyncio.run(cleanup(network, People()).prepare(job(web(label))))
    assert network.asked == []


def test_the_configuration_stands_in_for_a_bad_label_and_the_label_goes_first() -> None:
    network = Network()
    action = cleanup(network, People(), shop__web="http://{host}:9000/free")
    assert "is not followed" in carried_out(action, job(web("nonsense")))
    carried_out(action, job(web(":8000/own")))
    assert [url for _, url, _ in network.asked] == ["http://10.0.0.7:9000/free", "http://10.0.0.7:8000/own"]


def test_the_first_glob_that_names_it_counts_and_a_url_without_host_is_called_as_it_is() -> None:
    network = Network()
    urls = {"other": "http://o/", "shop__w*": "http://translator:8000/cleanup", "web-1": "http://late/"}
    carried_out(cleanup(network, People(), **urls), job(web()))
    assert [url for _, url, _ in network.asked] == ["http://translator:8000/cleanup"]


def test_a_process_group_is_called_on_this_machine_and_its_own_processes_are_signalled() -> None:
    network, people = Network(), People(carrying=1)
    carried_out(cleanup(network, people, soroka="http://{host}:7000/c"), job(pids=(11, 12)))
    assert network.asked[0][1] == "http://127.0.0.1:7000/c"
    assert people.signals[0][0] == Crew((11, 12))


def test_a_replica_without_an_address_is_not_called_on_somebody_elses() -> None:
    action = cleanup(Network(), People())
    assert "leads nowhere" in action.lacks(Standing(WEB), web(":8000/x", addresses=()), {})
    configured = cleanup(Network(), People(), shop__web="http://{host}:1/")
    assert configured.url(WEB, web(addresses=()), Crew())[0] == ""
    assert "no address in a network of its own" in configured.lacks(Standing(WEB), web(addresses=()), {})


def test_addresses_are_written_as_urls_write_them() -> None:
    seen = web(":1/x", addresses=("fd00::7", "10.0.0.7"))
    assert cleanup(Network(), People()).url(WEB, seen, Crew())[0] == "http://[fd00::7]:1/x"


@pytest.mark.parametrize("urls", [{}, {"shop__web": "http://{host}:8000/x"}])
def test_one_in_the_hosts_network_is_called_on_127_0_0_1_only_from_there(urls: dict[str, str]) -> None:
    what = job(web(None if urls else ":8000/x", network_mode="host", addresses=()))
    network = Network()
    carried_out(cleanup(network, People(neighbours=True), **urls), what)
    assert [url for _, url, _ in network.asked] == ["http://127.0.0.1:8000/x"]
    network = Network()
    with pytest.raises(RefusedError, match="in the host's network, where Brimline is not seen to be"):
        asyncio.run(cleanup(network, People(), **urls).prepare(what))
    assert network.asked == []


def test_a_label_does_not_lead_to_brimline_itself() -> None:
    network = Network()
    action = cleanup(network, People(neighbours=True))
    with pytest.raises(RefusedError, match="Brimline itself listens on port 12746"):
        asyncio.run(action.prepare(job(web(":12746/-/reload", network_mode="host", addresses=()))))
    assert network.asked == []
    carried_out(action, job(web(":12746/x")))  # the same port of another address
    assert [url for _, url, _ in network.asked] == ["http://10.0.0.7:12746/x"]


def test_what_is_wanted_is_five_points_below_the_alert_level_and_never_less_than_nothing() -> None:
    action = cleanup(Network(), People())
    stands = Standing(WEB, used=800.0, limit=1000.0)
    assert action.want_bytes(stands) == 50
    assert action.want_bytes(replace(stands, used=700.0)) == 0
    assert action.want_bytes(Standing(WEB)) is None


def test_it_may_take_as_long_as_the_service_may() -> None:
    assert cleanup(Network(), People()).seconds(job()) > ActionsOptions().cleanup_timeout


def test_the_password_of_an_address_is_never_told() -> None:
    told = carried_out(cleanup(Network(), People(), shop__web="http://me:secret@web:8000/x"), job(web()))
    assert "POST http://***@web:8000/x answered 200" in told

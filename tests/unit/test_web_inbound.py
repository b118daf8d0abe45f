"""Alertmanager's webhook as a way to ask: who may, what is read, and that the same alert asks once."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.deeds import Request
from brimline.web import inbound
from brimline.web.inbound import AGAIN, LARGEST, Inbound
from fakes import FakeClock

TOKEN = "a-long-and-random-token"  # noqa: S105 - of this test
Post = Callable[..., Awaitable[tuple[int, Any]]]


class Scene:
    """A server with the handler, and what was asked for."""

    def __init__(self, token: Path) -> None:
        self.clock = FakeClock()
        self.asked: list[Request] = []
        self.inbound = Inbound(str(token), self.asked.append, self.clock)


def browse(tmp_path: Path, check: Callable[[Scene, Post], Awaitable[None]]) -> Scene:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    scene = Scene(file)

    async def run() -> None:
        app = web.Application(client_max_size=1)
        app.router.add_post("/api/v1/alertmanager", scene.inbound.post)
        server = TestServer(app, host="127.0.0.1")
        async with server, ClientSession() as session:

            async def post(body: object = None, token: str | None = f"Bearer {TOKEN}") -> tuple[int, Any]:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers = {"Authorization": token} if token is not None else {}
                url = server.make_url("/api/v1/alertmanager")
                async with session.post(url, data=BytesIO(data), headers=headers) as answer:
                    text = await answer.text()
                    return answer.status, json.loads(text) if answer.status == 200 else text

            await check(scene, post)

    asyncio.run(run())
    return scene


def group(*alerts: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"version": "4", "receiver": "brimline", "groupKey": "{}:{}", "status": "firing", "alerts": alerts, **more}


def asking(container: str = "web", action: str = "restart", **more: object) -> dict[str, object]:
    labels = {"alertname": "Slow", "container": container}
    usual = {"status": "firing", "labels": labels, "annotations": {"brimline_action": action}, "startsAt": "1"}
    return {**usual, **more}


def test_a_firing_alert_with_an_annotation_asks_for_its_action(tmp_path: Path) -> None:
    async def check(_: Scene, post: Post) -> None:
        status, told = await post(group(asking()))
        assert status == 200
        assert [(one["action"], one["name"], one["result"]) for one in told["taken"]] == [
            ("restart", "web", "asked for")
        ]

    (request,) = browse(tmp_path, check).asked
    assert (request.action, request.name, request.caller) == ("restart", "web", "alertmanager brimline")
    assert (request.at, request.dry_run) == (FakeClock().wall, False)


@pytest.mark.parametrize(
    ("alert", "name"),
    [
        (asking(labels={"container": "web", "brimline_action": "cleanup"}, annotations={}), "web"),
        (asking(labels={"compose_project": "shop", "compose_service": "api"}), "shop/api"),
    ],
)
def test_a_label_asks_too_and_a_service_is_named_as_on_the_command_line(
    tmp_path: Path, alert: dict[str, object], name: str
) -> None:
    async def check(_: Scene, post: Post) -> None:
        assert (await post(group(alert)))[0] == 200

    assert [request.name for request in browse(tmp_path, check).asked] == [name]


@pytest.mark.parametrize("silent", [asking(status="resolved"), asking(annotations={})])
def test_what_is_over_or_asks_for_nothing_is_taken_and_does_nothing(tmp_path: Path, silent: dict[str, object]) -> None:
    async def check(_: Scene, post: Post) -> None:
        assert await post(group(silent)) == (200, {"taken": []})

    assert browse(tmp_path, check).asked == []


def test_the_same_alert_asks_once_in_five_minutes_and_a_new_firing_at_once(tmp_path: Path) -> None:
    async def check(scene: Scene, post: Post) -> None:
        for _ in range(5):
            await post(group(asking(), asking()))
        assert len(scene.asked) == 1
        assert (await post(group(asking())))[1]["taken"][0]["result"] == "already asked for"
        await post(group(asking(startsAt="2")))
        assert len(scene.asked) == 2
        scene.clock.pass_(AGAIN)
        await post(group(asking()))
        assert len(scene.asked) == 3
        assert len(scene.inbound._asked) == 1, "what is old is forgotten"

    browse(tmp_path, check)


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer wrong", 403),
        (f"Bearer {TOKEN}x", 403),
        (f"Bearer {TOKEN[:-1]}", 403),
        (f"bearer {TOKEN}", 200),
    ],
)
def test_only_who_holds_the_token_may_ask(tmp_path: Path, token: str | None, status: int) -> None:
    async def check(_: Scene, post: Post) -> None:
        assert (await post(group(asking()), token))[0] == status

    assert bool(browse(tmp_path, check).asked) == (status == 200)


def test_a_token_that_changed_counts_at_once_and_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    async def check(_: Scene, post: Post) -> None:
        file = tmp_path / "token"
        assert (await post(group()))[0] == 200
        other = tmp_path / "other"
        other.write_text("another-token")
        os.replace(other, file)  # noqa: PTH105 - as a secret is rotated
        assert (await post(group()))[0] == 403
        assert (await post(group(), "Bearer another-token"))[0] == 200
        file.write_text(" \n")
        assert (await post(group(), "Bearer "))[0] == 503
        file.unlink()
        status, text = await post(group(), "Bearer another-token")
        assert status == 503
        assert "No such file" in text
        assert str(tmp_path) not in text, "who does not know the token learns no path"

    browse(tmp_path, check)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", '"version" is not "4"'),
        (json.dumps(group(version="3")).encode(), '"version" is not "4"'),
        (json.dumps({**group(), "alerts": {}}).encode(), '"alerts" is no list'),
        (json.dumps({**group(), "alerts": [1]}).encode(), "alerts[0] is no object"),
        (json.dumps(group(asking(labels=[]))).encode(), "alerts[0].labels is no mapping of texts"),
        (json.dumps(group(asking(annotations={"a": 1}))).encode(), "alerts[0].annotations is no mapping of texts"),
        (json.dumps(group(asking(action="reboot"))).encode(), "write one of restart, cleanup, recycle"),
        (json.dumps(group(asking(labels={}))).encode(), "alerts[0] names no container"),
        (json.dumps(group(*(asking(f"web-{n}") for n in range(101)))).encode(), "send at most 100"),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_sentence_and_does_nothing(
    tmp_path: Path, body: bytes, says: str
) -> None:
    async def check(_: Scene, post: Post) -> None:
        status, text = await post(body)
        assert status == 422
        assert says in text

    assert browse(tmp_path, check).asked == []


def test_a_body_has_a_limit(tmp_path: Path) -> None:
    async def check(_: Scene, post: Post) -> None:
        padding = "x" * (LARGEST - len(json.dumps(group(asking(), padding=""))))
        assert (await post(group(asking(), padding=padding)))[0] == 200
        assert (await post(group(asking(), padding=padding + "x")))[0] == 413

    assert len(browse(tmp_path, check).asked) == 1


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "PATIENCE", 0.05)

    async def check(scene: Scene, _: Post) -> None:
        app = web.Application()
        app.router.add_post("/", scene.inbound.post)
        async with TestServer(app, host="127.0.0.1") as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode())
            writer.write(b"Content-Length: 9\r\n\r\nbrim")
            assert b" 408 " in await reader.readline()
            writer.close()

    assert not browse(tmp_path, check).asked


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    bodies=st.lists(
        st.builds(
            lambda alerts, more: {"version": "4", "alerts": alerts, **more},
            st.lists(
                st.fixed_dictionaries(
                    {"status": st.just("firing")},
                    optional={"labels": _JSON, "annotations": _JSON, "startsAt": _JSON},
                )
            ),
            st.fixed_dictionaries({}, optional={"receiver": _JSON}),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_body_breaks_it(tmp_path_factory: pytest.TempPathFactory, bodies: list[object]) -> None:
    async def check(_: Scene, post: Post) -> None:
        for body in bodies:
            assert (await post(body))[0] in {200, 422}

    browse(tmp_path_factory.mktemp("inbound"), check)

"""What is link-local or a cloud's metadata is never called: not as an address, not by a name, not by a redirect."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from brimline import httpclient
from brimline.actions.notify_options import NotifyOptions, WebhookOptions
from brimline.actions.options import ActionsOptions
from brimline.actions.webhook import Webhook
from brimline.cli.rules.replay_prometheus import Range, moments_of_prometheus
from brimline.deeds import Message
from brimline.dockerapi import DockerApi
from brimline.dockerthreads import Calls
from brimline.errors import SourceError, UnreachableError
from brimline.httpclient import HttpClient
from brimline.loading import read_text
from brimline.offlimits import forbidden, leads_to
from brimline.rulefiles import load_rules, read_rules
from brimline.sources.docker import DockerOptions
from fakes import FakeClock

FORBIDDEN = (
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fe80::1",
    "febf::1",
    "fe80::a9fe:1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
)
ALLOWED = ("127.0.0.1", "::1", "10.0.0.7", "172.17.0.1", "192.168.1.1", "100.100.100.201", "fd00::1", "8.8.8.8", "web")


def url(host: str) -> str:
    return f"http://[{host.replace('%', '%25')}]:80/latest" if ":" in host else f"http://{host}:80/latest"


@pytest.mark.parametrize("host", FORBIDDEN)
def test_such_an_address_is_recognised_however_it_is_written(host: str) -> None:
    assert forbidden(host)
    assert forbidden(f"[{host}]")


@pytest.mark.parametrize("host", ALLOWED)
def test_others_are_not_and_loopback_is_one_of_them(host: str) -> None:
    assert not forbidden(host)


@given(st.ip_addresses(v=4, network="169.254.0.0/16"), st.ip_addresses(v=6, network="fe80::/10"))
def test_all_that_is_link_local_is_forbidden(four: object, six: object) -> None:
    assert forbidden(str(four))
    assert forbidden(str(six))
    assert forbidden(f"::ffff:{four}")


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    forbidden(text)


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (ActionsOptions, lambda u: {"cleanup": {"web": u}}),
        (ActionsOptions, lambda u: {"restart": {"drain": {"web": {"post": u}}}}),
        (ActionsOptions, lambda u: {"restart": {"drain": {"web": {"gauge": u}}}}),
        (NotifyOptions, lambda u: {"alertmanagers": [u]}),
        (NotifyOptions, lambda u: {"webhooks": [{"url": u}]}),
        (NotifyOptions, lambda u: {"apprise": [u.replace("http", "json")]}),
        (DockerOptions, lambda u: {"host": u.replace("http", "tcp")}),
        (DockerOptions, lambda u: {"action_host": u}),
    ],
)
def test_the_configuration_refuses_it_with_what_to_write(
    options: type[ActionsOptions], wrong: Callable[[str], dict[str, Any]], host: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        options.model_validate(wrong(url(host)))
    [error] = refused.value.errors()
    assert "is link-local or a cloud's metadata" in error["msg"]
    assert error["msg"].endswith("write the service's own address")


class Names(AbstractResolver):
    """A DNS that is somebody else's."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0) for a in self._addresses
        ]

    async def close(self) -> None:
        pass


async def served(
    addresses: Sequence[str], path: str, monkeypatch: pytest.MonkeyPatch, host: str = "evil.example"
) -> bytes:
    """Ask a name that leads to these addresses, where a server of ours is the one that answers."""
    monkeypatch.setattr(httpclient, "Lookups", lambda: Names(*addresses))
    app = web.Application()

    async def here(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    app.router.add_route("*", "/{any:.*}", here)
    runner, client = web.AppRunner(app), HttpClient()
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return (await client.send("POST", f"http://{host}:{port}{path}", seconds=5)).body
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize("address", [host.partition("%")[0] for host in FORBIDDEN])
def test_a_name_that_leads_there_is_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match=r"evil\.example leads to .*, which is link-local or a cloud's metadata"):
        asyncio.run(served([address], "/", monkeypatch))


def test_of_a_name_with_several_addresses_the_others_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(served(["169.254.169.254", "127.0.0.1"], "/x", monkeypatch)) == b"/x"


@pytest.mark.parametrize(
    "host", [*(f"[{h.replace('%', '%25')}]" if ":" in h else h for h in FORBIDDEN), "2852039166", "169.254.43518"]
)
def test_an_address_is_not_called_and_no_name_is_asked_for(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match=r"is link-local or a cloud's metadata|this is no URL"):
        asyncio.run(served(["127.0.0.1"], "/", monkeypatch, host))


def test_an_engine_behind_such_a_name_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("169.254.169.254", 0))])
    assert leads_to("evil.example") == "169.254.169.254"
    with pytest.raises(SourceError, match=r"evil\.example leads to 169\.254\.169\.254, which is link-local"):
        asyncio.run(DockerApi.connect("tcp://evil.example:2375", {}, Calls(), 2.0))


def test_nor_is_a_prometheus_for_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("169.254.169.254", 0))])
    rules = load_rules(read_rules(["bundled"], read_text))
    with pytest.raises(SourceError, match=r"leads to 169\.254\.169\.254"):
        list(moments_of_prometheus("http://evil.example:9090", Range(1e9, 60, 15), rules))


def test_a_webhook_is_called_where_it_was_written_whatever_a_message_says() -> None:
    called: list[str] = []

    class Client:
        async def send(self, method: str, url: str, **_: object) -> httpclient.HttpAnswer:
            called.append(f"{method} {url}")
            return httpclient.HttpAnswer(200)

    written = "http://hooks.example/{container}/{{.Labels.url}}/%s/${HOST}"
    hook = Webhook(WebhookOptions(url=written), Client(), FakeClock())  # type: ignore[arg-type]
    labels = '{"container": "../../evil", "url": "http://169.254.169.254/", "HOST": "evil.example"}'
    asyncio.run(hook.send(Message("m-1", "hook", "alert", labels.encode(), 0.0)))
    assert called == [f"POST {written}"]

"""The door on a real socket: by which names, from which sites, and with which proof one comes in."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from pydantic import SecretStr

from brimline.errors import BrimlineError
from brimline.web import door
from brimline.web.access import auth
from brimline.web.access.auth import TooManyError, Users
from brimline.web.access.lock import Lock
from brimline.web.access.ratelimit import Bucket
from brimline.web.access.sites import Names
from unit.web_faces import Ask, FakeDesk, FakeFace, browse, served

SECRET = "correct horse"  # noqa: S105 - in a test
ORDER = "/api/v1/targets/container/web/restart"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def write(web_file: dict[str, str], text: str) -> None:
    Path(web_file["file"]).write_text(text)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture(scope="module")
def alices() -> str:
    return f"basic_auth_users:\n  alice: {hashed(SECRET)}\n"


@pytest.fixture
def web_file(tmp_path: Path, alices: str) -> dict[str, str]:
    (tmp_path / "web.yml").write_text(alices)
    return {"file": str(tmp_path / "web.yml")}


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    (tmp_path / "token").write_text("a-long-token\n")
    return str(tmp_path / "token")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:12746", 200),
        ("[::1]:12746", 200),
        ("192.168.7.9", 200),
        ("localhost:12746", 200),
        ("brimline:12746", 200),  # a service's name in a compose network
        ("host.docker.internal", 200),
        ("memory.example.com", 200),  # external_url
        ("MEMORY.example.com.:443", 200),
        ("guard.example.com", 200),  # allowed_hosts
        ("evil.example.com", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("[::1", 421),
        ("a@evil.example", 421),
    ],
)
def test_only_names_of_ours_are_served(host: str, status: int) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/-/healthy", headers={"Host": host})
        assert answer.status == status
        if status == 421:
            assert "add the name to web.allowed_hosts" in await answer.text()

    browse(check, FakeFace(), external_url="https://memory.example.com/", allowed_hosts=("guard.example.com",))


def test_a_star_is_every_name() -> None:
    assert Names(["*"], None).ours("evil.example.com")
    assert Names([], None).ours("")


@pytest.mark.parametrize("path", ["/-/reload", ORDER, "/api/v1/alertmanager"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
def test_no_button_is_pressed_from_another_site(path: str, headers: dict[str, str]) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask(path, "POST", headers=headers)
        assert answer.status == 403
        assert "page of another site" in await answer.text()

    desk = FakeDesk()
    browse(check, FakeFace(), desk.desk(), enable_actions=True, enable_lifecycle=True)
    assert not desk.asked


def test_every_page_but_the_health_asks_for_the_password(web_file: dict[str, str]) -> None:
    async def check(ask: Ask) -> None:
        for path in ("/", "/metrics", "/api/v1/status", "/nowhere"):
            answer = await ask(path)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="brimline"')
            assert (await ask(path, headers=basic("alice", "wrong"))).status == 401
            assert (await ask(path, headers=basic("bob", SECRET))).status == 401
            assert (await ask(path, headers=basic("alice", SECRET))).status != 401
        assert (await ask("/-/ready")).status != 401
        assert (await ask("/metrics", headers={"Authorization": "Basic ????"})).status == 401
        assert (await ask("/metrics", headers={"Authorization": f"Bearer {SECRET}"})).status == 401

    browse(check, FakeFace(), config=web_file)


def test_orders_need_the_token_where_there_is_one_and_pages_do_not(token_file: str) -> None:
    async def check(ask: Ask) -> None:
        assert (await ask("/-/healthy")).status != 401
        for headers in ({}, {"Authorization": "Bearer another"}, basic("alice", SECRET)):
            answer = await ask(ORDER, "POST", headers=headers)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="brimline"')
        assert (await ask(ORDER, "POST", headers={"Authorization": "Bearer a-long-token"})).status not in {401, 403}

    browse(check, FakeFace(), FakeDesk().desk(), enable_actions=True, actions_token_file=token_file)


def test_the_file_is_read_again_when_it_changes(
    web_file: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_EVERY_SECONDS", 0.0)
    changes: Iterator[int] = iter(range(1, 9))

    def write(text: str) -> None:
        Path(web_file["file"]).write_text(text)
        os.utime(web_file["file"], ns=(0, next(changes)))

    async def check(ask: Ask) -> None:
        assert (await ask("/-/reload", "POST")).status == 401
        write("basic_auth_users: {}\nhttp_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n")
        answer = await ask("/-/reload", "POST")
        assert (answer.status, answer.headers["X-Frame-Options"]) == (403, "sameorigin")
        write("basic_auth_users: nobody\n")
        assert (await ask("/-/reload", "POST")).status == 403
        assert "the web file is not taken, the old one stays in force" in caplog.text
        write(f"basic_auth_users:\n  carol: {hashed('c')}\n")
        assert (await ask("/-/reload", "POST")).status == 401
        assert (await ask("/-/reload", "POST", headers=basic("carol", "c"))).status == 403

    browse(check, FakeFace(), config=web_file)


def test_a_file_that_is_being_written_opens_no_door(web_file: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(door, "_SETTLED_SECONDS", 60.0)
    whole = Path(web_file["file"]).read_text()

    async def check(ask: Ask) -> None:
        write(web_file, "")  # as an editor does before it writes
        assert (await ask("/metrics")).status == 401
        write(web_file, whole)
        assert (await ask("/metrics")).status == 401

    browse(check, FakeFace(), config=web_file)


def test_what_a_file_lacked_may_come_later_and_is_told_once(
    web_file: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(door, "_SETTLED_SECONDS", 0.0)

    async def check(ask: Ask) -> None:
        write(web_file, "tls_server_config:\n  cert_file: late.crt\n  key_file: late.crt\n")
        for _ in range(3):
            assert (await ask("/metrics")).status == 401
        assert caplog.text.count("the web file is not taken") == 1
        write({"file": str(Path(web_file["file"]).with_name("late.crt"))}, "no certificate")
        assert (await ask("/metrics")).status == 401
        assert caplog.text.count("the web file is not taken") == 2  # what is wrong now is another thing

    browse(check, FakeFace(), config=web_file)


def test_the_rate_limit_of_the_file_holds_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("rate_limit:\n  interval: 1h\n  burst: 2\n")

    async def check(ask: Ask) -> None:
        assert [(await ask("/-/healthy")).status for _ in range(3)][1:] == [200, 429]

    browse(check, FakeFace(), config={"file": str(tmp_path / "web.yml")})


def test_orders_are_taken_at_a_humans_pace() -> None:
    async def check(ask: Ask) -> None:
        statuses = [(await ask(ORDER, "POST")).status for _ in range(12)]
        assert 429 not in statuses[:10]
        assert statuses[10:] == [429, 429]
        assert (await ask("/-/healthy")).status == 200

    browse(check, FakeFace(), FakeDesk().desk(), enable_actions=True)


@pytest.mark.parametrize("address", [":12746", "0.0.0.0:12746", "[::]:12746", "192.168.7.9:12746"])
def test_orders_for_everybody_on_the_network_refuse_to_start(
    address: str, token_file: str, web_file: dict[str, str]
) -> None:
    from brimline.config import WebConfig  # noqa: PLC0415

    def stand(**more: object) -> door.Door:
        return door.Door(WebConfig(listen_address=("127.0.0.1:1", address), enable_actions=True, **more), "")

    with pytest.raises(BrimlineError, match="would let everybody on the network restart containers; set "):
        stand()
    assert stand(actions_token_file=token_file)
    assert stand(config=web_file)


def test_a_password_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = auth._matches
    monkeypatch.setattr(auth, "_matches", lambda *pair: asked.append(pair) or real(*pair))
    users = Users({"alice": SecretStr(hashed(SECRET))})

    async def run() -> None:
        for _ in range(3):
            assert await users.who(basic("alice", SECRET)["Authorization"]) == "alice"
            assert await users.who(basic("alice", "wrong")["Authorization"]) is None

    asyncio.run(run())
    assert len(asked) == 2


def test_a_flood_of_passwords_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_matches", lambda *_: time.sleep(0.02))
    users = Users({"alice": SecretStr(hashed(SECRET))})

    async def run() -> list[object]:
        tries = [users.who(basic("alice", f"guess {n}")["Authorization"]) for n in range(40)]
        return await asyncio.gather(*tries, return_exceptions=True)

    found = asyncio.run(run())
    assert sum(isinstance(answer, TooManyError) for answer in found) == 40 - auth._WAITING
    assert len(users._wrong) == auth._WAITING


def test_what_is_remembered_of_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_matches", lambda *_: False)
    users = Users({})

    async def run() -> None:
        for guess in range(auth._REMEMBERED + 20):
            assert await users.who(basic("x", str(guess))["Authorization"]) is None

    asyncio.run(run())
    assert len(users._wrong) == auth._REMEMBERED


def test_a_flood_of_wrong_passwords_drives_no_right_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(auth, "_matches", lambda _, password: asked.append(password) or password == SECRET.encode())
    users = Users({"alice": SecretStr(hashed(SECRET))})

    async def run() -> None:
        assert await users.who(basic("alice", SECRET)["Authorization"]) == "alice"
        for guess in range(auth._REMEMBERED + 20):
            assert await users.who(basic("alice", str(guess))["Authorization"]) is None
        assert await users.who(basic("alice", SECRET)["Authorization"]) == "alice"

    asyncio.run(run())
    assert asked.count(SECRET.encode()) == 1


def test_a_name_nobody_has_costs_as_much_as_the_dearest_user(monkeypatch: pytest.MonkeyPatch) -> None:
    dear = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(5)).decode()
    compared = []
    monkeypatch.setattr(auth, "_matches", lambda hashed, _: compared.append(hashed.decode()) or True)
    users = Users({"alice": SecretStr(hashed(SECRET)), "bob": SecretStr(dear)})
    assert asyncio.run(users.who(basic("nobody", SECRET)["Authorization"])) is None
    assert compared == [dear]


def test_a_bucket_fills_again_with_time() -> None:
    bucket = Bucket(2.0, 3)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(101.0)
    assert bucket.take(102.0)
    assert not bucket.take(102.0)
    assert [bucket.take(1e6) for _ in range(4)] == [True, True, True, False]


def test_what_is_no_http_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with served(FakeFace()) as running:
            host, port = running.addresses[0].removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
            writer.close()

    asyncio.run(run())
    assert caplog.text == ""


def test_a_certificate_comes_in_by_one_of_the_names_it_bears() -> None:
    borne = {"subjectAltName": (("DNS", "prometheus"), ("IP Address", "10.0.0.7"))}
    assert Lock().lets_in(None)
    assert Lock(names=frozenset({"10.0.0.7", "other"})).lets_in(borne)
    assert not Lock(names=frozenset({"other"})).lets_in(borne)
    assert not Lock(names=frozenset({"other"})).lets_in(None)

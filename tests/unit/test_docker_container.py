from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.errors import SourceError, UnitError
from brimline.model import Kind, Subject
from brimline.sources.docker_container import (
    Container,
    Listed,
    Selection,
    complaint,
    declared_limit,
    epoch,
    matches,
    parse_inspection,
    parse_listing,
    renamed,
)

ID = "d635209fcc27402ace952be897655cd940e9391d496416c3c5138935ac019684"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["Id", "Name", "Names", "State", "Config", "Labels", "Image", "HostConfig", "StartedAt", "Health", "Pid"]


def inspection(state: Mapping[str, Any] | None = None, **more: object) -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/whisper-1",
        "Image": "sha256:6ba1",
        "State": {
            "Status": "running",
            "Running": True,
            "Restarting": False,
            "OOMKilled": False,
            "Pid": 15665,
            "ExitCode": 0,
            "StartedAt": "2026-11-21T07:31:15.170766639Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            **(state or {}),
        },
        "HostConfig": {"Runtime": "runc"},
        "Config": {
            "Image": "acme/whisper:3",
            "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "whisper", "team": "ml"},
        },
        **more,
    }


def container(**more: Any) -> Container:  # noqa: ANN401 - fields of the answer
    return parse_inspection(inspection(**more))


def test_a_running_container() -> None:
    assert parse_inspection(inspection()) == Container(
        id=ID,
        subject=Subject(
            Kind.CONTAINER, "whisper-1", ("whisper-1", "shop", "whisper"), f"{ID}@2026-11-21T07:31:15.170766639Z"
        ),
        labels={"com.docker.compose.project": "shop", "com.docker.compose.service": "whisper", "team": "ml"},
        image="acme/whisper:3",
        image_id="sha256:6ba1",
        runtime="runc",
        running=True,
        pid=15665,
        started=1795246275.170766,
        exit_code=None,
        health="",
        oom_killed=False,
        status="running",
    )


@pytest.mark.parametrize(
    ("state", "running", "pid", "exit_code"),
    [
        ({"Paused": True, "Status": "paused"}, True, 15665, None),
        ({"Running": False, "Status": "exited", "Pid": 0, "ExitCode": 137}, False, 0, 137),
        # While it waits for its next start dockerd says Running, with no process.
        ({"Restarting": True, "Status": "restarting", "Pid": 0, "ExitCode": 1}, False, 0, 1),
        # Never started: no exit code, although the field says 0.
        ({"Running": False, "Status": "created", "Pid": 0, "StartedAt": "0001-01-01T00:00:00Z"}, False, 0, None),
    ],
)
def test_states(state: dict[str, Any], running: bool, pid: int, exit_code: int | None) -> None:  # noqa: FBT001 - a table
    found = container(state=state)
    assert (found.running, found.pid, found.exit_code) == (running, pid, exit_code)


def test_health_under_dockers_name_and_podmans() -> None:
    assert container(state={"Health": {"Status": "unhealthy"}}).health == "unhealthy"
    assert container(state={"Healthcheck": {"Status": "healthy"}}).health == "healthy"


def test_what_a_newer_engine_adds_changes_nothing() -> None:
    newer = inspection(state={"Reason": {"Code": 7}}, ImageManifestDescriptor={"digest": "sha256:1"}, Mounts=None)
    assert parse_inspection(newer) == parse_inspection(inspection())


def test_missing_parts_are_missing_not_wrong() -> None:
    bare = parse_inspection({"Id": ID, "State": {"Status": "running", "Running": True}})
    assert (bare.subject.name, bare.image, bare.pid, bare.started) == (ID[:12], "", 0, 0.0)
    assert bare.subject.labels == (ID[:12], "", "")
    with pytest.raises(SourceError, match="no Id or State"):
        parse_inspection({"message": "hello"})


def test_labels_are_sanitised_where_they_enter() -> None:
    odd = container(Name="/bad\n\u2028", Config={"Image": "x\ty", "Labels": {"com.docker.compose.project": "a\x00b"}})
    assert odd.subject.labels == ("bad\\x0a\\u2028", "a\\x00b", "")
    assert odd.image == "x\\x09y"


def test_the_list() -> None:
    entries = [
        {"Id": ID, "Names": ["/web", "/other/db"], "State": "running", "Labels": None, "New": [1]},
        {"Id": "b" * 64, "Names": ["/web/db", "/db"], "State": "paused"},
        {"Id": "c" * 64, "Names": None, "State": "exited"},
    ]
    assert parse_listing(entries) == (
        Listed(ID, "web", running=True),
        Listed("b" * 64, "db", running=True),
        Listed("c" * 64, "", running=False),
    )
    with pytest.raises(SourceError, match="no container but 'hello'"):
        parse_listing(["hello"])


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(FIELDS), JSON)))
def test_no_answer_raises_anything_but_a_source_error(answer: dict[str, Any]) -> None:
    for parse in (parse_inspection, lambda a: parse_listing([a])):
        try:
            parse(answer)
        except SourceError as error:
            assert str(error)  # noqa: PT017 - either way is fine, as long as it speaks


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-21T07:31:15.170766639Z", 1795246275.170766),
        ("2026-11-21T09:31:15.170766+02:00", 1795246275.170766),  # Podman: local time
        ("0001-01-01T00:00:00Z", 0.0),
        ("2026-11-21T07:31:15", 0.0),  # whose time?
        ("yesterday", 0.0),
        ("", 0.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert epoch(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", True),
        ("whisper-*", True),
        ("whisper", False),
        ("shop/whisper", True),
        ("shop/*", True),
        ("*/whisper", True),
        ("label:team=ml", True),
        ("label:team=m*", True),
        ("label:team", True),
        ("label:team=", False),
        ("label:tea", False),
        ("image:acme/*", True),
        ("image:whisper*", False),
        ("[!ws]*", False),
    ],
)
def test_patterns(pattern: str, matched: bool) -> None:  # noqa: FBT001 - a table
    assert matches(pattern, container()) is matched
    assert complaint(pattern) is None


def test_a_container_outside_compose_has_no_service_to_match() -> None:
    assert not matches("/", container(Config={"Labels": {}}))


@pytest.mark.parametrize("pattern", ["", " ", "name:web", "label:", "image:", "label:=x"])
def test_patterns_that_cannot_match_are_refused(pattern: str) -> None:
    assert "write" in (complaint(pattern) or "")


@pytest.mark.parametrize("value", ["false", "False", " no ", "0", "off"])
def test_a_label_switches_a_container_off(value: str) -> None:
    everything = Selection(("*",), ())
    assert everything.selects(container())
    assert not everything.selects(container(Config={"Labels": {"brimline.enable": value}}))
    assert everything.selects(container(Config={"Labels": {"brimline.enable": "true"}}))


def test_exclude_wins_over_include() -> None:
    assert Selection(("shop/*",), ()).selects(container())
    assert not Selection(("shop/*",), ("image:acme/*",)).selects(container())
    assert not Selection(("db-*",), ()).selects(container())
    assert not Selection((), ()).selects(container())


def test_a_declared_limit() -> None:
    assert declared_limit(container()) is None
    assert declared_limit(container(Config={"Labels": {"brimline.limit": " 6GiB "}})) == 6 << 30
    with pytest.raises(UnitError, match='write "6GiB"'):
        declared_limit(container(Config={"Labels": {"brimline.limit": "6g"}}))


def test_a_new_name_keeps_the_incarnation() -> None:
    before = container()
    after = renamed(before, "new")
    assert after.subject.labels == ("new", "shop", "whisper")
    assert after.subject.uid == before.subject.uid


def test_what_decides_how_it_may_be_restarted() -> None:
    found = container(
        state={"FinishedAt": "2026-11-21T07:31:14Z"},
        HostConfig={
            "Runtime": "runc",
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
            "AutoRemove": True,
            "NetworkMode": "shop_default",
            "Memory": 256 << 20,
        },
        Config={"Image": "acme/whisper:3", "StopTimeout": 120},
        NetworkSettings={
            "Ports": {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8000"}, {"HostIp": "::", "HostPort": "8000"}]},  # noqa: S104 - as Docker writes it
            "Networks": {
                "shop_default": {
                    "IPAddress": "172.18.0.3",
                    "GlobalIPv6Address": "",
                    "Aliases": ["whisper", "d635209f"],
                },
                "other": {"IPAddress": "172.19.0.9", "GlobalIPv6Address": "fd00::9", "Aliases": None},
            },
        },
    )
    assert found.finished == 1795246274.0
    assert (found.restart_policy, found.auto_remove, found.network_mode) == ("unless-stopped", True, "shop_default")
    assert (found.stop_timeout, found.limit, found.ports) == (120, 256 << 20, (8000,))
    assert found.addresses == ("172.18.0.3", "172.19.0.9", "fd00::9")
    assert found.aliases == ("whisper", "d635209f")

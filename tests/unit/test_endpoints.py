"""Where our own connections lead, as the configuration and the environment tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from brimline.config import Config
from brimline.endpoints import ALERTMANAGER, PROXY, leans_on, resolved
from brimline.policy.guarded import Endpoint, Guarded

ID = "ab" * 32


def config(procfs: Path, **docker: str) -> Config:
    """Return a configuration with two Alertmanagers, in a /proc of our own."""
    return Config.model_validate(
        {
            "path": {"procfs": str(procfs)},
            "sources": {"docker": docker},
            "notify": {"alertmanagers": ["http://am:9093", "https://am.example/prefix"]},
        }
    )


def test_alertmanagers_and_proxies_are_named_with_their_ports(tmp_path: Path) -> None:
    made = config(tmp_path, host="tcp://reads:2375", action_host="tcp://acts")
    assert leans_on(made, {"DOCKER_HOST": "http://third:81"}) == Guarded(
        frozenset(),
        (
            Endpoint(ALERTMANAGER, "am", 9093),
            Endpoint(ALERTMANAGER, "am.example", 443),
            Endpoint(PROXY, "reads", 2375),
            Endpoint(PROXY, "acts", 2375),
            Endpoint(PROXY, "third", 81),
        ),
    )


def test_a_socket_is_no_container(tmp_path: Path) -> None:
    found = leans_on(config(tmp_path, host="unix:///var/run/docker.sock"), {})
    assert {end.what for end in found.endpoints} == {ALERTMANAGER}


def test_our_own_id_is_read_of_proc(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(f"0::/docker/{ID}\n")
    assert leans_on(config(tmp_path), {}).own_ids == {ID}


def test_names_are_looked_up_and_those_that_lead_nowhere_have_no_address() -> None:
    both = Guarded(endpoints=(Endpoint(PROXY, "localhost", 2375), Endpoint(PROXY, "nowhere.invalid", 2375)))
    here, nowhere = resolved(both).endpoints
    assert set(here.addresses) & {"127.0.0.1", "::1"}
    assert nowhere.addresses == ()


@pytest.mark.parametrize("host", ["alert..manager", "a" * 70])
def test_a_name_that_is_none_leads_nowhere(host: str) -> None:
    (nowhere,) = resolved(Guarded(endpoints=(Endpoint(ALERTMANAGER, host, 9093),))).endpoints
    assert nowhere.addresses == ()


def test_an_engine_at_a_port_that_is_none_is_left_to_whoever_connects(tmp_path: Path) -> None:
    found = leans_on(config(tmp_path, host="tcp://engine:99999"), {}).endpoints
    assert [end for end in found if end.what == PROXY] == []

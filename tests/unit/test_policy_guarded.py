"""Who Brimline itself leans on is never acted upon."""

from __future__ import annotations

import pytest

from brimline.policy.guarded import Endpoint, Guarded, own_ids
from fakes import container, described

ID = "d635209fcc27402ace952be897655cd940e9391d496416c3c5138935ac019684"
ALERTMANAGER = Endpoint("Alertmanager", "alertmanager", 9093, ("172.18.0.4",))
MONITORING = container("shop-am-1", f"{ID}@1", labels=("shop", "alertmanager"))


def reason(end: Endpoint, **more: object) -> str | None:
    return Guarded(endpoints=(end,)).reason(described(MONITORING, **more))


def test_a_name_in_the_url_is_the_service_the_container_or_an_alias() -> None:
    assert reason(ALERTMANAGER) == "it is Alertmanager (alertmanager)"
    assert reason(Endpoint("Alertmanager", "shop-am-1", 9093))
    assert reason(Endpoint("Alertmanager", "am", 9093), aliases=("am",))
    assert reason(Endpoint("Alertmanager", ID[:12], 9093))
    assert reason(Endpoint("Alertmanager", "other", 9093)) is None


def test_a_name_that_resolves_to_its_address() -> None:
    end = Endpoint("the Docker socket proxy", "docker-proxy.internal", 2375, ("172.18.0.4",))
    assert reason(end, addresses=("172.18.0.4",)) == "it is the Docker socket proxy (docker-proxy.internal)"
    assert reason(end, addresses=("172.18.0.5",)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "host.docker.internal"])
def test_a_port_of_this_host_that_leads_to_it(host: str) -> None:
    assert reason(Endpoint("Alertmanager", host, 9093), ports=(9093,))
    assert reason(Endpoint("Alertmanager", host, 9093), ports=(80,)) is None


def test_the_same_port_of_another_host_is_somebody_else() -> None:
    assert reason(Endpoint("Alertmanager", "10.0.0.9", 9093), ports=(9093,)) is None


def test_a_service_of_that_name_in_no_project_has_no_such_name() -> None:
    alone = described(container("am", "b" * 64 + "@1", labels=("", "alertmanager")))
    assert Guarded(endpoints=(ALERTMANAGER,)).reason(alone) is None


def test_ourselves() -> None:
    guarded = Guarded(own_ids=frozenset({ID}))
    assert guarded.reason(described(MONITORING)) == "this is Brimline itself"
    other = container("x", "c@1")
    everyone = {MONITORING: described(MONITORING), other: described(other)}
    assert guarded.reasons(everyone) == {MONITORING: "this is Brimline itself"}


def test_our_own_id_stands_in_the_cgroup_or_where_the_name_space_hides_it_in_our_mounts() -> None:
    assert own_ids(f"4:memory:/docker/{ID}\n", "") == {ID}
    mounts = (
        "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
        f"5 2 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        f"6 2 8:1 /var/lib/docker/containers/{'e' * 64}/x /mnt/somebody rw - ext4 /dev/sda1 rw\n"
    )
    assert own_ids("0::/\n", mounts) == {ID}
    assert own_ids("0::/user.slice\n", "") == frozenset()

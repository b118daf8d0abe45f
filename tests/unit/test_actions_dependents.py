from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.actions.containers import Listing
from brimline.actions.dependents import followers, restarts_with


def listing(
    name: str, *, depends: str = "", network: str = "none", running: bool = True, project: str = "shop", **more: str
) -> Listing:
    labels: Mapping[str, str] = {
        "com.docker.compose.project": project,
        "com.docker.compose.service": name,
        "com.docker.compose.depends_on": depends,
        **more,
    }
    return Listing(f"id-{name}", name, labels, network, running)


def names(first: Listing, *others: Listing) -> list[str]:
    return [one.name for one in followers(first.id, [*others, first])]


@pytest.mark.parametrize(
    ("label", "services"),
    [
        ("", set()),
        ("db:service_started:true", {"db"}),
        ("db:service_healthy:false", set()),
        ("db:service_healthy:true,cache:service_started:false,queue:service_started:true", {"db", "queue"}),
        ("db", set()),  # Compose before 2.17 wrote less, and knew no `restart`
        ("db:service_started", set()),
        ("db:service_started:true:more", set()),
    ],
)
def test_the_label_tells_whose_restart_to_follow(label: str, services: set[str]) -> None:
    assert restarts_with(label) == services


@given(st.text())
def test_no_label_breaks_it(label: str) -> None:
    assert all(":" not in service for service in restarts_with(label))


def test_services_that_ask_for_it_follow() -> None:
    db = listing("db")
    assert names(db, listing("web", depends="db:service_started:true")) == ["web"]
    assert names(db, listing("web", depends="db:service_started:false")) == []
    assert names(db, listing("web", depends="db:service_started:true", project="other")) == []
    assert names(db, listing("web", depends="db:service_started:true", running=False)) == []


def test_a_container_of_no_project_has_no_dependents_by_label() -> None:
    alone = Listing("id-db", "db", {}, "none", running=True)
    assert names(alone, listing("web", depends="db:service_started:true", project="")) == []


@pytest.mark.parametrize("network", ["container:id-vpn", "container:vpn", "container:id-v"])
def test_guests_of_its_network_follow(network: str) -> None:
    assert names(listing("vpn"), listing("client", network=network)) == ["client"]


@pytest.mark.parametrize("network", ["container:", "container:other", "bridge", "vpn"])
def test_guests_of_other_networks_do_not(network: str) -> None:
    assert names(listing("vpn"), listing("client", network=network)) == []


def test_dependents_of_dependents_follow_once_each_in_order() -> None:
    db = listing("db", depends="edge:service_started:true")  # a circle
    web = listing("web", depends="db:service_started:true")
    edge = listing("edge", depends="web:service_started:true,db:service_started:true")
    guest = listing("guest", network="container:web")
    assert names(db, guest, web, edge) == ["web", "edge", "guest"]


def test_an_unknown_container_has_none() -> None:
    assert followers("id-gone", [listing("web", depends="db:service_started:true")]) == []

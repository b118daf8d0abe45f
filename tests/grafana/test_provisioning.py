"""What Grafana is started with fits Compose, Prometheus' configuration and the dashboards."""

from __future__ import annotations

from typing import Any

import yaml

from grafana.boards import ROOT


def read(*parts: str) -> Any:  # noqa: ANN401 (YAML)
    return yaml.safe_load(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


def test_the_sources_are_the_services_of_compose() -> None:
    found = read("grafana", "provisioning", "datasources", "brimline.yml")
    services = read("docker-compose.yml")["services"]
    assert found["apiVersion"] == 1
    places = [source["url"].removeprefix("http://").partition(":") for source in found["datasources"]]
    assert [(place[0], place[2]) for place in places] == [("prometheus", "9090"), ("alertmanager", "9093")]
    assert {place[0] for place in places} <= services.keys()
    assert [source["type"] for source in found["datasources"] if source.get("isDefault")] == ["prometheus"]


def test_rates_reach_over_four_scrapes() -> None:
    found = read("grafana", "provisioning", "datasources", "brimline.yml")
    prometheus = next(source for source in found["datasources"] if source["type"] == "prometheus")
    assert prometheus["jsonData"]["timeInterval"] == read("prometheus", "prometheus.yml")["global"]["scrape_interval"]


def test_grafana_finds_the_dashboards_where_compose_puts_them() -> None:
    (provider,) = read("grafana", "provisioning", "dashboards", "brimline.yml")["providers"]
    volumes = read("docker-compose.yml")["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in volumes
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in volumes
    assert {file.suffix for file in ROOT.joinpath("grafana", "dashboards").iterdir()} == {".json"}

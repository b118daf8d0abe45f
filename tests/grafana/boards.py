"""The committed dashboards as the tests read them: panels, queries, variables; and their queries for Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)?\{([^{}]*)\}(\[[^\]]*\])?")


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    name: str
    model: Mapping[str, Any]

    @property
    def panels(self) -> list[Mapping[str, Any]]:
        """Return its panels, without the headings."""
        return [panel for panel in self.model["panels"] if panel["type"] != "row"]

    @property
    def variables(self) -> Mapping[str, Mapping[str, Any]]:
        return {variable["name"]: variable for variable in self.model["templating"]["list"]}

    @property
    def marks(self) -> list[Mapping[str, Any]]:
        """Return the annotations that ask Prometheus."""
        return [one for one in self.model["annotations"]["list"] if one["datasource"]["type"] == "prometheus"]

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Return every expression and where it stands."""
        for panel in self.panels:
            for target in panel["targets"]:
                yield f"{self.name}: {panel['title']} {target['refId']}", target["expr"]
        for mark in self.marks:
            yield f"{self.name}: {mark['name']}", mark["target"]["expr"]


BOARDS = [Board(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in FILES]


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables replaced, as Grafana does before it asks."""
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)


def metrics(text: str) -> set[str]:
    """Return the metrics that an expression selects; a pattern of names stands for all of its names."""
    found: set[str] = set()
    for name, labels, _ in SELECTOR.findall(text):
        pattern = re.search(r'__name__=~"([^"]*)"', labels)
        found |= {name} if name else spelt(pattern[1] if pattern else "")
    return found


def spelt(pattern: str) -> set[str]:
    """Return the names that `a_(b|c)_d` stands for."""
    head, _, rest = pattern.partition("(")
    choice, _, tail = rest.partition(")")
    return {f"{head}{one}{tail}" for one in choice.split("|")}

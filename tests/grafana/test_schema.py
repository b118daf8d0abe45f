"""The dashboards are of Grafana's own types."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from grafana import schema
from grafana.boards import BOARDS, ROOT, Board
from real.places import MissingPartError


def mistakes(boards: list[Board], folder: Path) -> list[str]:
    try:
        return schema.mistakes(boards, folder)
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_each_dashboard_is_of_grafanas_types(tmp_path: Path) -> None:
    assert mistakes(BOARDS, tmp_path) == []


def test_a_wrong_word_a_wrong_type_and_an_unknown_key_are_noticed(tmp_path: Path) -> None:
    board = next(board for board in BOARDS if board.name == "overview")
    model: dict[str, Any] = copy.deepcopy(dict(board.model))
    model["refresh"] = 30
    tile = next(panel for panel in model["panels"] if panel["type"] == "stat")
    tile["fieldConfig"]["defaults"]["thresholds"]["mode"] = "relative"
    tile["options"]["textMod"] = "auto"
    found = "\n".join(mistakes([Board("wrong", model)], tmp_path))
    assert "'\"relative\"' is not assignable" in found
    assert "'number' is not assignable" in found
    assert "textMod" in found


def test_the_types_are_those_of_the_grafana_that_compose_starts() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"grafana/grafana:{schema.SCHEMA.rpartition('@')[2]}\n" in compose

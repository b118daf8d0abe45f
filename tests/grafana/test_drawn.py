"""Each dashboard is drawn from what a real Prometheus answers; the pictures stand in .cache/dashboards."""

from __future__ import annotations

import pytest

from grafana.boards import BOARDS, Board
from grafana.drawing import draw
from grafana.stage import Stage
from real.places import CACHE


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_each_dashboard_is_drawn(board: Board, stage: Stage) -> None:
    file = CACHE / "dashboards" / f"{board.name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(board, stage.ask, (stage.began, stage.ended), file)
    assert file.stat().st_size > 20_000

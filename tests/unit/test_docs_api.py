"""docs/api.md lists every operation with its parameters, and names every kind of error there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from brimline.config import Config
from brimline.web import envelope
from brimline.web.api import events
from brimline.web.api.fields import Condition
from brimline.web.api.operations import HEALTH, OPERATIONS

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def table() -> str:
    lines = ["| path | parameters | answers with |", "|---|---|---|"]
    for operation in (*OPERATIONS, HEALTH):
        parameters = ", ".join(f"`{name}`" for name in operation.query.model_fields)
        lines.append(f"| `{operation.method} {operation.path}` | {parameters} | {operation.summary} |")
    return "\n".join(lines) + "\n"


def test_the_table_is_what_the_code_says(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- operations -->\n")
    found, _, after = rest.partition("<!-- end -->")
    if request.config.getoption("--regenerate-goldens"):
        PAGE.write_text(f"{before}<!-- operations -->\n{table()}<!-- end -->{after}", encoding="utf-8")
    else:
        assert found == table()


def test_every_kind_of_error_and_every_condition_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = {*envelope.ErrorType, *Condition} - {envelope.ErrorType.INTERNAL}
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_bounds_of_events_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"every {events.HEARTBEAT:.0f} s" in text
    assert f"At most {events.STREAMS} streams" in text
    assert events.LIFETIME == 3600


def test_orders_are_off_by_default() -> None:
    assert not Config().web.enable_actions

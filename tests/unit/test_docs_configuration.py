"""docs/configuration.md lists every key with its flag, variable and default as the code has them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from brimline.config import Config, SourcesConfig
from brimline.leaves import Form, leaves
from brimline.loading import load
from brimline.sources.groups import GroupOptions

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def written(value: object) -> str:
    if value is None:
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def keys() -> str:
    lines = ["| key, flag, variable | default | meaning |", "|---|---|---|"]
    for leaf in leaves(Config):
        value: object = Config().model_dump()
        for part in leaf.path:
            value = value[part]  # type: ignore[index] # the way is the model's own
        names = [leaf.name] if leaf.form is Form.BLOCK else [leaf.name, leaf.flag, leaf.variable]
        lines.append(f"| {'<br>'.join(f'`{name}`' for name in names)} | {written(value)} | {leaf.text} |")
    return "\n".join(lines) + "\n"


def fields(model: type[BaseModel]) -> str:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else written(info.default)
        lines.append(f"| `{name}` | {default} | {' '.join((info.description or '').split())} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("mark", "table"), [("keys", keys()), ("groups", fields(GroupOptions))])
def test_the_table_is_what_the_code_says(mark: str, table: str, request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(f"<!-- {mark} -->\n")
    found, _, after = rest.partition("<!-- end -->")
    if request.config.getoption("--regenerate-goldens"):
        PAGE.write_text(f"{before}<!-- {mark} -->\n{table}<!-- end -->{after}", encoding="utf-8")
    else:
        assert found == table


def test_the_example_is_a_configuration() -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example) == 1
    assert load({"config.file": "example"}, {}, lambda _: example[0]).config.sources != SourcesConfig()


def test_every_flag_on_the_page_exists() -> None:
    known = {leaf.flag for leaf in leaves(Config)} | {"--config.file", "--effective", "--no-compat.cadvisor"}
    named = set(re.findall(r"--[a-z][a-z.-]*[a-z]", PAGE.read_text(encoding="utf-8"))) - {"--regenerate-goldens"}
    assert named <= known

"""docs/architecture.md and the code say the same: the layers, the order of the sources, every file and name."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from typing import Any

import pytest

from brimline.sources.registry import BUILDERS
from docs.pages import PAGES, ROOT, Page, page

ARCHITECTURE = page("docs/architecture.md")
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
LAYERED = {contract["containers"][0]: contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"}
PLACES = (ROOT, ROOT / "exporter/brimline", ROOT / "docs")
each_page = pytest.mark.parametrize("found", PAGES, ids=[page.name for page in PAGES])


def layer(text: str) -> frozenset[str]:
    """Return the modules of one layer; a `(name)` may be missing, and a contract alone says so."""
    return frozenset(name.strip().strip("()") for name in text.split("|"))


def drawn(container: str) -> list[frozenset[str]]:
    block = re.search(rf"<!-- layers: {re.escape(container)} -->\n```\n(.*?)\n```", ARCHITECTURE.text, re.DOTALL)
    assert block is not None
    return [layer(re.split(r"\s{2,}", line)[0]) for line in block[1].splitlines()]


def marked(name: str) -> list[str]:
    block = re.search(rf"<!-- {name} -->(.*?)<!-- end -->", ARCHITECTURE.text, re.DOTALL)
    assert block is not None
    return re.findall(r"`([\w.]+)`", block[1])


def test_there_is_a_picture_for_each_contract_of_layers() -> None:
    assert set(re.findall(r"<!-- layers: ([\w.]+) -->", ARCHITECTURE.text)) == set(LAYERED)


@pytest.mark.parametrize("container", LAYERED)
def test_the_picture_shows_the_layers_that_are_enforced(container: str) -> None:
    assert drawn(container) == [layer(text) for text in LAYERED[container]]


@pytest.mark.parametrize("container", LAYERED)
def test_a_module_that_is_drawn_exists_or_is_said_to_be_missing(container: str) -> None:
    directory = ROOT / "exporter" / container.replace(".", "/")
    missing = {
        name
        for names in drawn(container)
        for name in names
        if not (directory / f"{name}.py").exists() and not (directory / name / "__init__.py").exists()
    }
    assert missing == {name for name in missing if f"`{name}` does not exist yet" in ARCHITECTURE.text}


def test_the_sources_are_named_in_the_order_of_a_tick() -> None:
    assert marked("sources") == list(BUILDERS)


def test_the_pure_modules_are_those_of_the_contract() -> None:
    pure = next(contract for contract in CONTRACTS if contract["type"] == "forbidden")
    assert {f"brimline.{name}" for name in marked("pure")} == set(pure["source_modules"])


@each_page
def test_every_name_in_a_file_exists(found: Page) -> None:
    for span in found.spans:
        file, colon, name = span.partition(":")
        if not colon or not re.fullmatch(r"[\w/]+\.py", file) or not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            continue
        thing: object = import_module(
            f"brimline.{file.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
        )
        for part in name.split("."):
            thing = getattr(thing, part)


@each_page
def test_every_file_that_is_named_exists(found: Page) -> None:
    ends = r"py|toml|txt|md|sh|c"
    named = {
        m[1] for span in found.spans if (m := re.fullmatch(rf"(?:python )?([\w/-]+\.(?:{ends}))(?::[\w.]+)?", span))
    }
    named -= {"exporter/brimline/sources/NAME.py", "exporter/brimline/actions/NAME.py"}
    assert {name for name in named if not any((place / name).exists() for place in PLACES)} == set()


def test_the_walk_goes_from_the_kernels_file_to_the_page() -> None:
    walk = ARCHITECTURE.text.partition("## One number")[2].partition("\n## ")[0]
    steps = re.findall(r"^(\d)\. ", walk, re.MULTILINE)
    assert steps == [str(n) for n in range(1, len(steps) + 1)]
    assert all("`" in step for step in re.split(r"^\d\. ", walk, flags=re.MULTILINE)[1:])
    assert walk.index("OpenCgroup.fetch") < walk.index("CgroupV2.parse") < walk.index("Renderer.render")

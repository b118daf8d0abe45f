"""What a reader of the front page may ask for, with or without a script."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.model import Phase
from brimline.web.page.gathered import Gathered
from brimline.web.page.query import ORDERS, Query
from brimline.web.page.table import table
from unit.cli_views import alert, container
from unit.page_scenes import Scenery


def scenery() -> Gathered:
    a, b, c = container("Alpha", "shop", "api"), container("beta", "lab", "web"), container("gamma", "shop", "db")
    found = Scenery().add(a, 0.5, restarts_total=1, memory_time_to_limit_seconds=900)
    found.add(b, 0.9, restarts_total=0).add(c, 0.7, restarts_total=7, memory_time_to_limit_seconds=60)
    found.alerts.append(alert(a, "Leaking", phase=Phase.FIRING))
    return Gathered(found.view(), found.past)


def order(query: Query) -> list[str]:
    return [line.subject.name for line in query.choose(scenery())]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("state", ["beta", "Alpha", "gamma"]),  # of two that are normal, the one that has an alert
        ("name", ["Alpha", "beta", "gamma"]),
        ("used", ["beta", "gamma", "Alpha"]),
        ("left", ["gamma", "Alpha", "beta"]),
        ("restarts", ["gamma", "Alpha", "beta"]),
    ],
)
def test_each_order_and_its_reverse(sort: str, names: list[str]) -> None:
    assert order(Query.read("", sort, everything=False)) == names
    assert order(Query.read("", f"-{sort}", everything=False)) == names[::-1]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("shop", ["Alpha", "gamma"]),
        ("SHOP ALPHA", ["Alpha"]),
        ("critical", ["beta"]),
        ("leaking", ["Alpha"]),
        ("container", ["beta", "Alpha", "gamma"]),
        ("shop beta", []),
        ("  ", ["beta", "Alpha", "gamma"]),
    ],
)
def test_every_word_must_be_found_somewhere(words: str, names: list[str]) -> None:
    assert order(Query.read(words, "state", everything=False)) == names


@pytest.mark.parametrize("sort", ["", "-", "colour", "--name", "state'"])
def test_an_order_that_is_not_known_is_the_usual_one(sort: str) -> None:
    assert Query.read("", sort, everything=False) == Query()


@pytest.mark.parametrize("sort", ORDERS)
def test_a_heading_says_how_the_table_is_sorted_and_turns_it(sort: str) -> None:
    there, back = Query(sort=sort), Query(sort=sort, backwards=True)
    directions = {query.direction(sort).partition('"')[2].rstrip('"') for query in (there, back)}
    assert directions == {"ascending", "descending"}
    assert there.turned(sort) == f"-{sort}"
    assert back.turned(sort) == sort
    drawn = table(scenery(), back, "")
    assert drawn.count("aria-sort") == 1
    assert f'name="sort" value="{sort}" id="by-{sort}"' in drawn


@given(st.text(max_size=300), st.sampled_from([*ORDERS, "-used"]), st.booleans())
def test_an_address_asks_for_the_same_again(words: str, sort: str, everything: bool) -> None:  # noqa: FBT001 - drawn
    words = words.encode("utf-8", "replace").decode()
    query = Query.read(words, sort, everything=everything)
    asked = parse_qs(urlsplit(query.address().replace("&amp;", "&").replace("&#x27;", "'")).query)
    again = Query.read(
        asked.get("q", [""])[0], asked.get("sort", ["state"])[0], everything=asked.get("all", [""])[0] == "1"
    )
    assert again == query
    assert len(query.words) <= 200


def test_a_search_is_no_longer_than_its_field() -> None:
    assert len(Query.read("x" * 300, "state", everything=False).words) == 200

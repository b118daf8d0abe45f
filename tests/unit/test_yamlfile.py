"""YAML as plain data with positions: nothing is converted, everything has a place, and no input crashes the reader."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from brimline import yamlfile
from brimline.errors import ConfigError


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        yamlfile.parse(text, "f.yml")
    return [str(problem) for problem in error.value.problems]


def test_scalars_stay_as_written() -> None:
    data = yamlfile.parse("on: 1:30\nyes: off\nn: 1e3\nx: 010\nd: 2024-01-01\n", "f.yml").data
    assert data == {"on": "1:30", "yes": "off", "n": "1e3", "x": "010", "d": "2024-01-01"}


def test_nothing_is_none_unless_quoted() -> None:
    assert yamlfile.parse('a:\nb: ~\nc: null\nd: "null"\ne: ""\n', "f.yml").data == {
        "a": None,
        "b": None,
        "c": None,
        "d": "null",
        "e": "",
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_holds_nothing(text: str) -> None:
    assert yamlfile.parse(text, "f.yml").data is None


def test_keys_and_values_have_positions() -> None:
    document = yamlfile.parse("a: 1\nsources:\n  docker: {host: é, include: [x, y]}\n", "f.yml")
    assert document.where(("a",), key=True) == "f.yml:1:1"
    assert document.where(("a",)) == "f.yml:1:4"
    assert document.where(("sources", "docker", "host"), key=True) == "f.yml:3:12"
    assert document.where(("sources", "docker", "include", 1)) == "f.yml:3:34"


def test_a_place_that_was_not_written_is_its_parents() -> None:
    document = yamlfile.parse("a:\n  b: 1\n", "f.yml")
    assert document.where(("a", "c", 3)) == "f.yml:2:3"
    assert document.where(("x",)) == "f.yml:1:1"


def test_every_repeated_key_is_reported() -> None:
    assert refused("a: 1\nb: {c: 1, c: 2}\na: {d: 1, d: 2}\na: {d: 3}\n") == [
        'f.yml:2:11: "c" is written twice, first in line 2; remove one',
        'f.yml:3:1: "a" is written twice, first in line 1; remove one',
        'f.yml:3:11: "d" is written twice, first in line 3; remove one',
        'f.yml:4:1: "a" is written twice, first in line 1; remove one',
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [*]", 'f.yml:1:5: "*" starts an alias in YAML; put a pattern in quotes, as "*"'),
        ("a: *.service", 'f.yml:1:4: "*" starts an alias in YAML; put a pattern in quotes, as "*"'),
        ("a: *x", 'f.yml:1:4: "*x" is an alias; write the value out, or put a pattern in quotes'),
        ("a: &x 1", 'f.yml:1:4: "&x" is an anchor; write the value out, or put a text in quotes'),
        ("a: !x 1", 'f.yml:1:4: "!x" is a tag; remove it, or put a pattern in quotes, as "!x"'),
        ("a: [!ssh*]", 'f.yml:1:5: "!" starts a tag in YAML; put a pattern in quotes, as "!name"'),
        ("a: !!binary x", 'f.yml:1:4: "!!binary" is a tag; remove it, or put a pattern in quotes, as "!!binary"'),
        ("a: {<<: {b: 1}}", 'f.yml:1:5: "<<" merges mappings; write the keys out'),
        ("a:\n\t- x", "f.yml:2:1: a tab; indent with spaces"),
        ("a: b: c", 'f.yml:1:5: a second ":" in one entry; put a text that holds ": " in quotes'),
        ("a: [1\nb: 2", 'f.yml:1:4: this list is not closed; write "]" at its end'),
        ("a: [1,", 'f.yml:2:1: a value is missing here, or a "[" or "{" above is not closed'),
        ("a: {b: 1", 'f.yml:1:4: this mapping is not closed; write "}" at its end'),
        ('a: "x', "f.yml:1:4: this quote is not closed; write it again at the end of the text"),
        ("a:\n  b: c\n d: e", "f.yml:3:2: this line is indented like nothing above it; align it with its neighbours"),
        ("a: b\nc\nd: e", 'f.yml:3:1: a key without ":"; write "key: value"'),
        ("- a\nb: 1", 'f.yml:2:1: a list ends here without its indentation; start each entry with "- "'),
        ("a: @x", 'f.yml:1:4: no value may start with "@"; put it in quotes'),
        ("a: \x07", "f.yml:1:4: character U+0007 is not allowed in YAML; remove it"),
        ("a: \ud800", "f.yml:1:4: character U+D800 is not allowed in YAML; remove it"),
        ("a: 1\n---\nb: 1", 'f.yml:2:1: a second document; write one, without "---" in between'),
        ("? [a]\n: b", "f.yml:1:3: a list or a mapping as a key; write a text"),
    ],
)
def test_mistakes_are_sentences(text: str, sentence: str) -> None:
    assert refused(text) == [sentence]


def laughs() -> str:
    """Every line holds the one above nine times: nine lines make 3 GB."""
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, "f.yml:1:33: nested deeper than 32 levels; flatten it"),
        ("{a: " * 100_000, "f.yml:1:129: nested deeper than 32 levels; flatten it"),
        ("- " * 100_000, "f.yml:1:65: nested deeper than 32 levels; flatten it"),
        ("\n".join("  " * n + "a:" for n in range(500)), "f.yml:33:65: nested deeper than 32 levels; flatten it"),
        (laughs(), 'f.yml:1:5: "&a0" is an anchor; write the value out, or put a text in quotes'),
        ("x" * (1 << 20) + "x", "f.yml:1:1: longer than 1048576 characters; split the file"),
        ("[" + "a," * 400_000 + "]", "f.yml:1:200000: more than 100000 keys and values; split the file"),
    ],
    ids=["lists", "flow", "dashes", "blocks", "laughs", "size", "count"],
)
def test_bombs_are_refused_in_a_sentence_and_soon(text: str, sentence: str) -> None:
    began = time.process_time()
    assert refused(text) == [sentence]
    assert time.process_time() - began < 5


SCALARS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SCALARS, inner, max_size=4))


@given(DATA)
def test_what_is_written_quoted_is_read_back(data: object) -> None:
    merged = yaml.safe_dump(data, default_style='"', allow_unicode=True).replace('!!null "null"', '""')
    if '"<<"' in merged:
        return
    assert yamlfile.parse(merged, "f.yml").data == data


@given(st.text(alphabet=st.sampled_from("ab:-[]{}*&!|>%@'\"#?,~ \t\n\r\x85\u2028\x0b<\ud800é"), max_size=60))
@example("a\u2028*b")
@example("x\x0b\n: *b")
def test_any_text_is_data_or_problems_with_a_place(text: str) -> None:
    try:
        document = yamlfile.parse(text, "f.yml")
    except ConfigError as error:
        lines = max(text.count("\n"), len(text.splitlines())) + 2
        for problem in error.problems:
            line, column = map(int, problem.where.removeprefix("f.yml:").split(":"))
            assert 1 <= line <= lines
            assert column >= 1
            assert "\n" not in problem.message
    else:
        assert document.data is None or isinstance(document.data, str | list | dict)

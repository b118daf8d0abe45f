"""Warnings: what can never fire, what restarts at once, what is said twice; and silence where nothing is doubtful."""

from __future__ import annotations

import pytest

from brimline.rules.lint import lint
from unit.rule_texts import file_of, rules_of


def warned(*texts: str) -> list[str]:
    return [f"{problem.where}: {problem.message}" for problem in lint(rules_of(*texts))]


def of(text: str) -> list[str]:
    return [message.partition('rule "X": ')[2] for message in warned(file_of(text))]


@pytest.mark.parametrize(
    ("on", "when", "expected"),
    [
        ("container", "[processes > 5, processes < 3]", '"processes > 5" and "processes < 3" exclude each other'),
        ("container", "[processes > 5, processes == 5]", "exclude each other"),
        ("container", "memory_used_bytes < 0B", "the measure is never below 0B"),
        (
            "host",
            "memory_used_ratio > 100%",
            '"memory_used_ratio > 100%", and the measure is never below 0% or above 100%',
        ),
        ("cgroup", "max(memory_pressure_full_ratio, 1m) >= 120%", "never below 0% or above 100%"),
        ("container", "avg(healthy, 1m) > 1", "never below 0 or above 1"),
    ],
)
def test_a_rule_that_can_never_fire(on: str, when: str, expected: str) -> None:
    [warning] = of(f"on: {on}\nwhen: {when}\n")
    assert warning.startswith("it can never fire: ")
    assert expected in warning


def test_an_alternative_that_can_never_hold() -> None:
    text = "on: container\nany: [processes > 5, [memory_used_ratio > 90%, memory_used_ratio < 80%]]\n"
    assert of(text) == [
        'one alternative can never hold: "memory_used_ratio > 90%" and "memory_used_ratio < 80%" exclude each other'
    ]


@pytest.mark.parametrize(
    "text",
    [
        "on: container\nwhen: memory_used_ratio > 120%\n",  # of a declared limit
        "on: process\nwhen: memory_used_ratio > 100%\n",  # of the group's own
        "on: container\nwhen: [processes > 3, processes < 5]\n",
        "on: container\nwhen: [memory_used_ratio > 90%, 'max(memory_used_ratio, 5m) < 80%']\n",
        "on: container\nwhen: [memory_used_ratio > restart_at, memory_used_ratio < 50%]\n",
        "on: container\nwhen: healthy == 0\n",
        "on: container\nwhen: memory_used_ratio > 85%\ndo: [notify]\n",
        "on: container\nwhere: {compose_project: '', container: 'a*'}\nwhen: memory_used_ratio > 85%\n",
        "on: container\nwhere: {compose_project: '!'}\nwhen: memory_used_ratio > 85%\n",
        "on: cgroup\nwhere: {cgroup: 'system.slice/*'}\nwhen: memory_used_ratio > 85%\n",
    ],
)
def test_nothing_is_doubtful(text: str) -> None:
    assert of(text) == []


def test_a_rule_that_always_fires() -> None:
    assert of("on: container\nwhen: processes >= 0\n") == [
        'it fires for whatever has the measure: "processes >= 0" always holds'
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("{container: ''}", "no container is empty"),
        ("{container: '!*'}", '"!*" excludes every container'),
        ("{container: 'shop/api'}", 'no container\'s name holds "/"; write compose_project and compose_service apart'),
        ("{container: 'my api*'}", 'no container\'s name holds " "'),
        ("{compose_project: '', compose_service: api}", "a compose_service has a compose_project"),
    ],
)
def test_a_selector_that_matches_nothing(where: str, expected: str) -> None:
    assert of(f"on: container\nwhere: {where}\nwhen: processes > 3\n") == [f'"where" matches nothing: {expected}']


def test_a_restart_without_for() -> None:
    text = "on: container\nwhen: memory_used_ratio > 85%\ndo: [notify, restart]\n"
    assert of(text) == ['it restarts at the first sample that meets it; write "for: 30s"']
    assert of(text + "for: 5s\n") == []


def test_a_counter_that_is_compared_as_it_is() -> None:
    [warning] = of("on: container\nwhen: restarts_total > 3\n")
    assert 'never resolves; write "increase(restarts_total, 10m) > 0"' in warning


def rule(name: str, *lines: str) -> str:
    text = "\n".join(("on: container", *lines)) + "\n"
    return file_of(text if "severity" in text else text + "severity: critical\n", name)


def test_a_rule_that_adds_nothing_to_another() -> None:
    wide, narrow = (
        rule("Wide", "when: memory_used_ratio > 85%", "do: [notify]"),
        rule("Narrow", "when: memory_used_ratio > 95%"),
    )
    expected = (
        'rule "Narrow": whenever it fires, "Wide" (%s:4) fires with the same severity; '
        'remove one, or tell them apart by "where" or "severity"'
    )
    assert warned(wide, narrow) == [f"r2.yml:4: {expected % 'r1.yml'}"]
    assert warned(narrow, wide) == [f"r1.yml:4: {expected % 'r2.yml'}"]


def test_of_two_rules_alike_the_later_one_adds_nothing() -> None:
    assert [
        w.partition(":")[0] for w in warned(rule("A", "when: processes > 3"), rule("B", "when: processes > 3.0"))
    ] == ["r2.yml"]


@pytest.mark.parametrize(
    "narrow",
    [
        ["when: memory_used_ratio > 95%", "severity: warning"],
        ["when: memory_used_ratio > 75%", "for: 1m"],
        ["when: memory_used_ratio > 95%", "for: 5s"],
        ["when: memory_used_ratio > 95%", "for: 1m", "do: [cleanup]"],
        ["when: memory_used_ratio > 95%", "for: 1m", "where: {container: 'bot-*'}"],
        ["when: memory_used_ratio > 95%", "for: 1m", "where: {container: bot}"],
        ["when: max(memory_used_ratio, 1m) > 95%", "for: 1m"],
        ["any: [memory_used_ratio > 95%, processes > 3]", "for: 1m"],
    ],
)  # fmt: skip
def test_rules_that_differ_in_something_that_matters(narrow: list[str]) -> None:
    wide = rule("Wide", "when: memory_used_ratio > 85%", "for: 30s", "where: {container: whisper}")
    assert warned(wide, rule("Narrow", *narrow)) == []


def test_a_list_adds_nothing_to_one_of_its_members() -> None:
    wide = rule("Wide", "any: [memory_used_ratio > 85%, processes > 100]")
    assert len(warned(wide, rule("Narrow", "when: [memory_used_ratio > 90%, memory_used_bytes > 1GiB]"))) == 1

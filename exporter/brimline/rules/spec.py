"""Rule files into one RuleSet: groups, levels, and what no two rules may share. Pure; all mistakes come at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from brimline.errors import ConfigError, Problem
from brimline.model import Kind
from brimline.rules import rule
from brimline.rules.shape import Page
from brimline.rules.terms import ALERT_AT, LEVELS, RESTART_AT, Levels, Names, Rule, RuleSet, Vocabulary
from brimline.units import parse_ratio, spell_ratio
from brimline.yamlfile import Path, parse

ACTIONS: Final[Mapping[str, frozenset[Kind]]] = MappingProxyType(
    {
        "notify": frozenset(Kind),
        "cleanup": frozenset({Kind.CONTAINER, Kind.PROCESS}),
        "recycle": frozenset({Kind.CONTAINER, Kind.PROCESS}),
        "restart": frozenset({Kind.CONTAINER}),
    }
)  # the closed set of what a rule may do, and to which kinds

_FILE_KEYS: Final = ("groups", "levels")
_GROUP_KEYS: Final = ("name", "rules")
_OF_PROMETHEUS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "interval": "every rule is judged at every tick, remove it",
        "limit": "there is none, remove it",
        "query_offset": "every rule judges what was just read, remove it",
    }
)


def load(text: str, name: str, vocabulary: Vocabulary, actions: Mapping[str, frozenset[Kind]] = ACTIONS) -> RuleSet:
    """Read one file; raises ConfigError with every mistake."""
    return load_all([(name, text)], vocabulary, actions)


def load_all(
    files: Iterable[tuple[str, str]], vocabulary: Vocabulary, actions: Mapping[str, frozenset[Kind]] = ACTIONS
) -> RuleSet:
    """Read files, each a name and its text, into one RuleSet; raises ConfigError with every mistake of all of them."""
    pages: list[Page] = []
    unread: dict[str, tuple[Problem, ...]] = {}
    for name, text in files:
        try:
            pages.append(Page(parse(text, name), text.splitlines()))
        except ConfigError as error:
            unread[name] = error.problems
    book = _Book(vocabulary, actions)
    for page in pages:
        book.read_levels(page)
    for page in pages:
        book.read_groups(page)
    found = {page.name: sorted(page.problems, key=_place) for page in pages} | unread
    problems = [problem for name, _ in files for problem in found[name]]
    if problems:
        raise ConfigError(problems)
    return RuleSet(tuple(book.rules), book.levels)


def _place(problem: Problem) -> tuple[int, int]:
    _, line, column = problem.where.rsplit(":", 2)
    return int(line), int(column)


@dataclass(slots=True)
class _Book:
    """What all files together say."""

    vocabulary: Vocabulary
    actions: Mapping[str, frozenset[Kind]]
    levels: Levels = field(default_factory=Levels)
    rules: list[Rule] = field(default_factory=list)
    _levels_stated: str = ""
    _alerts: dict[tuple[str, tuple[tuple[str, str], ...]], str] = field(default_factory=dict)

    def read_levels(self, page: Page) -> None:
        """Read the levels, which one file may state."""
        path: Path = ("levels",)
        if not isinstance(page.document.data, dict) or "levels" not in page.document.data:
            return
        place = page.document.where(path, key=True)
        if self._levels_stated:
            page.refuse(path, f'"levels" is stated in {self._levels_stated} already; remove one', key=True)
            return
        self._levels_stated = place.rpartition(":")[0]
        found = page.mapping(path, tuple(LEVELS))
        default = Levels()
        alert_at = _level(page, path, ALERT_AT, default.alert_at) if ALERT_AT in found else default.alert_at
        restart_at = _level(page, path, RESTART_AT, default.restart_at) if RESTART_AT in found else default.restart_at
        if alert_at > restart_at:
            stated = (*path, ALERT_AT) if ALERT_AT in found else (*path, RESTART_AT)
            below = f"{ALERT_AT} ({spell_ratio(alert_at)}) above {RESTART_AT} ({spell_ratio(restart_at)})"
            page.refuse(stated, f"{below}; write the alert's level below the restart's")
            return
        self.levels = Levels(alert_at, restart_at)

    def read_groups(self, page: Page) -> None:
        """Read the rules of one file."""
        if page.document.data is None:
            page.refuse((), 'an empty file; write "groups:" with a list of groups')
            return
        found = page.mapping((), _FILE_KEYS)
        if "groups" not in found:
            if found and "levels" not in found:
                page.refuse((), 'missing key "groups"; write "groups:" with a list of groups')
            return
        names: dict[str, str] = {}
        for path in page.items(("groups",), '"- name: ..."'):
            page.about = ""
            group = page.mapping(path, _GROUP_KEYS, _OF_PROMETHEUS)
            name = self._group_name(page, path, group, names)
            page.about = f'group "{name}": ' if name else ""
            if "rules" in group:
                for item in page.items((*path, "rules"), '"- alert: ..."'):
                    self._read_rule(page, item, name)
            elif group:
                page.refuse(path, 'missing key "rules"; write "rules:" with a list of rules')
        page.about = ""

    def _group_name(self, page: Page, path: Path, group: Mapping[str, object], names: dict[str, str]) -> str:
        if "name" not in group:
            if group:
                page.refuse(path, 'missing key "name"; write "name: inference-memory"')
            return ""
        here = (*path, "name")
        name = page.word(here, "inference-memory") or ""
        if name in names:
            page.refuse(here, f'the group "{name}" is written twice, first in line {names[name]}; join them')
        names.setdefault(name, page.document.where(here).rsplit(":", 2)[1])
        return name

    def _read_rule(self, page: Page, path: Path, group: str) -> None:
        before = len(page.problems)
        found = rule.read(page, path, group, Names(self.vocabulary, self.actions, self.levels))
        if found is None:
            return
        key = (found.alert, found.all_labels)
        if key in self._alerts:
            message = (
                f"the same name and labels as in {self._alerts[key]}; rename it, or give it another severity or label"
            )
            page.refuse((*path, "alert"), message)
            return
        self._alerts[key] = found.where
        if len(page.problems) == before:
            self.rules.append(found)


def _level(page: Page, path: Path, name: str, default: float) -> float:
    found = page.quantity((*path, name), parse_ratio, "85%")
    if found is not None and not 0 < found <= 1:
        page.refuse((*path, name), f"{name}: found {spell_ratio(found)}; write a level above 0% and at most 100%")
        return default
    return default if found is None else found

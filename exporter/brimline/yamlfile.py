"""YAML text into plain data with the position of every key and value; each scalar stays the text as written. Pure.

The data is built from the parser's event stream, never by its loader: depth, size, aliases, tags and repeated keys are
refused in a sentence before anything recursive or multiplying could run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, TypeAlias

import yaml

from brimline.errors import ConfigError, Problem

Data: TypeAlias = "dict[str, Data] | list[Data] | str | None"
Path: TypeAlias = tuple[str | int, ...]

LONGEST: Final = 1 << 20  # characters
DEEPEST: Final = 32  # levels; libyaml's own loader recurses once a level and crashes at 100,000
MOST: Final = 100_000  # keys, values and lists together

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What libyaml says, by a part of its sentence, and what to write instead. The first group is shown where its construct
# begins, the second where the parser stopped.
_UNFINISHED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "while scanning an alias": '"*" starts an alias in YAML; put a pattern in quotes, as "*"',
        "while scanning a tag": '"!" starts a tag in YAML; put a pattern in quotes, as "!name"',
        "while parsing a tag": '"!" starts a tag in YAML; put a pattern in quotes, as "!name"',
        "did not find expected ',' or ']'": 'this list is not closed; write "]" at its end',
        "did not find expected ',' or '}'": 'this mapping is not closed; write "}" at its end',
        "found unexpected end of stream": "this quote is not closed; write it again at the end of the text",
    }
)
_UNEXPECTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mapping values are not allowed": 'a second ":" in one entry; put a text that holds ": " in quotes',
        "did not find expected '-' indicator": 'a list ends here without its indentation; start each entry with "- "',
        "did not find expected key": "this line is indented like nothing above it; align it with its neighbours",
        "did not find expected node content": 'a value is missing here, or a "[" or "{" above is not closed',
        "could not find expected ':'": 'a key without ":"; write "key: value"',
    }
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `data` holds dicts, lists, texts and None only; positions are (line, column) from 1."""

    name: str
    data: Data
    values: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    keys: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    def where(self, path: Path, *, key: bool = False) -> str:
        """Return `file:line:col` of the value at the path (of its key with `key`), or of its nearest parent."""
        if key and path in self.keys:
            return _at(self.name, self.keys[path])
        while path and path not in self.values:
            path = path[:-1]
        return _at(self.name, self.values.get(path, (1, 1)))


def _at(name: str, position: tuple[int, int]) -> str:
    return f"{name}:{position[0]}:{position[1]}"


def parse(text: str, name: str) -> Document:
    """Read one YAML document; raise ConfigError with every mistake that can be told apart."""
    if len(text) > LONGEST:
        raise ConfigError([Problem(f"{name}:1:1", f"longer than {LONGEST} characters; split the file")])
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        raise ConfigError([_character_problem(found.start(), text, name)])
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event, text)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax_problem(error, text, name))
    except _StopError:
        pass
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(name, builder.root, builder.values, builder.keys)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    said = " ".join(part for part in (error.context, error.problem) if part)
    for theirs, ours in _UNFINISHED.items():
        if theirs in said:
            return Problem(_at(name, _position(error.context_mark)), ours)
    line, column = _position(error.problem_mark)
    written = text.splitlines()[line - 1 : line]
    rest = written[0][column - 1 :] if written else ""
    if rest.startswith("\t"):
        sentence = "a tab; indent with spaces"
    elif "cannot start any token" in said and rest:
        sentence = f'no value may start with "{rest[0]}"; put it in quotes'
    else:
        sentence = next((ours for theirs, ours in _UNEXPECTED.items() if theirs in said), f"no YAML: {said}")
    return Problem(_at(name, (line, column)), sentence)


def _character_problem(index: int, text: str, name: str) -> Problem:
    before = text[:index].split("\n")
    code = f"U+{ord(text[index]):04X}"
    return Problem(_at(name, (len(before), len(before[-1]) + 1)), f"character {code} is not allowed in YAML; remove it")


class _Mark(Protocol):
    line: int
    column: int


def _position(mark: _Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _StopError(Exception):
    """The rest of the file is not worth reading."""


@dataclass(slots=True)
class _Frame:
    container: dict[str, Data] | list[Data]
    path: Path
    key: str | None = None  # of a mapping whose value comes next
    skip: bool = False  # the value that comes next belongs to a key that was refused


@dataclass(slots=True)
class _Builder:
    """The event stream, folded into data."""

    name: str
    root: Data = None
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    documents: int = 0
    nodes: int = 0

    def take(self, event: yaml.Event, text: str) -> None:
        """Fold in the next event."""
        position = _position(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._stop(position, 'a second document; write one, without "---" in between')
        elif isinstance(event, yaml.AliasEvent):
            line, column = position
            written = text.splitlines()[line - 1][column - 1 :].split(maxsplit=1)[0].rstrip(",]}")
            self._stop(position, f'"{written}" is an alias; write the value out, or put a pattern in quotes')
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._refuse_decoration(event, position)
            self._node(event, position)

    def _refuse_decoration(self, event: yaml.NodeEvent, position: tuple[int, int]) -> None:
        self.nodes += 1
        if self.nodes > MOST:
            self._stop(position, f"more than {MOST} keys and values; split the file")
        if event.anchor is not None:
            self._stop(position, f'"&{event.anchor}" is an anchor; write the value out, or put a text in quotes')
        tag = getattr(event, "tag", None)
        if tag is not None:
            written = tag.replace("tag:yaml.org,2002:", "!!")
            self._stop(position, f'"{written}" is a tag; remove it, or put a pattern in quotes, as "{written}"')

    def _node(self, event: yaml.NodeEvent, position: tuple[int, int]) -> None:
        if isinstance(event, yaml.ScalarEvent):
            frame = self.stack[-1] if self.stack else None
            if frame is not None and isinstance(frame.container, dict) and frame.key is None and not frame.skip:
                self._key(frame, event.value, position)
            else:
                plain = event.style in {None, ""} and event.value in _NULLS
                self._place(None if plain else event.value, position)
            return
        if len(self.stack) >= DEEPEST:
            self._stop(position, f"nested deeper than {DEEPEST} levels; flatten it")
        container: dict[str, Data] | list[Data] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_Frame(container, self._place(container, position)))

    def _key(self, frame: _Frame, key: str, position: tuple[int, int]) -> None:
        path = (*frame.path, key)
        if key == "<<":
            self._stop(position, '"<<" merges mappings; write the keys out')
        if path in self.keys:
            first = self.keys[path]
            sentence = f'"{key}" is written twice, first in line {first[0]}; remove one'
            self.problems.append(Problem(_at(self.name, position), sentence))
            frame.skip = True
        else:
            self.keys[path] = position
            frame.key = key

    def _place(self, value: Data, position: tuple[int, int]) -> Path:
        """Put a value where the stream stands, and return its path."""
        if not self.stack:
            self.root = value
            path: Path = ()
        else:
            frame = self.stack[-1]
            if isinstance(frame.container, list):
                path = (*frame.path, len(frame.container))
                frame.container.append(value)
            elif frame.skip:
                frame.skip = False
                return (*frame.path, -self.nodes)  # below no key: it is read for its mistakes only
            elif frame.key is None:
                self._stop(position, "a list or a mapping as a key; write a text")
            else:
                path = (*frame.path, frame.key)
                frame.container[frame.key] = value
                frame.key = None
        self.values[path] = position
        return path

    def _stop(self, position: tuple[int, int], sentence: str) -> NoReturn:
        self.problems.append(Problem(_at(self.name, position), sentence))
        raise _StopError

"""A rule file as it is read: its data, where each word stands, and every mistake found so far. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, TypeVar

from brimline.errors import Problem, UnitError
from brimline.mistakes import one_line
from brimline.options import describe
from brimline.rules.slips import Slip, SlipError
from brimline.yamlfile import Data, Document, Path

T = TypeVar("T")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(slots=True)
class Page:
    """One file; `about` opens every sentence: `rule "X": `."""

    document: Document
    lines: Sequence[str]
    about: str = ""
    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the file's name as it was given."""
        return self.document.name

    def refuse(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a mistake at a value, or at its key."""
        where = self.document.where(path, key=key)
        span = len(str(path[-1])) if key and path in self.document.keys else self._span(path)
        self.problems.append(Problem(where, one_line(f"{self.about}{message}"), span))

    def slip(self, path: Path, slip: Slip, name: str = "") -> None:
        """Note a mistake inside a text; where it is written with escapes or over lines, at its beginning."""
        message = one_line(f"{self.about}{name and f'{name}: '}{slip.message}")
        offset = self._offset(path)
        if offset is None or path not in self.document.values:
            self.problems.append(Problem(self.document.where(path), message))
            return
        line, column = self.document.values[path]
        self.problems.append(Problem(f"{self.name}:{line}:{column + offset + slip.start}", message, slip.length))

    def value(self, path: Path) -> Data:
        """Return what stands at the path."""
        found: Data = self.document.data
        for part in path:
            if isinstance(found, dict) and isinstance(part, str):
                found = found.get(part)
            elif isinstance(found, list) and isinstance(part, int):
                found = found[part]
        return found

    def mapping(
        self, path: Path, known: Collection[str] | None = None, foreign: Mapping[str, str] = _NOTHING
    ) -> Mapping[str, Data]:
        """Return the mapping at the path; a key that is not known is a mistake, a foreign one has its own sentence."""
        found = self.value(path)
        if not isinstance(found, dict):
            self.refuse(path, f'{_named(path)}found {describe(found)}; write "key: value" lines')
            return {}
        for key in found:
            if known is not None and key not in known:
                hint = foreign.get(key) or _likely(key, known)
                self.refuse((*path, key), f'unknown key "{key}"; {hint}', key=True)
        return found

    def items(self, path: Path, example: str) -> Sequence[Path]:
        """Return the paths of a list's items."""
        found = self.value(path)
        if isinstance(found, list) and found:
            return [(*path, index) for index in range(len(found))]
        said = "an empty list" if found == [] else describe(found)
        self.refuse(path, f"{_named(path)}found {said}; write a list, such as {example}")
        return []

    def text(self, path: Path, example: str) -> str | None:
        """Return the text at the path; anything else is a mistake."""
        found = self.value(path)
        if isinstance(found, str):
            return found
        self.refuse(path, f'{_named(path)}found {describe(found)}; write a text, such as "{example}"')
        return None

    def word(self, path: Path, example: str) -> str | None:
        """Return a name: a text in one line, not empty."""
        found = self.text(path, example)
        if found is None or (found.strip() == found and found and found.isprintable()):
            return found
        self.refuse(path, f'{_named(path)}found {describe(found)}; write a name, such as "{example}"')
        return None

    def quantity(self, path: Path, parse: Callable[[str], T], example: str) -> T | None:
        """Return the text at the path as `parse` reads it; its UnitError is a mistake."""
        found = self.text(path, example)
        if found is None:
            return None
        try:
            return parse(found)
        except UnitError as error:
            self.refuse(path, f"{_named(path)}{error}")
        return None

    def read(self, path: Path, text: str, parse: Callable[[str], T], name: str = "") -> T | None:
        """Return the text as `parse` reads it; every slip of its SlipError is a mistake."""
        try:
            return parse(text)
        except SlipError as error:
            for slip in error.slips:
                self.slip(path, slip, name)
        return None

    def _span(self, path: Path) -> int:
        found = self.value(path)
        return len(found) if isinstance(found, str) and self._offset(path) is not None else 0

    def _offset(self, path: Path) -> int | None:
        """Return how many characters stand before the text proper (a quote), None where it is not written as it is."""
        found = self.value(path)
        if path not in self.document.values or not isinstance(found, str):
            return None
        line, column = self.document.values[path]
        written = self.lines[line - 1][column - 1 :] if line <= len(self.lines) else ""
        quoted = written[:1] in {'"', "'"}
        return int(quoted) if written[int(quoted) :].startswith(found) else None


def _named(path: Path) -> str:
    """Return `for: `, so that a value is told from the others of its rule."""
    names = [part for part in path if isinstance(part, str)]
    return f"{names[-1]}: " if names else ""


def _likely(key: str, known: Collection[str]) -> str:
    close = get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"

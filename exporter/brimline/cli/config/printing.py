"""A loaded configuration as YAML that loads again, each value with its origin; secrets are hidden. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from brimline.config import Config, Loaded
from brimline.leaves import leaves
from brimline.redaction import hide_secrets

_PLAIN: Final = re.compile(r"[A-Za-z0-9/.][\w/.%-]*", re.ASCII)  # needs no quotes, in a list or a mapping neither
_NULLS: Final = frozenset({"null", "Null", "NULL"})
_COMMENT: Final = 42  # the column where origins begin


def effective(found: Loaded, *, everything: bool) -> Iterator[str]:
    """Yield the lines: every value with its origin, or only what was set."""
    values = found.config.model_dump(exclude_none=True)
    if not everything and not any(origin != "default" for origin in found.origins.values()):
        yield "# nothing is set; all values: brimline config print --effective"
    open_sections: tuple[str, ...] = ()
    for leaf in leaves(Config):
        origin = found.origins[leaf.name]
        if not everything and origin == "default":
            continue
        *sections, key = leaf.path
        yield from _sections(open_sections, tuple(sections))
        open_sections = tuple(sections)
        value = _value(values, leaf.path)
        line = f"{'  ' * len(sections)}{key}:" + ("" if value is None else f" {_written(value)}")
        yield f"{line:<{_COMMENT}}  # {origin}" if everything else line


def _sections(before: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    for depth, section in enumerate(now):
        if tuple(before[: depth + 1]) != tuple(now[: depth + 1]):
            yield f"{'  ' * depth}{section}:"


def _value(values: Mapping[str, Any], path: Sequence[str]) -> object:
    value: Any = values
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return "{" + ", ".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_written(item) for item in value) + "]"
        case str():
            text = hide_secrets(value)
            return text if _PLAIN.fullmatch(text) and text not in _NULLS else json.dumps(text)
        case _:
            return str(value)

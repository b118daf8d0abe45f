"""What pydantic refuses, as sentences to act on: where it stands, what was found, what to write instead. Pure."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Protocol, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from brimline.errors import Problem
from brimline.options import describe
from brimline.redaction import hide_secrets
from brimline.yamlfile import Path

_PERHAPS_CREDENTIALS: Final = re.compile(r"[^\s/@:\"]+:(?!//)[^\s@\"]+(?=@)", re.ASCII)  # of an address written wrong
_MAYBE_SECRET: Final = frozenset({"notify", "alertmanagers", "webhooks", "url", "headers", "apprise"})
_NEAR: Final = 100  # words before and behind it in the alphabet that are compared; a thousand take 0.2 s
_PLACE: Final = re.compile(r":(\d+):(\d+)$", re.ASCII)


class Where(Protocol):
    """Where a value, or its key, was written."""

    def __call__(self, path: Path, *, key: bool = False) -> str:
        """Return `file:line:col`, a variable or a flag."""
        ...


def problems(error: ValidationError, model: type[BaseModel], where: Where) -> list[Problem]:
    """Turn every error of a validation into a Problem, in the order of the file."""
    found = [_problem(detail, model, where) for detail in error.errors()]
    return sorted(found, key=_order)


def _order(problem: Problem) -> tuple[int, int]:
    place = _PLACE.search(problem.where)
    return (int(place[1]), int(place[2])) if place else (0, 0)


def one_line(text: str) -> str:
    """Write what would break a line or a terminal as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(word: str, known: Iterable[str], *, listed: int | None = None) -> str:
    """Return `; did you mean "..."?`, or the known words, so many at most, where none is close."""
    words = sorted(known)
    place = bisect(words, word.lower())
    near = words[max(place - _NEAR, 0) : place + _NEAR]
    close = get_close_matches(word.lower(), near, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    more = [f"and {len(words) - listed} more"] if listed is not None and len(words) > listed else []
    return f"; known: {', '.join([*words[:listed], *more])}" if words else ""


def _problem(detail: ErrorDetails, model: type[BaseModel], where: Where) -> Problem:
    path = tuple(part for part in detail["loc"] if part != "[key]")  # pydantic's mark for a mapping's key
    if detail["type"] == "extra_forbidden":
        return Problem(where(path, key=True), _unknown_key(path, model))
    if detail["type"] == "missing":
        return Problem(where(path[:-1]), f'missing key "{path[-1]}"; write "{path[-1]}: ..."')
    place = where(path)
    said = one_line(_PERHAPS_CREDENTIALS.sub("***", hide_secrets(sentence(detail))))
    return Problem(place, f"{dotted(path)}: {said}" if ":" in place and path else said)


def dotted(path: Path) -> str:
    """Return `sources.processes[0].limit`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    key = one_line(str(path[-1]))
    here = {name for parent in _models_at(path[:-1], model) for name in parent.model_fields}
    if close := get_close_matches(key.lower().replace("-", "_"), here, n=1, cutoff=0.6):
        return f'unknown key "{key}"; did you mean "{close[0]}"?'
    elsewhere = [place for place in _places(model) if place.rpartition(".")[2] == key]
    if elsewhere:
        return f'unknown key "{key}"; did you mean "{elsewhere[0]}"?'
    return f'unknown key "{key}"; known here: {", ".join(sorted(here))}'


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _models_at(path: Path, model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for part in path:
        if isinstance(part, str) and any(part in m.model_fields for m in found):
            found = [n for m in found if part in m.model_fields for n in _models(m.model_fields[part].annotation)]
    return found


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield prefix + name
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _places(info.annotation, f"{prefix}{name}.")


def sentence(detail: ErrorDetails) -> str:
    """Return what is wrong with a value, without its place."""
    path = detail["loc"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    known = _SENTENCES.get(detail["type"])
    found = _found(path, detail["input"])
    if known is not None:
        return known(found, context, str(path[-1]) if path else "")
    if detail["type"] == "value_error" or "url" not in detail:  # a validator's own words; pydantic's come with a url
        return detail["msg"].removeprefix("Value error, ")
    return f"{detail['msg']}; found {found}"


def _found(path: Path, value: object) -> str:
    """Return what was found, unless it stands where a secret is written."""
    named = [part for part in path if isinstance(part, str)]
    told = named[:1] == ["notify"] and (named[-1] in _MAYBE_SECRET or "headers" in named)
    secret = isinstance(value, str) and (told or named[:1] == ["basic_auth_users"])
    return "a text (it is not shown: it may be secret)" if secret else describe(value)


_Sentence = Callable[[str, Mapping[str, Any], str], str]


def _choice(found: str, context: Mapping[str, Any], _: str) -> str:
    options = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    close = get_close_matches(found.strip('"').lower(), options, n=1, cutoff=0.6)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    return f"found {found}; write one of {', '.join(options)}{hint}"


def _at_least(found: str, context: Mapping[str, Any], _: str) -> str:
    bound = context.get("ge", context.get("gt"))
    return f"found {found}; write {'a number above' if 'gt' in context else 'at least'} {bound}"


def _at_most(found: str, context: Mapping[str, Any], _: str) -> str:
    bound = context.get("le", context.get("lt"))
    return f"found {found}; write {'a number below' if 'lt' in context else 'at most'} {bound}"


def _mapping(found: str, _: Mapping[str, Any], name: str) -> str:
    place = f', indented below "{name}:"' if name and not name.isdecimal() else ""
    return f'found {found}; write "key: value" lines{place}'


def _list(found: str, _: Mapping[str, Any], __: str) -> str:
    item = found if found.startswith('"') else '"..."'
    return f"found {found}; write a list, such as [{item}]"


_SENTENCES: Final[Mapping[str, _Sentence]] = MappingProxyType(
    {
        "quantity": lambda _, context, __: str(context["reason"]),
        "model_type": _mapping,
        "model_attributes_type": _mapping,
        "dict_type": _mapping,
        "list_type": _list,
        "tuple_type": _list,
        "literal_error": _choice,
        "enum": _choice,
        "bool_parsing": lambda found, *_: f"found {found}; write true or false",
        "bool_type": lambda found, *_: f"found {found}; write true or false",
        "int_parsing": lambda found, *_: f"found {found}; write a whole number",
        "int_type": lambda found, *_: f"found {found}; write a whole number",
        "int_from_float": lambda found, *_: f"found {found}; write a whole number",
        "float_parsing": lambda found, *_: f"found {found}; write a number",
        "float_type": lambda found, *_: f"found {found}; write a number",
        "string_type": lambda found, *_: f"found {found}; write a text",
        "greater_than": _at_least,
        "greater_than_equal": _at_least,
        "less_than": _at_most,
        "less_than_equal": _at_most,
    }
)

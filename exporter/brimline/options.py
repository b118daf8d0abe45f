"""The base of every options class and the annotated types of their fields; values arrive as text and leave as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from brimline import units
from brimline.errors import UnitError
from brimline.offlimits import WHY, forbidden
from brimline.redaction import hide_secrets

_LONGEST: Final = 60  # characters of a found value that are shown


def describe(value: object) -> str:
    """Return what a value is, for `found ...`."""
    match value:
        case None:
            return "nothing"
        case str():
            return f'"{value}"' if len(value) <= _LONGEST else f'"{value[:_LONGEST]}..."'
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return repr(value)


class Options(BaseModel):
    """Part of the configuration: frozen, and a key it does not know is a mistake."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )  # pydantic's own words would show a secret that stands in the wrong place

    def __repr__(self) -> str:
        """Return it without the passwords in addresses."""
        return hide_secrets(super().__repr__())

    def __str__(self) -> str:
        """Return the same."""
        return repr(self)


def refusal(reason: str) -> PydanticCustomError:
    """Return the error a validator raises: its sentence reaches the person as it is."""
    return PydanticCustomError("quantity", "{reason}", {"reason": reason})


def callable_at(host: str | None) -> None:
    """Refuse an address that is never called; where a name leads is seen when it is called."""
    if host and forbidden(host):
        raise refusal(f"{host} {WHY}; write the service's own address")


def _reader(parse: Callable[[str], float], example: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if not isinstance(value, str):
            raise refusal(f'found {describe(value)}; write one value, such as "{example}"')
        try:
            return parse(value)
        except UnitError as error:
            raise refusal(str(error)) from None

    return read


def _compile(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value)
    except re.error as error:
        reason = f'"{value}" is no regular expression: {error}; write \\ before a character meant as it stands'
        raise refusal(reason) from None


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Bytes = Annotated[
    int,
    BeforeValidator(_reader(units.parse_bytes, "2GiB")),
    PlainSerializer(units.spell_bytes),
    _schema(r"^[0-9]+(\.[0-9]+)?\s*(B|[KMGT]iB|kB|[MGT]B)$", "200MiB", "2GiB"),
]
Ratio = Annotated[
    float,
    BeforeValidator(_reader(units.parse_ratio, "85%")),
    PlainSerializer(units.spell_ratio),
    _schema(r"^[0-9]+(\.[0-9]+)?\s*%?$", "85%", "0.85"),
]
Duration = Annotated[
    float,
    BeforeValidator(_reader(units.parse_duration, "5s")),
    PlainSerializer(units.spell_duration),
    _schema(r"^(0|([0-9]+(y|w|d|h|m|s|ms))+)$", "5s", "1m30s", "250ms"),
]
Regex = Annotated[
    re.Pattern[str],
    BeforeValidator(_compile),
    PlainSerializer(lambda compiled: compiled.pattern, return_type=str),
    WithJsonSchema({"type": "string", "format": "regex"}),
]

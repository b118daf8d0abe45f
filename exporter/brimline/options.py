"""The base of every options class and the annotated types of their fields; values arrive as text and leave as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from brimline import units
from brimline.errors import UnitError


class Options(BaseModel):
    """Part of the configuration: frozen, and a key it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _reader(parse: Callable[[str], float]) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except UnitError as error:
            raise PydanticCustomError("quantity", "{reason}", {"reason": str(error)}) from None

    return read


def _compile(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value)
    except re.error as error:
        raise PydanticCustomError(
            "quantity",
            "{reason}",
            {"reason": f'"{value}" is no regular expression: {error}; write \\ before a character meant as it stands'},
        ) from None


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Bytes = Annotated[
    int,
    BeforeValidator(_reader(units.parse_bytes)),
    PlainSerializer(units.spell_bytes),
    _schema(r"^[0-9]+(\.[0-9]+)?\s*(B|[KMGT]iB|kB|[MGT]B)$", "200MiB", "2GiB"),
]
Ratio = Annotated[
    float,
    BeforeValidator(_reader(units.parse_ratio)),
    PlainSerializer(units.spell_ratio),
    _schema(r"^[0-9]+(\.[0-9]+)?\s*%?$", "85%", "0.85"),
]
Duration = Annotated[
    float,
    BeforeValidator(_reader(units.parse_duration)),
    PlainSerializer(units.spell_duration),
    _schema(r"^(0|([0-9]+(y|w|d|h|m|s|ms))+)$", "5s", "1m30s", "250ms"),
]
Regex = Annotated[
    re.Pattern[str],
    BeforeValidator(_compile),
    PlainSerializer(lambda compiled: compiled.pattern, return_type=str),
    WithJsonSchema({"type": "string", "format": "regex"}),
]

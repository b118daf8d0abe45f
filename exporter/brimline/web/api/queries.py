"""What may stand behind the question mark: one class per path, from which openapi.json is made too.

A value is read as strictly as it is described, and what nobody knows is refused with what was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar, get_origin

from aiohttp import web
from multidict import MultiMapping
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from brimline.deeds import EntryKind
from brimline.labels import sanitise
from brimline.mistakes import did_you_mean, sentence
from brimline.model import Kind
from brimline.options import refusal
from brimline.web.api.fields import Standing
from brimline.web.envelope import RefusedError

_LONGEST: Final = 250  # characters of up to 12 bytes each: a request line ends at 8190
_LAST_SEQ: Final = 2**63 - 1
_LATEST: Final = 253_402_300_800  # the year 10000
Q = TypeVar("Q", bound="Query")


def _exact(pattern: str, what: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise refusal(f'found "{sanitise(value)}"; write {what}')
        return value

    return read


def _text(value: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise refusal("this is no UTF-8")
    return value


WHOLE: Final = BeforeValidator(_exact(r"-?(0|[1-9][0-9]{0,18})", "a whole number"))
Flag = Annotated[bool, BeforeValidator(_exact("true|false", "true or false"))]
Moment = Annotated[
    float, Field(ge=0, le=_LATEST), BeforeValidator(_exact(r"[0-9.eE+-]{1,40}", "seconds since the epoch"))
]
Action = Literal["restart", "recycle", "cleanup"]
Word = Annotated[str, AfterValidator(_text), Field(min_length=1, max_length=_LONGEST)]


class Query(BaseModel):
    """The parameters of one path."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NoQuery(Query):
    """Nothing may be asked for."""


class TargetsQuery(Query):
    """Which targets."""

    kind: Kind | None = None
    """Only these."""
    state: Standing | None = None
    """Only those that stand so."""
    name: Word | None = None
    """Only what this glob names, as in `brimline check`."""


class JournalQuery(Query):
    """Which lines of the journal."""

    limit: Annotated[int, Field(ge=1, le=1000), WHOLE] = 100
    """Lines at most."""
    cursor: Annotated[int, Field(ge=1, le=_LAST_SEQ), WHOLE] | None = None
    """Where the page before this one ended: its `next`."""
    kind: Annotated[tuple[EntryKind, ...], Field(max_length=len(EntryKind))] = ()
    """Only lines of these kinds; may be repeated."""
    target_kind: Kind | None = None
    """Only lines about targets of this kind."""
    name: Word | None = None
    """Only lines about the target of exactly this name, whatever its incarnation."""
    action: Action | None = None
    """Only lines about this action."""
    since: Moment | None = None
    """Only lines of this moment and later, in seconds since the epoch."""
    until: Moment | None = None
    """Only lines before this moment."""


class AskQuery(Query):
    """How an action is asked for."""

    dry_run: Flag = False
    """Decide and write down, do nothing."""
    wait: Annotated[int, Field(ge=0, le=30), WHOLE] = 0
    """Seconds to wait for the decision."""


class PauseQuery(Query):
    """How long a pause lasts."""

    dry_run: Flag = False
    """Only say what would be written down."""
    seconds: Annotated[int, Field(ge=1, le=31_536_000), WHOLE] | None = None
    """How long; without it until it is resumed."""


class ResumeQuery(Query):
    """How a pause is ended."""

    dry_run: Flag = False
    """Only say what would be written down."""


def read(model: type[Q], query: MultiMapping[str]) -> Q:
    """Read what was asked for; refuses with 400 and all that is wrong with it."""
    values: dict[str, Any] = {}
    wrong = []
    for name in dict.fromkeys(query):
        field, given = model.model_fields.get(name), query.getall(name)
        if field is None:
            wrong.append(f'unknown parameter "{sanitise(name)}"{did_you_mean(name, model.model_fields)}')
        elif get_origin(field.annotation) is tuple:
            values[name] = given
        elif len(given) > 1:
            wrong.append(f'"{name}" is given {len(given)} times; give it once')
        else:
            values[name] = given[0]
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        wrong += [f"{detail['loc'][0]}: {sentence(detail)}" for detail in error.errors()]
        raise RefusedError(HTTPStatus.BAD_REQUEST, "; ".join(wrong)) from None
    if wrong:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "; ".join(wrong))
    return found


def of(request: web.Request, model: type[Q]) -> Q:
    """Read the query of a request."""
    return read(model, request.query)

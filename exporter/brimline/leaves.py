"""Every value of the configuration that a flag or a variable can set, derived from the model; none is listed twice."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Union, get_args, get_origin

from pydantic import BaseModel

PREFIX: Final = "BRIMLINE_"
_SHORT: Final[Mapping[str, str]] = {"actions.dry_run": "--dry-run"}


class Form(Enum):
    """How a leaf is written on the command line."""

    TEXT = "text"
    SWITCH = "switch"  # --x and --no-x
    LIST = "list"  # repeatable; in a variable separated by commas
    BLOCK = "block"  # mappings: in the file only


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value: its path in the file, what the flag and the variable are called, and one line about it."""

    path: tuple[str, ...]
    form: Form
    text: str

    @property
    def name(self) -> str:
        """Return `web.listen_address`, as in the file."""
        return ".".join(self.path)

    @property
    def flag(self) -> str:
        """Return `--web.listen-address`; a few have a name without their section."""
        return _SHORT.get(self.name) or "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Return `BRIMLINE_WEB_LISTEN_ADDRESS`."""
        return PREFIX + "_".join(self.path).upper()


def leaves(model: type[BaseModel], parents: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield every leaf below the model, in the order of its fields."""
    for name, info in model.model_fields.items():
        path = (*parents, name)
        annotation = _required(info.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, path)
        else:
            yield Leaf(path, _form(annotation), " ".join((info.description or "").split()))


def _required(annotation: object) -> object:
    """Return X of `X | None`."""
    if get_origin(annotation) in {Union, types.UnionType}:
        members = [a for a in get_args(annotation) if a is not type(None)]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _form(annotation: object) -> Form:
    if annotation is bool:
        return Form.SWITCH
    if get_origin(annotation) in {list, tuple}:
        item = get_args(annotation)[0]
        return Form.BLOCK if isinstance(item, type) and issubclass(item, BaseModel) else Form.LIST
    return Form.BLOCK if get_origin(annotation) is dict else Form.TEXT

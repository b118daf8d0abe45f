"""Process groups: their options, and which processes belong to one. Pure but for the look-up of a user's number."""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from brimline.options import Bytes, Options, Ratio, Regex
from brimline.sources.presets import PRESETS
from brimline.sources.process_census import Identity

_COMM: Final = 15  # bytes of a name that the kernel keeps (TASK_COMM_LEN less the closing NUL)


class GroupOptions(Options):
    """One named group; a process belongs to it when every condition given here holds."""

    group: Annotated[str, Field(min_length=1, max_length=200)]
    """The group's name: the label `group` of its series."""
    cmdline: Regex | None = None
    """A regular expression found anywhere in the arguments, which are joined by spaces."""
    comm: str | None = None
    """A glob over the process's short name, as `ps -o comm` shows it."""
    user: str | None = None
    """The user's name or number."""
    children: bool = True
    """Whether the descendants of such a process belong to the group too."""
    pss: bool = False
    """Whether PSS, USS and swap are measured, slowly: shared memory then counts once."""
    limit: Bytes | None = None
    """What the group may use; without it, the limit of the one cgroup that all its processes share."""

    @field_validator("comm")
    @classmethod
    def _comm_fits(cls, comm: str | None) -> str | None:
        if comm and not re.search(r"[*?[]", comm) and len(comm.encode()) > _COMM:
            short = comm.encode()[:_COMM].decode(errors="ignore")
            message = '"{comm}" never matches: the kernel keeps 15 bytes of a name; write "{short}"'
            raise PydanticCustomError("comm", message, {"comm": comm, "short": short})
        return comm

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if self.cmdline is None and self.comm is None and self.user is None:
            message = 'group "{group}" names no process; write at least one of cmdline, comm and user'
            raise PydanticCustomError("group", message, {"group": self.group})
        return self


class ProcessOptions(Options):
    """Which processes are measured."""

    groups: tuple[GroupOptions, ...] = ()
    """Named groups; a process belongs to the first one that fits."""
    presets: tuple[str, ...] = tuple(PRESETS)
    """Servers whose masters outside of containers become groups by themselves."""
    pss_budget: Annotated[Ratio, Field(gt=0, le=1)] = 0.01
    """The share of one core that measuring PSS may take over time."""

    @field_validator("presets")
    @classmethod
    def _presets_exist(cls, presets: tuple[str, ...]) -> tuple[str, ...]:
        for preset in presets:
            if preset not in PRESETS:
                likely = get_close_matches(preset, PRESETS, n=1)
                advice = f'did you mean "{likely[0]}"?' if likely else f"write one of {', '.join(PRESETS)}"
                message = 'unknown preset "{preset}"; {advice}'
                raise PydanticCustomError("preset", message, {"preset": preset, "advice": advice})
        return tuple(dict.fromkeys(presets))

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [group.group for group in self.groups]
        for name in names:
            if names.count(name) > 1:
                message = 'group "{group}" is there twice; give each its own name'
                raise PydanticCustomError("group", message, {"group": name})
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A group as it is measured; compared by identity. `beside` tells groups of one name apart (a unit, a port)."""

    name: str
    matches: Callable[[Identity], bool]
    children: bool = True
    pss: bool = False
    limit: int | None = None
    beside: str = ""
    configured: bool = True
    flaw: str | None = None  # why it can match nothing


def configured_group(options: GroupOptions) -> Group:
    """Turn options into the group they describe."""
    owner = user_number(options.user) if options.user is not None else None
    flaw = None
    if options.user is not None and owner is None:
        flaw = f'user "{options.user}" does not exist here; write the user\'s number, as `id -u` prints it'

    def matches(identity: Identity) -> bool:
        return (
            flaw is None
            and not identity.kernel
            and (owner is None or identity.owner == owner)
            and (options.comm is None or fnmatchcase(identity.comm, options.comm))
            and (options.cmdline is None or fits(options.cmdline, identity.argv))
        )

    return Group(options.group, matches, options.children, options.pss, options.limit, flaw=flaw)


def everything(name: str, limit: int | None) -> Group:
    """Return the group of every process that can be seen: a container's whole content, measured from inside."""
    return Group(name, lambda identity: not identity.kernel, limit=limit)


def fits(pattern: re.Pattern[str], argv: Sequence[str]) -> bool:
    """Tell whether the expression is found in the arguments joined by spaces."""
    return bool(argv) and pattern.search(" ".join(argv)) is not None


def user_number(user: str) -> int | None:
    """Return the number of a user given by name or number, None where there is no such name."""
    if user.isascii() and user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None

"""How flags, variables and the file become one Config; every mistake of all three is reported at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Final, TypeAlias

from pydantic import ValidationError

from brimline import faults, mistakes
from brimline.config import Config, Loaded
from brimline.errors import ConfigError, Problem
from brimline.leaves import PREFIX, Form, Leaf, leaves
from brimline.yamlfile import LONGEST, Data, Document, Path, parse

DEFAULT_FILE: Final = "/etc/brimline/brimline.yml"
FILE_FLAG: Final = "config.file"
FILE_VARIABLE: Final = "BRIMLINE_CONFIG_FILE"

Value: TypeAlias = str | bool | tuple[str, ...]
ReadFile: TypeAlias = Callable[[str], str]

# Kubernetes puts these into every pod beside a service named "brimline" (enableServiceLinks), Docker's --link likewise.
_SERVICE_LINK: Final = re.compile(
    r"BRIMLINE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)", re.ASCII
)


def read_text(name: str) -> str:
    """Read a file as UTF-8, no further than a configuration may be long."""
    with FilePath(name).open(encoding="utf-8") as file:
        return file.read(LONGEST + 1)


def load(flags: Mapping[str, Value], environ: Mapping[str, str], read_file: ReadFile = read_text) -> Loaded:
    """Put the configuration together; `flags` maps a leaf's name (`web.listen_address`) to what was written."""
    problems: list[Problem] = []
    known = tuple(leaves(Config))
    file, document = _document(flags, environ, read_file, problems)
    layers = _Layers(document)
    for leaf in known:
        if (text := environ.get(leaf.variable)) is not None and leaf.form is not Form.BLOCK:
            layers.lay(leaf, text, leaf.variable)
        if leaf.name in flags:
            layers.lay(leaf, flags[leaf.name], leaf.flag)
    problems += _unknown_variables(environ, known)
    try:
        config = Config.model_validate(layers.data)
    except ValidationError as error:
        raise ConfigError([*problems, *mistakes.problems(error, Config, layers.where)]) from None
    if problems:
        raise ConfigError(problems)
    return Loaded(config, {leaf.name: layers.origin(leaf.path) for leaf in known}, file)


def _document(
    flags: Mapping[str, Value], environ: Mapping[str, str], read_file: ReadFile, problems: list[Problem]
) -> tuple[str | None, Document]:
    """Read the file that was named, or the default one where it exists; a mistake is appended to the problems."""
    flag, variable = flags.get(FILE_FLAG), environ.get(FILE_VARIABLE)
    name = str(flag or variable or DEFAULT_FILE)
    origin = "--config.file" if flag else FILE_VARIABLE if variable else "default"
    nothing = Document(name, {})
    try:
        return name, parse(read_file(name), name)
    except FileNotFoundError:
        if origin == "default":
            return None, nothing
        problems.append(Problem(origin, f'no file "{mistakes.one_line(name)}"; write the path of one that exists'))
    except OSError as error:
        problems.append(Problem(name, f"cannot be read: {error.strerror or error}"))
    except UnicodeDecodeError:
        problems.append(Problem(name, "no UTF-8; save the file as UTF-8"))
    except ConfigError as error:
        problems.extend(error.problems)
    return name, nothing


def _unknown_variables(environ: Mapping[str, str], known: tuple[Leaf, ...]) -> list[Problem]:
    names = {leaf.variable for leaf in known if leaf.form is not Form.BLOCK} | {FILE_VARIABLE, faults.VARIABLE}
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names and not _SERVICE_LINK.fullmatch(name):
            close = get_close_matches(name, names, n=1)
            blocks = [leaf.name for leaf in known if leaf.variable == name]
            if blocks:
                hint = f'"{blocks[0]}" holds mappings; write it in the file'
            elif close:
                hint = f'did you mean "{close[0]}"?'
            else:
                hint = 'see "brimline config print --effective" for all'
            problems.append(Problem(mistakes.one_line(name), f"unknown variable; {hint}"))
    return problems


@dataclass(slots=True)
class _Layers:
    """The file's data with variables and flags laid over it, and who laid what."""

    document: Document
    data: Data = field(init=False)
    laid: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = _without_nothing(self.document.data)

    def lay(self, leaf: Leaf, value: Value, origin: str) -> None:
        """Set one leaf; where the file holds no mapping on the way, its mistake is left to be reported."""
        section = self.data
        for part in leaf.path[:-1]:
            if not isinstance(section, dict):
                return
            section = section.setdefault(part, {})
        if isinstance(section, dict):
            section[leaf.path[-1]] = _as_data(leaf, value)
            self.laid[leaf.path] = origin

    def where(self, path: Path, *, key: bool = False) -> str:
        """Return the flag or variable that set the value, else its place in the file."""
        for length in range(len(path) + 1):
            if path[:length] in self.laid:
                return self.laid[path[:length]]
        return self.document.where(path, key=key)

    def origin(self, path: Path) -> str:
        """Return who set the value, or `default`."""
        value: Data = self.data
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return "default"
            value = value[str(part)]
        return self.where(path)


def _as_data(leaf: Leaf, value: Value) -> Data:
    if leaf.form is not Form.LIST:
        return ("true" if value else "false") if isinstance(value, bool) else str(value)
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return [item.strip() for item in items if item.strip()]


def _without_nothing(data: Data) -> Data:
    """Drop the keys of mappings that hold nothing: a section whose lines are commented out keeps its defaults."""
    if not isinstance(data, dict):
        return {} if data is None else data
    return {
        key: _without_nothing(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }

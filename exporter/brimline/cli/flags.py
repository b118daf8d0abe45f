"""The configuration's flags, derived from the model, for every verb that needs a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

import click

from brimline.config import Config, Loaded
from brimline.errors import ConfigError
from brimline.leaves import Form, Leaf, leaves
from brimline.loading import DEFAULT_FILE, FILE_FLAG, Value, load

_METAVARS: Final = {Form.TEXT: "VALUE", Form.LIST: "ITEM"}


class Refusal(click.ClickException):
    """Mistakes in the configuration: printed one a line, as they are."""

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - click's own signature
        """Print the mistakes to standard error."""
        click.echo(self.message, err=True, file=file)


def loaded(flags: Mapping[str, Value], refusal: type[Refusal] = Refusal) -> Loaded:
    """Load the configuration, or end the command with its mistakes."""
    try:
        return load(flags, os.environ)
    except ConfigError as error:
        raise refusal(str(error)) from None


def config_flags(*, hidden: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every flag of the configuration; its function receives those that were written, as `flags`."""
    known = {_parameter(leaf.name): leaf for leaf in leaves(Config) if leaf.form is not Form.BLOCK}
    file = _parameter(FILE_FLAG)

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def call(**parameters: object) -> None:
            given: dict[str, Value] = {}
            for parameter in (file, *known):
                value = parameters.pop(parameter)
                if isinstance(value, str | bool | tuple) and value != ():
                    given[known[parameter].name if parameter in known else FILE_FLAG] = value
            function(flags=given, **parameters)

        defaults = Config().model_dump()
        options = [
            click.Option([file, "--config.file"], metavar="FILE", help=f"Configuration.  [default: {DEFAULT_FILE}]")
        ]
        options += [_option(parameter, leaf, defaults, hidden=hidden) for parameter, leaf in known.items()]
        existing: Sequence[click.Parameter] = getattr(call, "__click_params__", [])
        call.__click_params__ = [*reversed(options), *existing]  # type: ignore[attr-defined] # click's own attribute
        return call

    return decorate


def _parameter(name: str) -> str:
    return name.replace(".", "__")


def _option(parameter: str, leaf: Leaf, defaults: Mapping[str, Any], *, hidden: bool) -> click.Option:
    value: Any = defaults
    for part in leaf.path:
        value = value[part]
    shown = ", ".join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value
    text = leaf.text + (f"  [default: {shown}]" if shown not in {None, ""} else "")
    if leaf.form is Form.SWITCH:
        names = f"{leaf.flag}/--no-{leaf.flag.removeprefix('--')}"
        return click.Option([parameter, names], default=None, help=text, hidden=hidden)
    repeated = leaf.form is Form.LIST
    return click.Option(
        [parameter, leaf.flag],
        multiple=repeated,
        metavar=_METAVARS[leaf.form],
        help=text + (" Repeatable." if repeated else ""),
        hidden=hidden,
    )

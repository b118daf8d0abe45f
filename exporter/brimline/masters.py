"""The table of masters: how that of a well-known server is recognised by its arguments, and what it is called.

Pure: arguments in, a name or None out. A new preset is one function and one line in PRESETS.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_PYTHON: Final = re.compile(r"(python|pypy)[0-9.]*")
_PYTHON_OPTIONS_WITH_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})
# With setproctitle installed these two write over their arguments; celery keeps them in parentheses, gunicorn its name.
_GUNICORN_TITLE: Final = re.compile(r"gunicorn: master \[(.+)\]")
_CELERY_TITLE: Final = re.compile(r"\[celeryd: [^]]*:MainProcess\] -\w+- \((.*)\)")

# Options without a value, so that what follows them is not swallowed: asked of the parsers of gunicorn 27, uvicorn 0.54
# and celery 5.7, and what older ones had beside them. None means something else to another of the three.
_FLAGS: Final = frozenset(
    """
    -D -R --daemon --reload --preload --spew --check-config --print-config --no-sendfile --reuse-port --initgroups
    --capture-output --log-syslog --disable-redirect-access-to-syslog --enable-stdio-inheritance --proxy-protocol
    --suppress-ragged-eofs --do-handshake-on-connect --strip-header-spaces --permit-obsolete-folding
    --permit-unconventional-http-method --permit-unconventional-http-version --casefold-http-method
    --enable-backlog-metric --no-control-socket
    --factory --use-colors --no-use-colors --access-log --no-access-log --proxy-headers --no-proxy-headers
    --server-header --no-server-header --date-header --no-date-header --version --http2 --reset-contextvars
    -B --beat -E --events --task-events --purge --discard --detach --without-gossip --without-mingle
    --without-heartbeat --disable-prefetch -q --quiet --no-color -C --skip-checks
    """.split()  # noqa: SIM905 - one word a line would be a page
)


@dataclass(frozen=True, slots=True)
class Master:
    """A recognised master: its preset, the name of its group, and what tells it from another of the same name."""

    preset: str
    name: str
    port: str


def recognise(argv: Sequence[str], presets: Sequence[str]) -> Master | None:
    """Return what the arguments are the master of, None where it is no preset's."""
    if not argv:
        return None
    program, rest = split_program(untitled(argv))
    for preset in presets:
        name = PRESETS[preset](program, rest)
        if name is not None:
            return Master(preset, f"{preset}:{name}" if name else preset, _port(rest))
    return None


def untitled(argv: Sequence[str]) -> Sequence[str]:
    """Return the arguments a process had before it wrote its title over them, as far as the title tells."""
    if title := _GUNICORN_TITLE.match(argv[0]):
        return ("gunicorn", title[1])
    if title := _CELERY_TITLE.match(argv[0]):
        return ("celery", *title[1].split())
    return argv


def split_program(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the program (a script's or module's name where an interpreter runs it) and its own arguments."""
    program, rest = posixpath.basename(argv[0]), list(argv[1:])
    if not _PYTHON.fullmatch(program):
        return program, rest
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-m":
            return (rest[0], rest[1:]) if rest else ("", [])
        if option == "-c":
            return "", []
        if option in _PYTHON_OPTIONS_WITH_VALUE and rest:
            rest.pop(0)
    return (posixpath.basename(rest[0]), rest[1:]) if rest else ("", [])


def _gunicorn(program: str, rest: Sequence[str]) -> str | None:
    if program not in {"gunicorn", "gunicorn3", "gunicorn.app.wsgiapp"}:
        return None
    return _option(rest, "-n", "--name") or _module(next(iter(_positionals(rest)), ""))


def _uvicorn(program: str, rest: Sequence[str]) -> str | None:
    if program != "uvicorn":
        return None
    return _module(next(iter(_positionals(rest)), ""))


def _celery(program: str, rest: Sequence[str]) -> str | None:
    if program != "celery" or "worker" not in _positionals(rest):
        return None
    app, node = _option(rest, "-A", "--app"), _option(rest, "-n", "--hostname").partition("@")[0]
    return ":".join(filter(None, (_module(app), node)))


def _ollama(program: str, rest: Sequence[str]) -> str | None:
    return "" if program == "ollama" and rest[:1] in (["serve"], ["start"]) else None


def _vllm(program: str, rest: Sequence[str]) -> str | None:
    if program == "vllm" and rest[:1] == ["serve"]:
        positional = rest[1] if len(rest) > 1 and not rest[1].startswith("-") else ""
    elif program.startswith("vllm.entrypoints."):
        positional = ""
    else:
        return None
    model = _option(rest, "", "--served-model-name") or positional or _option(rest, "", "--model")
    return posixpath.basename(model.rstrip("/")) if model.startswith(("/", ".", "~")) else model


PRESETS: Final[Mapping[str, Callable[[str, Sequence[str]], str | None]]] = MappingProxyType(
    {"gunicorn": _gunicorn, "uvicorn": _uvicorn, "celery": _celery, "ollama": _ollama, "vllm": _vllm}
)


def _module(target: str) -> str:
    """Return the module of `shop.wsgi:app` or `shop:make_app()`."""
    return target.partition(":")[0]


def _option(args: Sequence[str], short: str, long: str) -> str:
    """Return an option's value in any of its spellings: `-n x`, `-nx`, `--name x`, `--name=x`; empty without it."""
    for place, arg in enumerate(args, 1):
        if arg in {short, long} and arg:
            return args[place] if place < len(args) else ""
        if arg.startswith(f"{long}="):
            return arg.removeprefix(f"{long}=")
        if short and arg.startswith(short) and not arg.startswith("--"):
            return arg.removeprefix(short)
    return ""


def _positionals(args: Sequence[str]) -> list[str]:
    """Return the arguments that are neither options nor the values of options."""
    found, skip = [], False
    for arg in args:
        if skip:
            skip = False
        elif arg.startswith("--"):
            skip = "=" not in arg and arg not in _FLAGS
        elif arg.startswith("-"):
            skip = len(arg) == 2 and arg not in _FLAGS  # noqa: PLR2004 - `-w 4` takes the next one, `-w4` has its own
        else:
            found.append(arg)
    return found


def _port(args: Sequence[str]) -> str:
    """Return the port or socket that the arguments name: of two equal services only one can have it."""
    bind = _option(args, "-b", "--bind") or _option(args, "", "--uds")
    return _option(args, "", "--port") or (bind if bind.startswith(("unix:", "/")) else bind.rpartition(":")[2])

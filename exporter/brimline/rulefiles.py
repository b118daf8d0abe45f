"""What a configuration says of rules: its files (`bundled` travels with Brimline), and levels of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from brimline import bundled
from brimline.config import Config, Loaded
from brimline.errors import ConfigError, Problem
from brimline.levels import Override
from brimline.loading import read_text
from brimline.metrics.catalog import by_name
from brimline.rules.spec import load_all
from brimline.rules.terms import RuleSet
from brimline.rules.vocabulary import vocabulary

BUNDLED: Final = "bundled"


def rules_of(loaded: Loaded) -> RuleSet:
    """Read and load the rule files that a configuration names; raises ConfigError with all their mistakes."""
    return load_rules(read_rules([beside(loaded.file, name) for name in loaded.config.rules], read_text))


def overrides_of(config: Config) -> tuple[Override, ...]:
    """Return the levels that the configuration gives to some."""
    return tuple([Override(glob, o.alert_at, o.restart_at) for glob, o in config.thresholds.items()])


def read_rules(names: Sequence[str], read: Callable[[str], str]) -> dict[str, str]:
    """Return name -> text of each file; raises ConfigError with every one that cannot be read."""
    texts, problems = {}, []
    for name in names:
        if name in texts:
            problems.append(Problem(name, "is named twice; name it once"))
            continue
        try:
            texts[name] = bundled.text(bundled.RULES) if name == BUNDLED else read(name)
        except OSError as error:
            problems.append(Problem(name, f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError:
            problems.append(Problem(name, "no UTF-8; save the file as UTF-8"))
    if problems:
        raise ConfigError(problems)
    return texts


def load_rules(texts: Mapping[str, str]) -> RuleSet:
    """Load the texts into one set of rules; raises ConfigError with every mistake of all of them."""
    return load_all(texts.items(), vocabulary(by_name().values()))


def beside(file: str | None, name: str) -> str:
    """Return where a rule file is that a configuration file names: a relative path begins at that file."""
    if name == BUNDLED or file is None or Path(name).is_absolute():
        return name
    return str(Path(file).parent / name)

"""`brimline rules ...`: the group, whose verbs are imported when they are named."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from brimline.cli import Verbs

# verb -> (module:command, one line)
RULE_VERBS: Final = MappingProxyType(
    {
        "check": ("brimline.cli.rules.check:check", "Name every mistake in rule files, and what is doubtful."),
        "test": ("brimline.cli.rules.test:test", "Run unit tests of rules, in promtool's notation."),
        "export": ("brimline.cli.rules.export:export", "Print the same rules for Prometheus."),
        "replay": ("brimline.cli.rules.replay:replay_", "Say what the rules would have done on history."),
    }
)

rules = Verbs("rules", RULE_VERBS, "Check, test, export or replay the threshold rules.")

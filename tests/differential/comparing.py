"""Batches of pairs through Brimline, through the plain model, and through one run of the real promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from brimline.metrics.catalog import by_name
from brimline.rules.export import document
from brimline.rules.series import Series, parse_series, parse_values
from brimline.rules.spec import load
from brimline.rules.terms import RuleSet
from brimline.rules.trial import run
from brimline.rules.vocabulary import vocabulary
from differential.naive import Prometheus
from differential.pairs import Batch, Pair, batch

METRICS = by_name()
VOCABULARY = vocabulary(METRICS.values())
States = dict[str, list[str]]


@dataclass
class Comparison:
    """What came out."""

    pairs: int = 0
    evaluations: int = 0
    versions_differ: int = 0  # pairs of which Prometheus 2 and 3 say different things
    active: int = 0  # evaluations at which an alert was pending or firing
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in a line."""
        share = f"{100 * self.active / self.evaluations:.0f} % of them pending or firing"
        return (
            f"{self.pairs} pairs, {self.evaluations} evaluations ({share}), {len(self.differences)} differences; of "
            f"{self.versions_differ} pairs Prometheus 2 and 3 say different things: there version 3 is a model"
        )


def labels(pair: Pair) -> dict[str, str]:
    own = {"alertname": pair.alert, "container": pair.container}
    if "severity" in pair.text:
        own["severity"] = str(pair.text["severity"])
    return own | ({"team": "ml"} if "labels" in pair.text else {})


def selector(name: str, values: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in values.items())}}}"


def series_name(pair: Pair, key: str) -> str:
    measure, _, level = key.partition("@")
    return selector(
        f"brimline_container_{measure}", {"container": pair.container} | ({"level": level} if level else {})
    )


def rules_of(made: Batch) -> RuleSet:
    # JSON is YAML.
    text = json.dumps({"groups": [{"name": "g", "rules": [pair.text for pair in made.pairs]}]})
    return load(text, "random.yml", VOCABULARY)


def ours(made: Batch, rules: RuleSet) -> States:
    """The states of every pair at every evaluation, by Brimline."""
    series = [
        Series(*parse_series(series_name(pair, key), METRICS), parse_values(text))
        for pair in made.pairs
        for key, text in pair.series.items()
    ]
    states: States = {pair.alert: [] for pair in made.pairs}
    for _, judgement, _ in run(rules, series, interval=made.interval, every=made.every, until=made.until):
        now = {alert.alertname: str(alert.phase) for alert in judgement.alerts}
        for alert, found in states.items():
            found.append(now.get(alert, "inactive"))
    return states


def plain(made: Batch, version: int) -> States:
    """The same by the plain model of one version."""
    return {p.alert: Prometheus(version, p.samples).states(p.plan, made.times) for p in made.pairs}


def promtool_test(made: Batch, expected: States, rule_file: str) -> dict[str, object]:
    """A test file that holds only if ALERTS is as expected at every evaluation."""
    checks = []
    for index, at in enumerate(made.times):
        samples = [
            {"labels": selector("ALERTS", labels(pair) | {"alertstate": expected[pair.alert][index]}), "value": 1}
            for pair in made.pairs
            if expected[pair.alert][index] != "inactive"
        ]
        checks.append({"expr": "ALERTS", "eval_time": f"{at}ms", "exp_samples": samples})
    series = [
        {"series": series_name(pair, key), "values": text} for pair in made.pairs for key, text in pair.series.items()
    ]
    return {
        "rule_files": [rule_file],
        "evaluation_interval": f"{made.every}ms",
        "tests": [{"interval": f"{made.interval}ms", "input_series": series, "promql_expr_test": checks}],
    }


def compare(seed: int, pairs: int, size: int = 40) -> Comparison:
    """Compare until so many pairs are done whose meaning the versions of Prometheus agree on."""
    random, found = Random(seed), Comparison()  # noqa: S311 - a test's
    directory = Path(tempfile.mkdtemp(prefix="brimline-differential-"))
    try:
        number = 0
        while found.pairs - found.versions_differ < pairs:
            made = batch(random, number, size)
            rules = rules_of(made)
            (directory / f"r{number}.yml").write_text(document(rules))
            second, third = plain(made, 2), plain(made, 3)
            got = ours(made, rules)
            for pair in made.pairs:
                found.differences += differences(made, pair, third[pair.alert], got[pair.alert])
                found.versions_differ += second[pair.alert] != third[pair.alert]
                found.active += sum(state != "inactive" for state in got[pair.alert])
            found.pairs += len(made.pairs)
            found.evaluations += len(made.pairs) * len(made.times)
            # What Brimline says is what promtool must say, but where only version 3 says so.
            expected = {
                p.alert: second[p.alert] if second[p.alert] != third[p.alert] else got[p.alert] for p in made.pairs
            }
            test = promtool_test(made, expected, f"r{number}.yml")
            (directory / f"t{number}.yml").write_text(json.dumps(test))
            number += 1
        found.differences += promtool(directory, number)
    finally:
        shutil.rmtree(directory)
    return found


def differences(made: Batch, pair: Pair, expected: list[str], got: list[str]) -> list[str]:
    wrong = [(at, e, g) for at, e, g in zip(made.times, expected, got, strict=True) if e != g]
    if not wrong:
        return []
    at, e, g = wrong[0]
    return [f"{pair.text} over {pair.series}, a sample each {made.interval} ms: at {at} ms {g}, expected {e}"]


def promtool(directory: Path, count: int) -> list[str]:
    tests = [f"t{number}.yml" for number in range(count)]
    done = subprocess.run(
        ["promtool", "test", "rules", *tests], cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return []
    return [f"promtool: {(done.stdout + done.stderr)[:4000]}"]

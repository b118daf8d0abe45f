"""Real Prometheus, Alertmanager and promtool on free loopback ports, with their data in a directory of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from real.places import MissingPartError, free_port, wait_until


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingPartError(f"no {name}: apt-get install {package}")
    return found


def check_metrics(page: str) -> list[str]:
    """Return what `promtool check metrics` has to say about a page: nothing, when it is good."""
    program = _program("promtool", "prometheus")
    done = subprocess.run([program, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    complaints = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return complaints or ([f"promtool ended with {done.returncode}"] if done.returncode else [])


class _Server:
    """A program that serves HTTP on a port of its own until the `with` block ends."""

    def __init__(self, files: dict[str, str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="brimline-prometheus-"))
        for name, text in files.items():
            (self.directory / name).write_text(text)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory)
        try:
            wait_until(self._ready, f"{self.command()[0]} ready", 60)
        except (TimeoutError, RuntimeError) as error:
            log_text = (self.directory / "log").read_text()
            self.__exit__()
            raise RuntimeError(f"{error}\n{log_text}") from error
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory)

    def _ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("it ended before it was ready")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 (JSON)
        """GET a path and return its JSON."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.url}{path}{query}", timeout=30) as answer:
            return json.load(answer)


class Prometheus(_Server):
    """A Prometheus that scrapes one target every `interval`; `job` is more of its scrape config."""

    def __init__(
        self, target: str, *, interval: str = "1s", rules: str = "", alertmanager: str = "", **job: object
    ) -> None:
        settings: dict[str, Any] = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "scrape_configs": [{"job_name": "brimline", "static_configs": [{"targets": [target]}], **job}],
            "rule_files": ["rules.yml"] if rules else [],
        }
        if alertmanager:
            settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        # JSON is YAML.
        super().__init__({"prometheus.yml": json.dumps(settings), "rules.yml": rules})

    def command(self) -> list[str]:
        return [
            _program("prometheus", "prometheus"),
            f"--config.file={self.directory}/prometheus.yml",
            f"--storage.tsdb.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def backfill(self, openmetrics: str) -> None:
        """Give it history, before it starts: OpenMetrics text whose samples have their times."""
        file = self.directory / "history.om"
        file.write_text(openmetrics)
        command = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", str(file), f"{self.directory}/data"]
        subprocess.run([_program("promtool", "prometheus"), *command], check=True, capture_output=True, text=True)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of every series the expression yields now."""
        result = self.get("/api/v1/query", query=expression)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def wait_for(self, expression: str, seconds: float = 60) -> list[tuple[dict[str, str], float]]:
        """Return the expression's first result that is not empty."""
        return wait_until(lambda: self.query(expression), f"{expression} yields something", seconds)

    def target(self) -> dict[str, Any]:
        """Return the scrape target as Prometheus sees it: health, lastError, lastScrape."""
        targets: list[dict[str, Any]] = self.get("/api/v1/targets")["data"]["activeTargets"]
        return targets[0]


class Alertmanager(_Server):
    """An Alertmanager, without gossip, that sends every alert to `webhook` (or nowhere), with the token of a file."""

    def __init__(self, webhook: str = "", token_file: str = "") -> None:
        receiver: dict[str, Any] = {"name": "test"}
        if webhook:
            authorization = {"authorization": {"credentials_file": token_file}} if token_file else {}
            receiver["webhook_configs"] = [{"url": webhook, "http_config": authorization}]
        route = {"receiver": "test", "group_wait": "1s", "group_interval": "1s", "group_by": ["..."]}
        super().__init__({"alertmanager.yml": json.dumps({"route": route, "receivers": [receiver]})})

    def command(self) -> list[str]:
        return [
            _program("prometheus-alertmanager", "prometheus-alertmanager"),
            f"--config.file={self.directory}/alertmanager.yml",
            f"--storage.path={self.directory}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts it holds."""
        held: list[dict[str, Any]] = self.get("/api/v2/alerts")
        return held

    def refusals(self) -> int:
        """Return how many messages its webhook did not take."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        name = 'alertmanager_notifications_failed_total{integration="webhook"}'
        return next(int(line.removeprefix(name)) for line in lines if line.startswith(name))

    def raise_alert(self, labels: dict[str, str], annotations: dict[str, str]) -> None:
        """Let an alert fire."""
        body = json.dumps([{"labels": labels, "annotations": annotations}]).encode()
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30):
            pass

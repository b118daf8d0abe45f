"""The command line as a whole: what a verb imports, its help, and the verbs that need no reading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from brimline import __version__
from brimline.cli import VERBS, commands, table
from brimline.cli import run as run_verb
from brimline.cli.healthcheck import default_url
from brimline.config import Config, Loaded
from brimline.errors import ConfigError
from brimline.leaves import Form, leaves
from brimline.loading import load

HEAVY = ("aiohttp", "docker", "pydantic", "yaml", "prometheus_client", "psutil", "asyncio", "requests", "sqlite3")


def brimline(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(commands(), list(arguments))


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ("version", ()),
        ("--help", ()),
        ("completion zsh", ()),
        ("healthcheck --url=http://127.0.0.1:1/", ()),
        ("config print", ("pydantic", "yaml", "asyncio")),
    ],
)
def test_a_verb_imports_only_what_it_needs(arguments: str, allowed: tuple[str, ...]) -> None:
    script = (
        "import sys, brimline.cli\n"
        "try: brimline.cli.commands().main(sys.argv[1:])\n"
        f"finally: print(*(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments.split()], capture_output=True, text=True, check=False
    )
    assert set(found.stderr.splitlines()[-1].split()) <= set(allowed)
    assert found.stdout or "127.0.0.1:1" in found.stderr


def test_python_m_brimline_is_brimline() -> None:
    found = subprocess.run([sys.executable, "-m", "brimline", "version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(f"brimline {__version__} (Python ")


@pytest.mark.parametrize("verb", VERBS)
def test_the_line_about_a_verb_is_its_own(verb: str) -> None:
    group = commands()
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    assert command.get_short_help_str(100) == VERBS[verb][1]


def test_an_unknown_verb_is_refused() -> None:
    result = brimline("chekc")
    assert result.exit_code == 2
    assert "'chekc'" in result.stderr


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef brimline"), ("fish", "complete")]
)
def test_completion(shell: str, word: str) -> None:
    result = brimline("completion", shell)
    assert result.exit_code == 0
    assert word in result.stdout


def test_the_shell_completes_verbs_and_flags() -> None:
    env = {
        **os.environ,
        "_BRIMLINE_COMPLETE": "bash_complete",
        "COMP_WORDS": "brimline run --web.tele",
        "COMP_CWORD": "2",
    }
    found = subprocess.run([sys.executable, "-m", "brimline"], env=env, capture_output=True, text=True, check=False)
    assert found.stdout == "plain,--web.telemetry-path\n"


def test_every_leaf_is_a_flag_of_run() -> None:
    text = CliRunner(env={"COLUMNS": "200"}).invoke(commands(), ["run", "--help"]).stdout
    missing = [leaf.flag for leaf in leaves(Config) if leaf.form is not Form.BLOCK and f"{leaf.flag} " not in text]
    assert missing == []


def test_run_hands_over_the_configuration_and_the_way_to_read_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "b.yml"
    file.write_text("interval: 1s\n")
    seen: list[float] = []

    def run(loaded: Loaded, reload: Callable[[], Loaded]) -> int:
        seen.append(loaded.config.interval)
        file.write_text("interval: 2s\n")
        seen.append(reload().config.interval)
        file.write_text("interval: 2\n")
        with pytest.raises(ConfigError, match='write "2s"'):
            reload()
        return 7

    monkeypatch.setattr(run_verb.daemon, "run", run)
    arguments = ["run", f"--config.file={file}", "--web.listen-address=:1", "--web.listen-address=[::1]:2"]
    assert brimline(*arguments).exit_code == 7
    assert seen == [1.0, 2.0]


def test_print_shows_what_was_set(tmp_path: Path) -> None:
    file = tmp_path / "b.yml"
    file.write_text("interval: 1s\nsources: {docker: {host: 'tcp://user:secret@h:2375'}}\n")
    assert brimline("config", "print", f"--config.file={file}", "--no-sources.host").stdout == (
        'interval: 1s\nsources:\n  docker:\n    host: "tcp://***@h:2375"\n  host: false\n'
    )


def test_print_effective_says_where_each_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "b.yml"
    file.write_text("interval: 1s\n")
    lines = brimline(
        "config",
        "print",
        "--effective",
        f"--config.file={file}",
        "--compat.cadvisor",
        env={"BRIMLINE_LOG_FORMAT": "json"},
    ).stdout.splitlines()
    said = {line.split("#")[0].strip(): line.split("# ")[1] for line in lines if "#" in line}
    assert said["interval: 1s"] == f"{file}:1:11"
    assert said["cadvisor: true"] == "--compat.cadvisor"
    assert said["format: json"] == "BRIMLINE_LOG_FORMAT"
    assert said["fds: 4096"] == "default"
    assert len(said) == len(list(leaves(Config)))


@pytest.mark.parametrize("how", [(), ("--effective",)])
def test_what_is_printed_loads_again(tmp_path: Path, how: tuple[str, ...]) -> None:
    text = (
        "interval: 2s\nsources:\n  cgroups: ['!a: b', 'null', '', '#x']\n  pss_budget: 0.5%\n"
        "  processes: [{group: 'a, b', cmdline: 'main\\.py', limit: 1536MiB}, {group: c, user: root}]\n"
        "web: {listen_address: ['[::1]:80', ':81']}\nlimits: {series: 5}\n"
    )
    first, second = tmp_path / "a.yml", tmp_path / "b.yml"
    first.write_text(text)
    second.write_text(brimline("config", "print", *how, f"--config.file={first}").stdout)
    assert load({"config.file": str(second)}, {}).config == load({"config.file": str(first)}, {}).config


def test_the_schema_describes_every_section_and_default() -> None:
    schema = json.loads(brimline("config", "schema").stdout)
    assert list(schema["properties"]) == list(Config.model_fields)
    assert schema["properties"]["interval"]["default"] == "5s"
    assert schema["additionalProperties"] is False


class Answer(BaseHTTPRequestHandler):
    """Healthy under one path only."""

    def do_GET(self) -> None:
        healthy = self.path == "/-/healthy"
        self.send_response(200 if healthy else 503)
        self.end_headers()
        self.wfile.write(b"Brimline is healthy.\n" if healthy else b"the last reading is too old\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_healthcheck_of_a_healthy_one(port: int) -> None:
    result = brimline("healthcheck", env={"BRIMLINE_WEB_LISTEN_ADDRESS": f":{port}"})
    assert (result.exit_code, result.stdout) == (0, "Brimline is healthy.\n")


def test_healthcheck_of_an_unhealthy_one(port: int) -> None:
    result = brimline("healthcheck", f"--url=http://127.0.0.1:{port}/other")
    assert result.exit_code == 1
    assert result.stderr == f"Error: http://127.0.0.1:{port}/other: 503 the last reading is too old\n"


def test_healthcheck_of_nothing(port: int) -> None:
    result = brimline("healthcheck", "--url=127.0.0.1:12746")
    assert result.exit_code == 1
    assert 'write "http://127.0.0.1:12746/-/healthy"' in result.stderr
    assert brimline("healthcheck", f"--url=https://127.0.0.1:{port}/", "--timeout=0.2").exit_code == 1


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:12746/-/healthy"),
        ({"BRIMLINE_WEB_LISTEN_ADDRESS": "0.0.0.0:80,[::1]:81"}, "http://127.0.0.1:80/-/healthy"),
        ({"BRIMLINE_WEB_LISTEN_ADDRESS": "[::]:80"}, "http://127.0.0.1:80/-/healthy"),
        ({"BRIMLINE_WEB_LISTEN_ADDRESS": "[::1]:80"}, "http://[::1]:80/-/healthy"),
        ({"BRIMLINE_WEB_EXTERNAL_URL": "https://x/mem/"}, "http://127.0.0.1:12746/mem/-/healthy"),
        (
            {"BRIMLINE_WEB_EXTERNAL_URL": "https://x/mem/", "BRIMLINE_WEB_ROUTE_PREFIX": "/"},
            "http://127.0.0.1:12746/-/healthy",
        ),
    ],
)
def test_healthcheck_asks_the_one_with_the_same_variables(environ: dict[str, str], url: str) -> None:
    assert default_url(environ) == url


@pytest.mark.parametrize(
    ("text", "room", "short"),
    [("abc", 3, "abc"), ("abcdef", 5, "ab…ef"), ("abcdef", 4, "ab…f"), ("日本語日本語", 7, "日…語"), ("abc", 0, "…")],
)
def test_names_lose_their_middle(text: str, room: int, short: str) -> None:
    assert table.shorten(text, room) == short


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert table.coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not table.coloured()


def test_colours_do_not_move_columns() -> None:
    heads = (table.Heading("A"), table.Heading("B", right=True))
    rows = [(table.Cell("x", "red"), table.Cell("1"))]
    plain = table.render(heads, rows, 80, colour=False)
    painted = table.render(heads, rows, 80, colour=True)
    assert [click.unstyle(line) for line in painted] == plain
    assert painted != plain

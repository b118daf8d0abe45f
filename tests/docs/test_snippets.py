"""Every block of the documentation is what it says it is: YAML loads, shell parses, commands are taken."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from brimline.cli import commands
from brimline.web.api.operations import HEALTH, OPERATIONS
from docs import forms
from docs.blocks import Block, blocks_of, typed
from docs.pages import PAGES, ROOT, Page, page

ROUTES = {
    *((operation.method, operation.path) for operation in (*OPERATIONS, HEALTH)),
    *(("GET", path) for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/subject/{kind}/{name}")),
    *(("POST", path) for path in ("/-/reload", "/api/v1/alertmanager")),
}
INSTRUCTIONS = {"FROM", "COPY", "RUN", "CMD", "WORKDIR", "ENV", "USER", "ENTRYPOINT", "EXPOSE"}
# Programs whose own help is asked for verbs and flags, where they are installed.
HELP = {
    "docker build": ("docker", "build", "--help"),
    "podman run": ("podman", "run", "--help"),
    "pip install": (sys.executable, "-m", "pip", "install", "--help"),
    **dict.fromkeys(("systemctl daemon-reload", "systemctl enable", "systemctl reload"), ("systemctl", "--help")),
}
# Programs that cannot be had where the tests run, with what the documentation may say to them.
WRITTEN = {
    "docker compose": {"--detach", "--profile", "--volumes", "--build"},
    "gcloud run": {"--image", "--memory", "--no-cpu-throttling"},
}
# Programs that say nothing a test could ask about; `make`, `curl` and ours have tests of their own.
PLAIN = {"python", "python3", "sh", "printf", "openssl", "install", "gunicorn", "make", "curl", "brimline", "make-env"}
# Verbs that need nothing but files: they are run.
RUNS = {"rules", "config", "version", "completion"}


def each(*languages: str) -> pytest.MarkDecorator:
    blocks = [block for found in PAGES for block in blocks_of(found) if block.language in languages]
    return pytest.mark.parametrize("block", blocks, ids=[block.name for block in blocks])


def is_ours(words: list[str]) -> bool:
    return words[0].rpartition("/")[2] == "brimline"


COMMANDS = [
    pytest.param(words, id=f"{block.name} {' '.join(words)[:40]}")
    for found in PAGES
    for block in blocks_of(found)
    for words in typed(block)
]


def test_every_language_is_one_that_is_looked_at() -> None:
    languages = {block.language for found in PAGES for block in blocks_of(found)}
    assert languages <= {"", "yaml", "sh", "console", "json", "python", "dockerfile", "diff"}


@each("yaml")
def test_every_yaml_block_is_what_its_keys_say(block: Block) -> None:
    name = forms.kind_of(yaml.safe_load(block.text))
    assert name, "nothing knows what this is: give it a form in tests/docs/forms.py"
    forms.check(name, block.text)


@each("yaml")
def test_what_belongs_to_another_program_is_taken_by_it(block: Block, tmp_path: Path) -> None:
    called = forms.complete(forms.kind_of(yaml.safe_load(block.text)), block.text)
    if called is None:
        return
    command, files = called
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}: apt-get install prometheus prometheus-alertmanager")
    forms.write(files, tmp_path)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each("json")
def test_every_json_block_is_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except json.JSONDecodeError:
        assert [json.loads(line) for line in block.text.splitlines()]


@each("python")
def test_every_python_block_compiles_and_imports_what_is_there(block: Block) -> None:
    tree = ast.parse(block.text)
    if block.name.startswith("CONTRIBUTING.md"):
        return  # test_contributing.py does more: it runs them
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "brimline":
            module = import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name) or import_module(f"{node.module}.{alias.name}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hook":
            assert hasattr(import_module("brimline.hook"), node.attr)


@each("dockerfile")
def test_every_dockerfile_is_built_on_the_python_of_our_image(block: Block) -> None:
    lines = [line for line in block.text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert {line.split()[0] for line in lines} <= INSTRUCTIONS
    ours = re.search(r"^ARG PYTHON=(.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert ours is not None
    assert lines[0] == f"FROM {ours[1]}"


@each("sh")
def test_every_shell_block_is_shell(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def takes(words: list[str]) -> None:
    """Parse a command as the program would, without running it; what stands for something is written in capitals."""
    command: click.Command = commands()
    context = click.Context(command, info_name="brimline")
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        following = command.get_command(context, words[0])
        assert following is not None, f"no verb {words[0]}"
        command, words = following, words[1:]
    if words != ["--help"]:
        command.make_context("brimline", [word for word in words if word != "--help"], context)


@pytest.mark.parametrize("words", [one for one in COMMANDS if is_ours(one.values[0])])
def test_every_command_of_ours_is_taken_with_its_arguments(words: list[str]) -> None:
    takes(words[1:])


@pytest.mark.parametrize("words", [one for one in COMMANDS if one.values[0][0] == "curl"])
def test_every_address_that_is_fetched_is_served(words: list[str]) -> None:
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    (address,) = (word for word in words[1:] if "12746" in word)
    path = re.sub(r"^[^/]*(//[^/]*)?", "", address).partition("?")[0] or "/"
    assert is_served(method, path), f"{method} {path}"


def is_served(method: str, path: str) -> bool:
    patterns = (re.sub(r"\\{name\\}", ".+", re.escape(p)) for m, p in ROUTES if m == method)
    return any(re.fullmatch(re.sub(r"\\{kind\\}", "[a-z]+", pattern), path) for pattern in patterns)


@pytest.mark.parametrize("found", PAGES, ids=[found.name for found in PAGES])
def test_every_address_in_a_sentence_is_served(found: Page) -> None:
    ours = re.compile(r"(GET|POST) (/(?:api|health|metrics|subject|-)\b[^\s:]*)")
    named = [m for span in found.spans if (m := ours.fullmatch(span))]
    assert [m[0] for m in named if not is_served(m[1], m[2].replace("{kind}", "x"))] == []


def name_of(words: list[str]) -> str:
    """Return a command as it is named above: the program without its directory, and its verb."""
    program = words[0].rpartition("/")[2]
    return program if program in PLAIN else f"{program} {words[1]}"


@cache
def told(command: tuple[str, ...]) -> frozenset[str]:
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"(?<!\S)(?:--)?[a-z][\w-]*", text))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_other_program_is_known_and_takes_what_it_is_given(words: list[str]) -> None:
    name = name_of(words)
    assert name in {*HELP, *WRITTEN, *PLAIN}, "nothing looks at this program: see HELP, WRITTEN and PLAIN"
    written = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
    if name in WRITTEN:
        assert written <= WRITTEN[name]
    if name in HELP:
        if shutil.which(HELP[name][0]) is None:
            pytest.skip(f"no {HELP[name][0]}")
        assert written | {words[1]} <= told(HELP[name]) | {"build", "run", "install"}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_file_of_this_repository_that_is_typed_exists(words: list[str]) -> None:
    ours = re.compile(r"tools/[\w-]+|(?:deploy|alerts|tests|docs|benchmarks|requirements)[\w./-]*\.\w+")
    assert [word for word in words if ours.fullmatch(word) and not (ROOT / word).exists()] == []


FILES: Mapping[str, Callable[[], str]] = {
    "brimline.yml": lambda: "interval: 5s\n",
    "whisper.rules.yml": lambda: next(b.text for b in blocks_of(page("docs/rules.md")) if "InferenceMemory" in b.text),
    "history.csv": lambda: "time,name,ratio\n1700000000,whisper,0.5\n1700000060,whisper,0.9\n",
    "memory.csv": lambda: "time,name,bytes\n1700000000,whisper,1000000000\n1700000060,whisper,4200000000\n",
}


@pytest.mark.parametrize("words", [one for one in COMMANDS if is_ours(one.values[0]) and one.values[0][1] in RUNS])
def test_what_needs_only_files_is_run(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if {"--prometheus", "--journal"} & set(words):
        return  # tests/real has these
    monkeypatch.chdir(tmp_path)
    forms.write({name: text() for name, text in FILES.items()}, tmp_path)
    done = CliRunner().invoke(commands(), words[1:], env={"BRIMLINE_CONFIG_FILE": "brimline.yml"})
    assert done.exit_code == 0, done.output


def test_the_lines_to_paste_are_few_and_listen_where_the_image_does() -> None:
    (block,) = (b for b in blocks_of(page("README.md")) if b.language == "yaml" and "image: brimline:local" in b.text)
    assert len(block.text.splitlines()) <= 15
    service = yaml.safe_load(block.text)["services"]["brimline"]
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert service["ports"] == ["127.0.0.1:12746:12746"]
    assert "EXPOSE 12746" in image
    assert {volume.split(":")[1] for volume in service["volumes"]} >= set(
        re.findall(r"^VOLUME (.+)$", image, re.MULTILINE)
    )


def test_the_documentation_calls_things_as_the_stack_does() -> None:
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    brimline, text = stack["brimline"], "".join(page(name).text for name in ("README.md", "docs/deploy.md"))
    assert set(re.findall(r"\bimage: (brimline\S*)", text)) == {brimline["image"]}
    assert set(re.findall(r"--tag (\S+)", text)) == {brimline["image"]}
    assert set(re.findall(r"tcp://[\w-]+:\d+", text)) == {brimline["environment"]["BRIMLINE_SOURCES_DOCKER_HOST"]}
    assert set(re.findall(r"--profile (\w+)", text)) == {p for one in stack.values() for p in one.get("profiles", [])}
    demo = [name for name, one in stack.items() if "profiles" in one and name not in {"redis", "load"}]
    assert len(demo) == 5, "docs/deploy.md says five services"


def test_there_are_ten_words_and_twelve_answers_as_the_readme_says() -> None:
    words = page("docs/concepts.md").text.partition("| word |")[2].partition("\n\n")[0]
    assert words.count("\n| **") == 10
    answers = re.findall(r"^### (\d+)\. .+\?$", page("docs/faq.md").text, re.MULTILINE)
    assert answers == [str(number) for number in range(1, 13)]


def test_what_is_wrong_in_a_block_would_be_noticed() -> None:
    assert forms.kind_of({"intervall": "5s"}) == ""
    with pytest.raises(AssertionError, match="memory_limit"):
        forms.compose("services: {a: {image: b, memory_limit: 1}}")
    with pytest.raises(AssertionError, match="quotes"):
        forms.compose("services: {a: {image: b, labels: {brimline.restart: true}}}")
    with pytest.raises(AssertionError, match="no verb"):
        takes(["rules", "chek", "x.yml"])
    with pytest.raises(click.UsageError):
        takes(["rules", "check"])
    with pytest.raises(click.UsageError):
        takes(["explain", "--watch", "x"])
    assert not is_served("POST", "/api/v1/targets")
    assert not is_served("GET", "/api/v1/target")
    assert is_served("POST", "/api/v1/targets/container/a/b/pause")
    line = 'A=1 brimline run & exec "x y" | z  # no'
    assert typed(Block("", "sh", line)) == [["brimline", "run"], ["x y"], ["z"]]

"""What the documentation names exists: files, headings, verbs, flags, variables, labels, metrics, make targets."""

from __future__ import annotations

import re
from itertools import product
from urllib.parse import unquote

import click
import pytest

from brimline import levels
from brimline.actions import cleanup
from brimline.actions.containers import STOP_LABEL
from brimline.cli import commands
from brimline.config import Config
from brimline.labels import PROTECT_LABEL
from brimline.leaves import leaves
from brimline.loading import _SERVICE_LINK, FILE_VARIABLE
from brimline.metrics.catalog import by_name
from brimline.model import Kind, MetricKind
from brimline.policy.consent import RESTART_LABEL
from brimline.rules.watched import START_LABEL
from brimline.sources import docker_container
from docs.pages import PAGES, ROOT, Page, page

each_page = pytest.mark.parametrize("found", PAGES, ids=[page.name for page in PAGES])

# Flags of others that stand alone in a sentence, and whose they are.
FOREIGN = {
    "--regenerate-goldens": "pytest",
    "--name": "gunicorn",
    "--rm": "docker",
    "--max-requests": "gunicorn",
    "--limit-max-requests": "uvicorn",
}
# Words that look like a measure and are a kernel's or Compose's.
KERNELS = {"hierarchical_memory_limit"}
SUFFIXES = ("_bucket", "_sum", "_count")


def words_of(command: str) -> list[str]:
    """Return a command's words after `brimline`, without what stands before it; none where it is another program."""
    words = [w.strip("\"'") for w in re.split(r"\s+", re.split(r"\s[|>;&]|\s--\s", command)[0])]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words[1:] if words and words[0].rpartition("/")[2] == "brimline" else []


def resolve(words: list[str]) -> tuple[click.Command, list[str], str]:
    """Return the command that the words lead to, what is left of them, and the word that leads nowhere."""
    command: click.Command = commands()
    context = click.Context(command)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        following = command.get_command(context, words[0])
        if following is None:
            return command, words, words[0]
        command, words = following, words[1:]
    return command, words, ""


def options_of(command: click.Command) -> set[str]:
    found = {"--help", "-h"}
    for parameter in command.params:
        found |= {*parameter.opts, *parameter.secondary_opts}
    return found


def every_option(command: click.Command) -> set[str]:
    found = options_of(command)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None:
                found |= every_option(below)
    return found


OPTIONS = every_option(commands())


def expanded(text: str) -> list[str]:
    """Return `a_{b,c}_d` as `a_b_d` and `a_c_d`."""
    parts = [part.split(",") if i % 2 else [part] for i, part in enumerate(re.split(r"\{([\w,]+)\}", text))]
    return ["".join(one) for one in product(*parts)]


def is_metric(name: str) -> bool:
    if name.endswith("*"):
        return any(known.startswith(name[:-1]) for known in by_name())
    if name in by_name():
        return True
    base = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), "")
    return base in by_name() and by_name()[base].kind is MetricKind.HISTOGRAM


@each_page
def test_every_relative_link_leads_somewhere(found: Page) -> None:
    for link in found.links:
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (found.path.parent / file) if file else found.path
        assert target.exists(), f"{found.name}: {link}"
        if anchor:
            assert anchor in page(str(target.resolve().relative_to(ROOT))).anchors, f"{found.name}: {link}"


@each_page
def test_every_command_of_brimline_is_one(found: Page) -> None:
    for line in found.commands:
        words = words_of(line)
        command, rest, unknown = resolve(words)
        assert not unknown, f"{found.name}: `{line}`: no verb {unknown}"
        written = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert written <= options_of(command), f"{found.name}: `{line}`: {sorted(written - options_of(command))}"


@each_page
def test_every_flag_in_a_sentence_exists(found: Page) -> None:
    spans = {m[1] for span in found.spans if (m := re.fullmatch(r"(--[a-z][\w.-]*)(=.*)?", span))}
    dotted = set(re.findall(r"(?<![\w-])--[a-z]+\.[a-z.-]*[a-z]", found.text))
    assert (spans | dotted) - FOREIGN.keys() <= OPTIONS


@each_page
def test_every_variable_exists(found: Page) -> None:
    named = set(re.findall(r"\bBRIMLINE_[A-Z_]*[A-Z]\b(?!_)", found.text))
    known = {leaf.variable for leaf in leaves(Config)} | {FILE_VARIABLE}
    assert {name for name in named if not _SERVICE_LINK.fullmatch(name)} <= known


@each_page
def test_every_container_label_exists(found: Page) -> None:
    named = {m[1] for span in found.spans if (m := re.match(r"(brimline\.[a-z-]+)(?:=|$)", span))}
    files = {name for name in named if name.rpartition(".")[2] in {"yml", "yaml", "json", "py", "service"}}
    assert named - files <= {
        docker_container.ENABLE,
        docker_container.LIMIT,
        cleanup.LABEL,
        levels.ALERT_LABEL,
        levels.RESTART_LABEL,
        START_LABEL,
        STOP_LABEL,
        RESTART_LABEL,
        PROTECT_LABEL,
    }


@each_page
def test_every_metric_exists(found: Page) -> None:
    pattern = r"\b(?:brimline|container|machine)_[a-z][a-z_]*(?:\{[a-z,_]+\}[a-z_]*)*\*?"
    labels = {"container_label_", "container_id", "brimline_action"}
    labels |= {"brimline_host_files_open", "brimline_host_files_limit"}  # of the walk in CONTRIBUTING.md
    named = {name for text in re.findall(pattern, found.text) for name in expanded(text)}
    assert {name for name in named if name not in labels and not is_metric(name)} == set()


@each_page
def test_every_measure_exists(found: Page) -> None:
    measures = {name.removeprefix(f"brimline_{kind}_") for kind in Kind for name in by_name()}
    named = {s for span in found.spans for s in expanded(span) if re.fullmatch(r"memory_[a-z_]+", s)}
    assert named - KERNELS <= measures


@each_page
def test_every_make_target_exists(found: Page) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {m[1] for line in found.commands if (m := re.match(r"make ([a-z]+)\b", line))}
    assert named <= targets


def test_every_benchmark_has_a_short_run() -> None:
    """What `make bench ARGS=--quick` says goes to all of them."""
    programs = sorted((ROOT / "benchmarks").glob("bench_*.py"))
    assert programs
    assert [p.name for p in programs if 'add_argument("--quick"' not in p.read_text(encoding="utf-8")] == []


def test_the_readme_begins_with_its_two_commands() -> None:
    assert [line.split()[:2] for line in page("README.md").commands[:2]] == [["make", "run"], ["make", "test"]]


def test_the_picture_is_light_enough_to_be_loaded() -> None:
    pictures = [path for path in (ROOT / "docs/images").iterdir() if path.suffix == ".png"]
    assert pictures
    assert all(path.stat().st_size < 200_000 for path in pictures)


def test_the_changelog_names_the_version_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert version[1] in page("CHANGELOG.md").text


def test_what_is_no_word_of_ours_is_noticed() -> None:
    assert resolve(words_of("BRIMLINE_INTERVAL=2s brimline chek"))[2] == "chek"
    assert resolve(words_of("brimline config prnt"))[2] == "prnt"
    assert resolve(words_of("brimline config print --effective"))[1:] == (["--effective"], "")
    assert not words_of("docker run brimline")
    assert is_metric("brimline_tick_duration_seconds_bucket")
    assert is_metric("brimline_host_memory_*")
    assert not is_metric("brimline_container_memory_usd_bytes")
    assert expanded("a_{b,c}_d") == ["a_b_d", "a_c_d"]

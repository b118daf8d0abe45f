"""What CONTRIBUTING.md walks through is done to a copy of the repository; the copy's own tests say whether it works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from docs.pages import ROOT, page

CONTRIBUTING = page("CONTRIBUTING.md")
COPIED = ("exporter", "tests", "alerts", "docs", "pyproject.toml", "README.md", "debian-packages.txt")
IGNORED = shutil.ignore_patterns("__pycache__", "images", "real", "fuzz", "transcripts", "*.egg-info")


class SlipError(AssertionError):
    """A step that cannot be taken."""


def section(heading: str) -> str:
    return CONTRIBUTING.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def steps(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(python|diff)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def apply(language: str, block: str, root: Path) -> Path:
    """Make a new file, or change one: each hunk's lines must stand there once."""
    first, _, rest = block.partition("\n")
    path = root / first.removeprefix("# ").removeprefix("--- ")
    if language == "python":
        path.write_text(rest, encoding="utf-8")
        return path
    text = path.read_text(encoding="utf-8")
    for hunk in rest.split("@@\n"):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        places = [found.start() for found in re.finditer(f"^(?={re.escape(before)})", text, re.MULTILINE)]
        if len(places) != 1:
            raise SlipError(f"{first} holds this {len(places)} times:\n{before}")
        text = f"{text[: places[0]]}{after}{text[places[0] + len(before) :]}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=IGNORED)
        else:
            shutil.copy(ROOT / name, root / name)
    return root


def run(root: Path, *command: object) -> str:
    environ = {**os.environ, "PYTHONPATH": str(root / "exporter"), "PYTHONDONTWRITEBYTECODE": "1"}
    program = [str(Path(sys.executable).parent / str(command[0])), *map(str, command[1:])]
    done = subprocess.run(program, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def walked(copy: Path) -> Path:
    """Take every step of both walks."""
    for heading in ("Add a source", "Add a function of the rule language"):
        taken = [apply(language, block, copy) for language, block in steps(section(heading))]
        assert taken
        run(copy, "ruff", "check", "--no-cache", *(path for path in taken if path.suffix == ".py"))
        run(copy, "ruff", "format", "--no-cache", "--check", *(path for path in taken if path.suffix == ".py"))
    return copy


@pytest.fixture(scope="module")
def proved(walked: Path) -> set[str]:
    """Run the copy's tests in one go, as `make golden` does; return the files whose tests all hold."""
    units = ("files", "docs_metrics", "delta", "rules_windows", "rules_history", "docs_rules", "rules_lint")
    files = [*(f"tests/unit/test_{name}.py" for name in units), "tests/docs/test_architecture.py"]
    only = "not (every_file or every_name_in_a_file or table_is)"  # other pages, which nothing here changed
    run(walked, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--regenerate-goldens", "-k", only, *files)
    return set(files)


def test_the_source_has_its_place_and_its_tests_hold(walked: Path, proved: set[str]) -> None:
    assert {"tests/unit/test_files.py", "tests/docs/test_architecture.py"} <= proved
    assert "`brimline_host_files_open` | gauge |" in (walked / "docs/metrics.md").read_text(encoding="utf-8")
    run(walked, "lint-imports", "--no-cache")


def test_the_source_is_read_and_its_measures_may_stand_in_a_rule(walked: Path, tmp_path: Path) -> None:
    file = tmp_path / "files.rules.yml"
    file.write_text("groups: [{name: g, rules: [{alert: Files, on: host, when: files_open > 1}]}]\n", encoding="utf-8")
    assert "brimline_host_files_open > 1" in run(walked, "python", "-m", "brimline", "rules", "export", file)
    flags = ["--no-sources.docker.enabled", "--sources.cgroups=", "--sources.presets=", f"--rules={file}"]
    assert "Files" in run(walked, "python", "-m", "brimline", "check", *flags)


def test_the_function_is_that_of_prometheus_and_the_properties_hold(
    walked: Path, proved: set[str], tmp_path: Path
) -> None:
    assert {"tests/unit/test_delta.py", "tests/unit/test_rules_history.py", "tests/unit/test_docs_rules.py"} <= proved
    file = tmp_path / "delta.rules.yml"
    rule = "{alert: Rises, on: container, when: ['delta(memory_used_bytes, 10m) > 200MiB']}"
    file.write_text(f"groups: [{{name: g, rules: [{rule}]}}]\n", encoding="utf-8")
    twin = run(walked, "python", "-m", "brimline", "rules", "export", file)
    assert "delta(brimline_container_memory_used_bytes[10m]) > 209715200" in twin
    assert "1 rule" in run(walked, "python", "-m", "brimline", "rules", "check", file)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")
def test_the_function_is_compared_with_the_real_prometheus(walked: Path) -> None:
    compare = "from differential.comparing import compare; print(compare(seed=7, pairs=100))"
    found = run(walked, "python", "-c", f"import sys; sys.path[:0] = ['exporter', 'tests']; {compare}")
    assert ", 0 differences;" in found


def test_the_action_is_walked_in_the_order_in_which_it_is_called() -> None:
    walk = section("Add an action")
    called = [walk.index(f"actions/recycle.py:Recycle.{name}") for name in ("lacks", "prepare", "run", "verify")]
    assert called == sorted(called)


def test_the_licence_is_the_whole_apache_license() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_a_step_whose_place_is_gone_or_stands_twice_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\ntwo\n", encoding="utf-8")
    assert apply("diff", "--- a.py\n one\n+more\n", tmp_path).read_text(encoding="utf-8") == "one\nmore\ntwo\ntwo\n"
    with pytest.raises(SlipError, match="0 times"):
        apply("diff", "--- a.py\n-three\n+four\n", tmp_path)
    with pytest.raises(SlipError, match="2 times"):
        apply("diff", "--- a.py\n two\n+more\n", tmp_path)

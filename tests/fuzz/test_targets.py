"""Every parser of foreign bytes: the committed corpus, and some seconds of atheris; an hour each with `make fuzz`."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.targets import TARGETS

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
SECONDS = 2

each = pytest.mark.parametrize("name", sorted(TARGETS))


def test_each_target_has_a_corpus_and_each_corpus_a_target() -> None:
    assert {place.name for place in CORPUS.iterdir() if any(place.iterdir())} == TARGETS.keys()


@each
def test_the_corpus_holds(name: str) -> None:
    for seed in sorted((CORPUS / name).iterdir()):
        TARGETS[name](seed.read_bytes())


@each
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine")
def test_some_seconds_of_atheris(name: str, tmp_path: Path) -> None:
    corpus = shutil.copytree(CORPUS / name, tmp_path / name)
    command = [sys.executable, str(HERE / "drive.py"), name, str(SECONDS), str(corpus)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr

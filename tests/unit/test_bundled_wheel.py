"""The wheel carries the bundled files: installed from it, Brimline finds them with no checkout beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("brimline.rules.yml", "prometheus.rules.yml")
ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from brimline import bundled
assert bundled.__file__.startswith(sys.argv[1]), bundled.__file__
sys.stdout.buffer.write(bundled.text(sys.argv[2]).encode())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it, without a network."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("brimline-*.whl")
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packed", [False, True], ids=["installed", "as a zip"])
def test_a_bundled_file_is_read_from_the_wheel(name: str, wheel: Path, tmp_path: Path, *, packed: bool) -> None:
    place = wheel
    if not packed:
        place = tmp_path / "site"
        zipfile.ZipFile(wheel).extractall(place)
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", ASK, str(place), name], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / "alerts" / name).read_bytes()


def test_the_manual_page_and_the_completions_are_installed(wheel: Path) -> None:
    shared = {name.partition(".data/data/")[2] for name in zipfile.ZipFile(wheel).namelist()} - {""}
    assert shared == {
        "share/bash-completion/completions/brimline",
        "share/fish/vendor_completions.d/brimline.fish",
        "share/man/man1/brimline.1",
        "share/zsh/site-functions/_brimline",
    }


def test_the_styles_and_the_script_stand_beside_what_reads_them(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".css", ".js"))}
    assert names == {"brimline/web/page/page.css", "brimline/web/page/page.js", "brimline/cli/report/report.css"}

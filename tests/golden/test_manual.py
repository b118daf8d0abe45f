"""docs/brimline.1 and docs/completion are what the command line says of itself."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from brimline.cli import VERBS, commands
from conftest import Golden
from docs.manual import _escape, manual
from docs.pages import ROOT

PAGE = ROOT / "docs/brimline.1"


def test_the_manual_page_is_what_the_command_line_says(golden: Golden) -> None:
    golden(manual(commands()), PAGE)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_files_are_what_the_verb_prints(golden: Golden, shell: str) -> None:
    golden(CliRunner().invoke(commands(), ["completion", shell]).output, ROOT / f"docs/completion/brimline.{shell}")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_section(verb: str) -> None:
    assert f"\n.SS brimline {verb} " in manual(commands())


def test_every_flag_of_run_is_in_it() -> None:
    assert ".B \\-\\-web.listen\\-address ITEM\n" in manual(commands())


def test_nothing_becomes_a_macro_by_accident() -> None:
    assert [_escape(text) for text in (".x", "'x", "a\\b", "--x")] == ["\\&.x", "\\&'x", "a\\eb", "\\-\\-x"]
    known = {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".BR", ".RI", ".I", ".nf", ".fi", '.\\"'}
    used = {line.split()[0] for line in manual(commands()).splitlines() if line.startswith((".", "'"))}
    assert used <= known

"""Every kind of mistake in a configuration, word for word: one transcript a file, read by people and by this test.

A transcript is the command, the file and the variables it meets, what it prints and how it ends. With
--regenerate-goldens the outcome is written anew.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from brimline.cli import commands

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"


@dataclass(slots=True)
class Transcript:
    """One file's parts."""

    command: str
    files: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    outcome: str = ""


def read(text: str) -> Transcript:
    given, _, outcome = text.partition("--- outcome\n")
    first, _, rest = given.partition("\n")
    transcript = Transcript(first.removeprefix("$ "), outcome=outcome)
    for part in rest.split("--- ")[1:]:
        name, _, body = part.partition("\n")
        if name == "environment":
            transcript.environ = dict(line.split("=", 1) for line in body.splitlines())
        else:
            transcript.files[name] = body
    return transcript


@pytest.mark.parametrize("file", sorted(TRANSCRIPTS.glob("*.txt")), ids=lambda file: file.stem)
def test_transcript(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    text = file.read_text(encoding="utf-8")
    transcript = read(text)
    monkeypatch.chdir(tmp_path)
    for name, body in transcript.files.items():
        Path(name).write_text(body, encoding="utf-8")
    program, *arguments = shlex.split(transcript.command)
    assert program == "brimline"
    result = CliRunner(env=transcript.environ).invoke(commands(), arguments, prog_name=program)
    outcome = f"{result.output}exit {result.exit_code}\n"
    if request.config.getoption("--regenerate-goldens"):
        file.write_text(text.partition("--- outcome\n")[0] + "--- outcome\n" + outcome, encoding="utf-8")
    else:
        assert outcome == transcript.outcome


def test_there_are_transcripts() -> None:
    assert len(list(TRANSCRIPTS.glob("*.txt"))) > 20

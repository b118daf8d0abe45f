"""Every text of tests/hostile.py through metrics, logs, checks and terminals: one line stays one, and obeys nobody."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import hostile
from brimline import engine, logs
from brimline.cli import commands
from brimline.cli.check import text as check_text
from brimline.cli.check import verb as check_verb
from brimline.cli.check.watch import lines_of
from brimline.cli.explain.text import explanation
from brimline.config import Config
from brimline.deeds import Entry, EntryKind, Fate, Pause, Verdict
from brimline.dockerorders import _message
from brimline.journal.appending import append
from brimline.journal.file import open_to_append
from brimline.labels import LONGEST, printable, sanitise
from brimline.metrics import page
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import (
    SUBJECT_LABELS,
    Column,
    Kind,
    Metric,
    MetricKind,
    Now,
    Snapshot,
    SourceReport,
    Subject,
)
from brimline.standing import Measures, rows
from brimline.view import View
from unit.hostile_scenes import CALM, SUBJECTS, bad_scene, obeyed
from unit.journals import BOOT
from unit.notify_parts import outcome
from unit.page_scenes import AT, decision
from unit.web_faces import FakeFace, served

USED = Metric("brimline_container_memory_used_bytes", "Used.", MetricKind.GAUGE, SUBJECT_LABELS[Kind.CONTAINER])


def test_the_corpus_is_large_and_holds_one_of_each_kind() -> None:
    assert len(hostile.TEXTS) >= 200
    joined = "".join(hostile.TEXTS)
    for part in ("\x00", "\x1b[", "\u202e", "<script", "<!channel>", "|", "\n", "%s", "../", "\udcff", '"} 1', "{{"):
        assert part in joined


@pytest.mark.parametrize("clean", [sanitise, printable])
def test_what_is_let_in_can_be_printed_and_told_apart(clean: Callable[[str], str]) -> None:
    for text in hostile.TEXTS:
        told = clean(text)
        assert told.isprintable()
        assert clean(told) == told
        told.encode()
    assert all(len(sanitise(text)) <= LONGEST for text in hostile.TEXTS)
    assert (
        len({sanitise(text) for text in hostile.TEXTS}) >= len(hostile.TEXTS) - 8
    )  # such as "\n" and a written "\x0a"


def test_on_the_metrics_page_every_label_is_read_back_as_it_was() -> None:
    column = Column(USED, SUBJECTS, [float(number) for number in range(len(SUBJECTS))])
    plain = Renderer(series=10_000).render(Snapshot(Now(AT, 1.0), (SourceReport("test", (column,), 0.0),))).body
    wanted = {(s.name, s.name, s.name, float(n)) for n, s in enumerate(SUBJECTS)}
    both = (parse_text(plain.decode()), parse_openmetrics(page.openmetrics(plain).decode() + "# EOF\n"))
    for parsed in both:
        samples = [s for family in parsed for s in family.samples]
        found = {(*(s.labels[label] for label in USED.labels), s.value) for s in samples}
        assert found == wanted
        assert {s.name for s in samples} == {USED.name}


def test_in_our_own_families_too() -> None:
    metrics = SelfMetrics()
    metrics.acted.pauses = [Pause(name, AT, None, "cli ada") for name in hostile.NAMES]
    for subject in SUBJECTS:
        metrics.acted.concluded(decision(subject, Verdict.RUN, "full"), outcome(), Fate.DONE)
    for parsed in (
        parse_text(metrics.render(openmetrics=False).decode()),
        parse_openmetrics(metrics.render(openmetrics=True).decode()),
    ):
        families = {family.name: family.samples for family in parsed}
        assert {s.labels["glob"] for s in families["brimline_paused"]} >= set(hostile.NAMES)
        assert {s.labels["container"] for s in families["brimline_action_timestamp_seconds"]} == set(hostile.NAMES)


def written(formatter: logging.Formatter, text: str) -> str:
    """Return what a warning with this text, and an exception of the same, leaves on the stream."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    error = ValueError(text)
    record = logging.LogRecord("brimline.x", logging.WARNING, "x.py", 1, "%s", (text,), (ValueError, error, None))
    handler.emit(record)
    return stream.getvalue()


LOGFMT = re.compile(r'(?:^| )([a-z]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)')


@pytest.mark.parametrize("form", [logs.Logfmt, logs.Json])
def test_a_log_line_is_one_line_and_says_what_was_said(form: type[logging.Formatter]) -> None:
    for text in hostile.TEXTS:
        line = written(form(), text)
        assert line.endswith("\n")
        assert line.count("\n") == 1, text
        assert len(line.splitlines()) == 1, text
        assert obeyed(line) == [], text
        line.encode()
        if form is logs.Json:
            fields = json.loads(line)
        else:
            assert LOGFMT.sub("", line).strip() == "", text
            fields = {k: json.loads(v) if v.startswith('"') else v for k, v in LOGFMT.findall(line.rstrip("\n"))}
        assert fields["msg"] == text
        assert fields["level"] == "warn"
        assert sorted(fields) == ["error", "level", "logger", "msg", "ts"]


def test_a_stranger_who_speaks_no_http_fills_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.root.handlers[:], logging.root.level

    async def check() -> None:
        async with served(FakeFace(bad_scene(CALM)[0].view())) as running:
            port = int(running.addresses[0].rpartition(":")[2])
            for text in (*hostile.TEXTS[::7], "GET /" + "a" * 9000):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(text.encode("utf-8", "surrogateescape") + b"\r\n\r\n")
                writer.write_eof()
                told = await reader.read()
                assert told.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")) or not told, text
                writer.close()

    try:
        logs.set_up("info", "logfmt")
        asyncio.run(check())
        assert capsys.readouterr().err == ""
        logging.getLogger("aiohttp.server").error("a bug", exc_info=ValueError("a bug of ours"))
        assert "a bug of ours" in capsys.readouterr().err
    finally:
        logging.root.handlers[:], logging.root.level = handlers, level


PERFDATA = re.compile(r"'(?:[^']|'')*'=\d+\.\d%;80;85;0;100")  # nagios-plugins.org/doc/guidelines.html#AEN197


def test_a_check_is_one_line_of_words_and_perfdata_that_can_be_read() -> None:
    for text in hostile.TEXTS:
        scene, _ = bad_scene(text)
        line = check_text.status_line(check_text.Result(scene.view(), (), ()), perfdata=True)
        words, bar, perfdata = line.partition(" | ")
        assert bar, text
        assert "|" not in words, text
        assert "|" not in PERFDATA.sub("", perfdata), text
        assert PERFDATA.sub("", perfdata).strip() == "", (text, perfdata)
        assert len(line.splitlines()) == 1, text
        assert obeyed(line) == [], text


def run(view: View, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    async def observe(_: Config, __: object) -> View:
        return view

    monkeypatch.setattr(check_verb, "observe", observe)
    return CliRunner(env={"COLUMNS": "100"}).invoke(check_verb.check, [*arguments])


def test_check_says_no_more_to_a_terminal_than_letters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for text in hostile.TEXTS[::4]:
        scene, _ = bad_scene(text)
        for arguments in ((), ("--json",), (text.replace("\x00", "") or "x",)):
            result = (
                run(scene.view(), monkeypatch, "--", *arguments)
                if arguments[:1] != ("--json",)
                else run(scene.view(), monkeypatch, "--json")
            )
            assert obeyed(result.output) == [], (text, arguments)
            assert result.exit_code in {2, 3}, result.output


def test_explain_and_the_lines_of_watch_neither() -> None:
    for text in hostile.TEXTS:
        scene, _ = bad_scene(text)
        measures = Measures(scene.view())
        for row in rows(measures):
            told = "\n".join(explanation(row, measures, 100, colour=False))
            assert obeyed(told) == [], text
        for line in lines_of(rows(measures), measures, [], {}):
            assert obeyed(line) == [], text
            assert len(line.splitlines()) == 1


def test_journal_and_status_neither_and_every_entry_is_one_line(tmp_path: Path) -> None:
    with closing(open_to_append(tmp_path)) as connection:
        for number, text in enumerate(sorted(hostile.TEXTS, key=str.isprintable, reverse=True)):
            name = sanitise(text) or "x"
            subject = Subject(Kind.CONTAINER, name, (name, name, name), "c1")
            kind = EntryKind.OUTCOME if number % 2 else EntryKind.NOTE
            append(connection, Entry(kind, Now(AT + number, 1.0), text, subject, "restart", "d1", {"ok": True}), BOOT)
        connection.commit()
    runner = CliRunner(env={"COLUMNS": "100"})
    for words in (
        ("journal", "--since=100y"),
        ("journal", "--since=100y", "--json"),
        ("status",),
        ("status", "--json"),
    ):
        result = runner.invoke(commands(), [*words, f"--storage.path={tmp_path}"], prog_name="brimline")
        assert result.exit_code in {0, 3}, result.output
        assert obeyed(result.output) == [], words
        if words[0] == "journal":
            assert len(result.output.splitlines()) == len(hostile.TEXTS), words


def test_what_a_source_fails_with_is_cleaned_where_it_comes_in() -> None:
    for text in hostile.TEXTS:
        status = engine.Engine._status(_Counting(), SourceReport("docker", (), error=text))  # type: ignore[arg-type]
        assert status.error is not None
        assert obeyed(status.error) == []
        assert len((status.error + "x").splitlines()) == 1


class _Counting:
    def __init__(self) -> None:
        self._errors = {"docker": 1}


def test_what_an_engine_answers_is_cleaned_too() -> None:
    for text in hostile.TEXTS:
        told = _message(500, json.dumps({"message": text}).encode())
        assert obeyed(told) == []
        assert "\n" not in told

"""What a message says in each shape; ours against its published schema, fingerprints against Prometheus's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from brimline.actions import messages
from brimline.actions.messages import Notice, OwnAlert
from brimline.actions.shapes import NEVER, SHAPES, Frame, fingerprint, headline, moment
from brimline.deeds import Fate, Verdict
from unit.notify_parts import alert, decision, outcome

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/webhook.schema.json").read_text(encoding="utf-8"))
FIRED = messages.fired(alert(), {"summary": "web holds 90 %"})
RESOLVED = messages.resolved(FIRED, 1_700_000_090.0, "a new incarnation")
DONE = messages.concluded(decision(alert()), outcome(), Fate.DONE, FIRED)
FAILED = messages.concluded(decision(alert()), outcome(ok=False), Fate.FAILED, FIRED)
REFUSED = messages.refused(decision(alert(), Verdict.BUDGET_SUBJECT, reason="3 restarts this hour"), FIRED)
BY_HAND = messages.concluded(decision(id="01J1"), outcome(), Fate.DONE, None)
OWN = messages.own(OwnAlert("BrimlineJournalDown", "the disk is full", 1_700_000_000.0, "critical"))
ALL = {
    "fired": FIRED,
    "resolved": RESOLVED,
    "done": DONE,
    "failed": FAILED,
    "refused": REFUSED,
    "by hand": BY_HAND,
    "own": OWN,
}
each = pytest.mark.parametrize("notice", ALL.values(), ids=ALL)


def shaped(name: str, *notices: Notice, **frame: Any) -> Any:  # noqa: ANN401 - JSON
    return json.loads(SHAPES[name](Frame("hook", notices, **frame)))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@each
def test_every_notice_in_our_shape_is_as_the_schema_says(notice: Notice) -> None:
    Draft202012Validator(SCHEMA).validate(shaped("json", notice, truncated=3, external_url="http://b/", durable=False))


def test_the_schema_names_every_event() -> None:
    assert set(SCHEMA["$defs"]["notice"]["properties"]["event"]["enum"]) == set(messages.Event)


def test_what_our_shape_says_of_an_action() -> None:
    (told,) = shaped("json", DONE)["notices"]
    assert (told["event"], told["status"], told["action"], told["action_id"], told["outcome"]) == (
        "action_done",
        "firing",
        "restart",
        "01J0",
        "done",
    )
    assert told["text"] == "restart of container web: running again after 2.0 s"
    assert (told["annotations"]["freed_bytes"], told["annotations"]["downtime_seconds"]) == ("600", "2.000")
    assert told["fingerprint"] == fingerprint(FIRED.labels), "it is told as the alert that asked for it"


def test_an_action_that_nobody_waits_for_is_over_when_it_is_told() -> None:
    (told,) = shaped("alertmanager", BY_HAND)["alerts"]
    assert (told["status"], told["labels"]["alertname"]) == ("resolved", "BrimlineAction")
    assert told["annotations"]["asked_by"] == "cli ann"


def test_the_message_of_alertmanager_says_what_its_alerts_share() -> None:
    other = messages.fired(alert("api"), {"summary": "api holds 90 %"})
    told = shaped("alertmanager", FIRED, other, truncated=2, external_url="http://brimline/")
    assert (told["version"], told["status"], told["truncatedAlerts"], told["receiver"]) == ("4", "firing", 2, "hook")
    assert told["groupLabels"] == {"alertname": "High", "severity": "critical"}
    assert told["groupKey"] == '{}:{alertname="High", severity="critical"}'
    assert told["commonLabels"] == {
        "alertname": "High",
        "severity": "critical",
        "compose_project": "shop",
        "team": "ml",
    }
    assert told["commonAnnotations"] == {}
    assert told["alerts"][0]["endsAt"] == NEVER
    assert told["alerts"][0]["startsAt"] == "2023-11-14T22:13:20.000Z"


def test_the_message_is_resolved_only_when_all_of_it_is() -> None:
    assert shaped("alertmanager", RESOLVED)["status"] == "resolved"
    assert shaped("alertmanager", RESOLVED, FIRED)["status"] == "firing"


@pytest.mark.parametrize("shape", SHAPES)
@each
def test_a_message_that_stands_in_no_journal_says_so(shape: str, notice: Notice) -> None:
    durable, once = (SHAPES[shape](Frame("hook", [notice], durable=durable)) for durable in (True, False))
    assert durable != once
    assert (b"journal is down" in once) or (b'"durable": false' in once) or (b'"durable": "false"' in once)


def test_slack_reads_no_markup_out_of_a_name() -> None:
    evil = messages.fired(alert(), {"summary": "<!channel> & co"})
    told = shaped("slack", evil)
    assert "<!channel>" not in json.dumps(told)
    assert "&lt;!channel&gt; &amp; co" in told["attachments"][0]["blocks"][0]["text"]["text"]


def test_a_hundred_alerts_are_spelled_out_in_part_and_counted_in_whole() -> None:
    many = [messages.fired(alert(f"web-{n}"), {}) for n in range(100)]
    told = shaped("slack", *many, truncated=20)
    body = told["attachments"][0]["blocks"][0]["text"]["text"]
    assert told["text"] == "[FIRED: 120] High"
    assert body.endswith("and 100 more")
    assert len(body) < 3000


@pytest.mark.parametrize(
    ("notices", "says"),
    [
        ([FIRED], "[FIRED] web holds 90 %"),
        ([RESOLVED], "[RESOLVED] High is over for web: a new incarnation"),
        ([REFUSED], "[REFUSED] restart of container web is not done (budget_subject): 3 restarts this hour"),
        ([FIRED, OWN], "[FIRED: 2] several alerts"),
        ([FIRED, RESOLVED], "[MIXED: 2] High"),
    ],
)
def test_the_headline(notices: list[Notice], says: str) -> None:
    assert headline(Frame("hook", notices)) == says


@pytest.mark.parametrize(
    ("notice", "kind"), [(FIRED, "failure"), (FAILED, "failure"), (REFUSED, "warning"), (DONE, "success")]
)
def test_what_apprise_is_handed(notice: Notice, kind: str) -> None:
    told = shaped("text", notice)
    assert (told["type"], set(told)) == (kind, {"title", "body", "type"})


def test_the_fingerprint_depends_on_names_and_values_and_not_on_their_order() -> None:
    # FNV-1a's offset; tests/real/test_live_alertmanager.py holds others against a real Alertmanager.
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"b": "2", "a": "1"}) == fingerprint({"a": "1", "b": "2"}) != fingerprint({"a": "2", "b": "1"})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_moment_is_written_whatever_the_clock_says(wall: float) -> None:
    assert moment(wall).endswith("Z")


@each
def test_a_notice_that_was_saved_is_the_same(notice: Notice) -> None:
    assert messages.loads(messages.dumps(notice)) == notice


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"event": "alert_fired"}', '{"event": "x"}', "nonsense"])
def test_what_is_no_notice_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own is one too
        messages.loads(text)


def test_the_id_of_a_notice_tells_every_firing_from_every_other() -> None:
    same = messages.fired(alert(), {"summary": "now 95 %"})
    later = messages.fired(alert(since=1_700_000_001.5), {})
    other = messages.fired(alert("api"), {})
    assert FIRED.id == same.id
    assert len({notice.id for notice in (FIRED, later, other, *ALL.values())}) == len(ALL) + 2


def test_an_empty_label_is_none() -> None:
    assert "note" not in messages.fired(alert(labels=(("note", ""),)), {}).labels


def test_a_value_that_is_no_number_is_left_out() -> None:
    notice = messages.fired(alert(value=float("nan")), {})
    assert json.loads(SHAPES["json"](Frame("hook", [notice])))["notices"][0]["value"] is None

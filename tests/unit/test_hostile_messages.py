"""Every text of tests/hostile.py through the messages: no link, no mention, and one line a notice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import hostile
from brimline.actions import messages
from brimline.actions.messages import Notice, OwnAlert
from brimline.actions.shapes import SHAPES, Frame
from brimline.deeds import Fate, Verdict
from brimline.labels import sanitise
from unit.cli_views import container
from unit.hostile_scenes import obeyed
from unit.notify_parts import alert as fired_alert
from unit.notify_parts import decision as decided
from unit.notify_parts import outcome
from unit.page_scenes import AT


def notices(text: str) -> list[Notice]:
    """Return what is told where everything that somebody else says is this text."""
    name = sanitise(text) or "x"
    one = fired_alert(subject=container(name, name, name))
    told = messages.fired(one, {"summary": text, "description": text})
    return [
        told,
        messages.resolved(told, AT + 90, text),
        messages.concluded(decided(one), replace(outcome(), detail=text), Fate.DONE, told),
        messages.refused(decided(one, Verdict.NOT_OPTED_IN, reason=text), told),
        messages.own(OwnAlert("BrimlineJournalDown", text, AT, "critical")),
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_json_that_holds_no_raw_byte(shape: str) -> None:
    for text in hostile.TEXTS:
        found = notices(text)
        for body in [SHAPES[shape](Frame("hook", [one])) for one in found] + [SHAPES[shape](Frame("hook", found))]:
            assert isinstance(json.loads(body), dict)
            assert body.isascii(), "what is escaped cannot be broken by whoever passes it on"


def slack_texts(body: dict[str, Any]) -> Iterator[str]:
    yield body["text"]
    for attachment in body["attachments"]:
        yield attachment["fallback"]
        for block in attachment["blocks"]:
            assert block["text"]["verbatim"] is True, "or Slack makes links and mentions of plain words"
            yield block["text"]["text"]


def test_slack_is_told_nothing_it_would_follow_or_call_somebody_by() -> None:
    for text in hostile.TEXTS:
        for frame in (*(Frame("hook", [one]) for one in notices(text)), Frame("hook", notices(text))):
            body = json.loads(SHAPES["slack"](frame))
            assert (body["mrkdwn"], body["link_names"], body["unfurl_links"]) == (False, False, False)
            for told in slack_texts(body):
                assert "<" not in told, text
                assert ">" not in told, text
                assert re.sub(r"&(?:amp|lt|gt);", "", told).count("&") == 0, text
                assert obeyed(told) == [], text


def test_only_our_own_address_is_a_link() -> None:
    body = json.loads(
        SHAPES["slack"](Frame("hook", notices("<https://evil.example|x>"), external_url="https://b/?a&b"))
    )
    block = body["attachments"][0]["blocks"][0]["text"]["text"]
    assert re.findall(r"<[^>]*>", block) == ["<https://b/?a&amp;b>"]


def test_one_notice_is_one_line_for_people() -> None:
    for text in hostile.TEXTS:
        body = json.loads(SHAPES["text"](Frame("hook", notices(text))))
        assert len(body["body"].splitlines()) == len(notices(text)) or len(body["body"]) > 2800, text
        assert len(body["title"].splitlines()) == 1
        for one in notices(text):
            assert obeyed(json.loads(SHAPES["text"](Frame("hook", [one])))["title"]) == [], text

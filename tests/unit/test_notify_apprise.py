"""Messages through apprise, with a stand-in for the package; without it a configuration that names it is refused."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from brimline.actions import apprise
from brimline.actions.apprise import Apprise
from brimline.actions.sender import Sent
from brimline.errors import ConfigError
from unit.notify_parts import message

BODY = json.dumps({"title": "[FIRED] web", "body": "web is full", "type": "failure"}).encode()


@dataclass
class Services:
    """Stands in for apprise.Apprise."""

    answer: bool | Exception | threading.Event = True
    added: list[object] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)

    def add(self, what: object) -> bool:
        self.added.append(what)
        return not (isinstance(what, str) and what.startswith("nonsense://"))

    def notify(self, **told: str) -> bool:
        self.told.append(told)
        if isinstance(self.answer, threading.Event):
            self.answer.wait(30)
            return True
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Config:
    """Stands in for apprise.AppriseConfig."""

    files: ClassVar[list[str]] = []

    def add(self, file: str) -> bool:
        self.files.append(file)
        return True

    def servers(self) -> list[str]:
        return Path(self.files[-1]).read_text().split()


@pytest.fixture
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("apprise")
    library.Apprise, library.AppriseConfig = Services, Config  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", library)


def sent(sender: Apprise) -> tuple[Sent, str]:
    one = message()
    receipt = asyncio.run(sender.send(type(one)(one.id, one.target, one.kind, BODY, 0.0)))
    return receipt.sent, receipt.detail


@pytest.mark.usefixtures("_library")
def test_a_message_reaches_the_service_with_title_text_and_type() -> None:
    (sender,) = apprise.load({"tgram-1": "tgram://S3cret/1"})
    services: Any = sender._services
    assert sent(sender) == (Sent.DELIVERED, "")
    assert services.added == ["tgram://S3cret/1"]
    assert services.told == [{"title": "[FIRED] web", "body": "web is full", "notify_type": "failure"}]


@pytest.mark.usefixtures("_library")
def test_a_file_of_services_is_one_target(tmp_path: Path) -> None:
    file = tmp_path / "apprise.yml"
    file.write_text("tgram://S3cret/1\n")
    (sender,) = apprise.load({"file": str(file)})
    assert sender.name == "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="names no service"):
        apprise.load({"file": str(file)})


@pytest.mark.usefixtures("_library")
def test_what_cannot_be_used_is_refused_all_at_once_and_without_its_secret() -> None:
    with pytest.raises(ConfigError) as refused:
        apprise.load({"a": "nonsense://S3cret", "b": "/no/such/file"})
    assert [str(problem) for problem in refused.value.problems] == [
        'notify.apprise: apprise cannot use the address "nonsense://***"; see the documentation of its service',
        'notify.apprise: no file "/no/such/file"; write an address such as "tgram://token/chat", or a file of apprise',
    ]


def test_without_the_package_its_addresses_are_refused_and_none_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert apprise.load({}) == []
    with pytest.raises(ConfigError, match=r"run: pip install 'brimline\[notify\]'"):
        apprise.load({"a": "tgram://x/1"})


@pytest.mark.parametrize("answer", [False, RuntimeError("token S3cret is wrong")])
def test_what_the_service_refuses_is_a_failure_without_a_secret(answer: bool | Exception) -> None:  # noqa: FBT001 - a case
    outcome, detail = sent(Apprise("a", "tgram://S3cret/1", Services(answer)))
    assert outcome is Sent.FAILED
    assert detail == "tgram://***: apprise could not deliver it; the log says why"


def test_a_service_that_hangs_holds_one_thread_and_no_more() -> None:
    hung = threading.Event()
    services = Services(hung)
    sender = Apprise("a", "tgram://S3cret/1", services, seconds=0.05)
    assert sent(sender) == (Sent.FAILED, "tgram://***: no answer within 0.05 s")
    assert sent(sender) == (Sent.FAILED, "tgram://***: an earlier message still waits for an answer")
    assert len(services.told) == 1
    hung.set()
    assert sender._thread is not None
    sender._thread.join(30)
    sender._seconds = 30
    assert sent(sender)[0] is Sent.DELIVERED

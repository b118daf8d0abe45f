"""A secret of the configuration cannot be printed: not by repr, a format, a traceback, nor in a log line."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from brimline import logs
from brimline.actions.notify_options import NotifyOptions
from brimline.config import Config
from brimline.redaction import SecretAddress, SecretText, hide_addresses, hide_secrets

CANARY = "S3cretCanary"
AUTHORITY = f"ann:{CANARY}@host:9"
WRITTEN = {
    "web": {"external_url": f"https://{AUTHORITY}/b"},
    "sources": {"docker": {"host": f"tcp://{AUTHORITY}", "action_host": f"https://{AUTHORITY}"}},
    "actions": {
        "cleanup": {"web": f"http://{AUTHORITY}/cleanup?access_token={CANARY}&level=2"},
        "restart": {"drain": {"web": {"post": f"http://{AUTHORITY}/", "gauge": f"http://{AUTHORITY}/g"}}},
    },
    "notify": {
        "alertmanagers": [f"http://{AUTHORITY}/{CANARY}"],
        "webhooks": [{"url": f"https://hooks.example/{CANARY}?t={CANARY}", "headers": {"X-Token": CANARY}}],
        "apprise": [f"tgram://{CANARY}/1"],
    },
}


def fails(config: Config) -> None:
    hook, address = config.notify.webhooks[0], config.notify.alertmanagers[0]
    raise RuntimeError(f"{config} {hook!r} {hook.headers} {address} {address!r} {config.actions.cleanup['web'][:5]}")


@pytest.mark.parametrize(
    "printed",
    [
        repr,
        str,
        lambda config: f"{config}{config!r}{config:}",
        lambda config: f"{config.notify} {config.notify.webhooks} {config.actions!r} {config.sources.docker}",
        lambda config: json.dumps(config.model_dump()["notify"]),
        lambda config: config.notify.model_dump_json(),
        lambda config: "%s %r" % (config.notify.apprise, config.notify.alertmanagers),  # noqa: UP031 - as a log does
    ],
)
def test_however_it_is_printed_no_secret_is_seen(printed: Callable[[Config], str]) -> None:
    text = printed(Config.model_validate(WRITTEN))
    assert CANARY not in text
    assert "***" in text


def test_a_traceback_shows_none_even_where_it_shows_every_variable() -> None:
    config = Config.model_validate(WRITTEN)
    try:
        fails(config)
    except RuntimeError as error:
        frame = traceback.TracebackException.from_exception(error, capture_locals=True)
        told = "".join(frame.format())
    frames = told.partition("in fails")[2]  # this test's own frame holds nothing but what it wrote itself
    assert "hook = WebhookOptions(" in frames
    assert CANARY not in frames


def test_what_pydantic_says_of_a_mistake_shows_none() -> None:
    with pytest.raises(ValidationError) as refused:
        NotifyOptions.model_validate({"webhooks": [{"url": f"ftp://{CANARY}"}], "apprise": CANARY, CANARY[:0]: CANARY})
    assert CANARY not in str(refused.value)
    assert CANARY not in repr(refused.value)


def test_a_secret_is_still_what_was_written() -> None:
    config = Config.model_validate(WRITTEN)
    assert config.notify.webhooks[0].url.get_secret_value() == WRITTEN["notify"]["webhooks"][0]["url"]  # type: ignore[index]
    assert config.notify.webhooks[0].headers["X-Token"].get_secret_value() == CANARY
    assert SecretAddress("http://a/b") == SecretAddress("http://a/b") != SecretAddress("http://a/c")
    assert f"{SecretText(CANARY)}{SecretText(CANARY)!r}".count("***") == 2


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What stands on standard error, where logs go."""
    handlers, level = logging.root.handlers[:], logging.root.level
    names = {name: logging.getLogger(name).level for name in ("apprise", "urllib3", "requests")}
    yield lambda: capsys.readouterr().err
    logging.root.handlers[:], logging.root.level = handlers, level
    for name, before in names.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_no_line_of_ours_or_of_a_library_holds_one(form: str, lines: Callable[[], str]) -> None:
    logs.set_up("debug", form)  # type: ignore[arg-type]
    logging.getLogger("urllib3.connectionpool").debug('"POST /bot%s/sendMessage HTTP/1.1" 200', CANARY)
    logging.getLogger("apprise").info("Telegram URL: https://api.telegram.org/bot%s/", CANARY)
    logging.getLogger("apprise").warning("Failed to send to tgram://%s/1 (https://api.example/bot%s/x)", CANARY, CANARY)
    logging.getLogger("brimline.x").error("asking http://%s/ failed", AUTHORITY)
    logging.getLogger("brimline.x").error("a bug", exc_info=ValueError(f"http://{AUTHORITY}/"))
    told = lines()
    assert CANARY not in told
    assert "Failed to send to tgram://*** (https://api.example/***" in told
    assert told.count("\n") == 3


def test_of_addresses_in_a_text_only_hosts_are_left() -> None:
    told = 'found "https://hooks.example/T0/S3?x=S3" and mailto://u:S3@h and http://am:9093; nothing else'
    assert hide_addresses(told) == 'found "https://hooks.example/***" and mailto://*** and http://am:9093; nothing else'


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("http://ann:S3@h:1/a?b=c", "http://***@h:1/a?b=c"),
        ("http://ann:p@S3@h:1/a@b?c=d@e", "http://***@h:1/a@b?c=d@e"),
        ("http://h?to=a@b", "http://h?to=a@b"),
        ("POST http://h/a?token=S3 answered 500", "POST http://h/a?token=*** answered 500"),
        ("http://h/a?x=1&api-key=S3&y=2#z", "http://h/a?x=1&api-key=***&y=2#z"),
        ('found "http://h/?X-Amz-Signature=S3"; write', 'found "http://h/?X-Amz-Signature=***"; write'),
        ("http://h/metrics?name[]=a&level=2", "http://h/metrics?name[]=a&level=2"),
        ("is it a key=value?", "is it a key=value?"),
    ],
)
def test_of_an_address_that_is_shown_whole_its_credentials_are_not(told: str, shown: str) -> None:
    assert hide_secrets(told) == shown


@pytest.mark.parametrize("piece", ["key", "?key", "&token", "a", "://", "://a@", "x://y", "@", "http://a:b", "?a=b&"])
def test_hiding_takes_no_longer_than_reading(piece: str) -> None:
    long = piece * (200_000 // len(piece))
    began = time.process_time()
    hide_secrets(long)
    hide_addresses(long)
    assert time.process_time() - began < 5, "it is quadratic"  # seen: below 0.2 s

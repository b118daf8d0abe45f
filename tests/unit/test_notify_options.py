"""The options of `notify:`: what is refused, and that no secret is shown."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from brimline.actions.notify_options import NotifyOptions, WebhookOptions
from brimline.redaction import shown


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("https://hooks.slack.com/services/T0/B0/S3cret", "https://hooks.slack.com/***"),
        ("http://alertmanager:9093", "http://alertmanager:9093"),
        ("http://alertmanager:9093/", "http://alertmanager:9093/"),
        ("https://ann:S3cret@host/x?y=S3cret", "https://host/***"),
        ("https://host?token=S3cret", "https://host"),
        ("https://a:S3@cret@host", "https://host"),
        ("tgram://S3cret/123", "tgram://***"),
        ("/etc/brimline/apprise.yml", "/etc/brimline/apprise.yml"),
    ],
)
def test_of_an_address_only_its_host_is_shown(address: str, seen: str) -> None:
    assert shown(address).rstrip("/") == seen.rstrip("/")
    assert "S3" not in shown(address)


def test_what_is_printed_holds_no_secret_and_loads_again() -> None:
    options = NotifyOptions.model_validate(
        {
            "alertmanagers": ["http://ann:S3cret@alertmanager:9093"],
            "webhooks": [{"url": "https://host/S3cret", "headers": {"Authorization": "Bearer S3cret"}}],
            "apprise": ["tgram://S3cret/123"],
        }
    )
    printed = options.model_dump()
    assert "S3cret" not in repr(printed)
    assert printed["webhooks"][0]["url"] == "https://host/***"
    NotifyOptions.model_validate(printed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks": [{"url": "hooks.example/S3cret"}]},
        {"webhooks": [{"url": "ftp://host/S3cret"}]},
        {"webhooks": [{"url": "http://[S3cret"}]},
        {"webhooks": [{"url": "http://host/a b"}]},
        {"webhooks": [{"url": "http://host:99999/"}]},
        {"webhooks": [{"url": "http://h/", "headers": {"webhook-id": "x"}}]},
        {"webhooks": [{"url": "http://h/", "headers": {"Content-Type": "x"}}]},
        {"webhooks": [{"url": "http://h/", "headers": {"a b": "x"}}]},
        {"webhooks": [{"url": "http://h/", "headers": {"A": "x\r\nB: y"}}]},
        {"webhooks": [{"url": "http://h/", "timeout": "2m"}]},
        {"webhooks": [{"url": "http://h/", "shape": "xml"}]},
        {"webhooks": [{"url": "http://h/", "name": "a"}, {"url": "http://i/", "name": "a"}]},
        {"webhooks": [{"url": "http://h/"}, {"url": "http://h/"}]},
        {"group_wait": "1h"},
        {"burst": "0"},
        {"message_every": "0s"},
    ],
)
def test_what_cannot_be_meant_is_refused_and_not_shown(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        NotifyOptions.model_validate(wrong)
    assert not [error["msg"] for error in refused.value.errors() if "S3cret" in error["msg"]]


def test_a_target_keeps_its_name_over_restarts_and_tells_nothing() -> None:
    one = WebhookOptions(url="https://hooks.slack.com/services/S3cret")
    assert one.target == WebhookOptions(url="https://hooks.slack.com/services/S3cret").target
    assert one.target.startswith("hooks.slack.com-")
    assert one.target != WebhookOptions(url="https://hooks.slack.com/services/other").target
    assert WebhookOptions(url="https://h/", name="ops").target == "ops"
    assert list(NotifyOptions(apprise=("tgram://S3cret/1",)).apprise_targets)[0].startswith("tgram-")  # noqa: RUF015

"""Sends one message to one webhook. What is not a 2xx is a failure with a sentence; a redirect is never followed."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from brimline.actions import signing
from brimline.actions.notify_options import WebhookOptions
from brimline.actions.sender import Receipt, Sent
from brimline.deeds import Message
from brimline.errors import ActionError, UnreachableError
from brimline.httpclient import HttpAnswer, HttpClient
from brimline.model import Clock
from brimline.redaction import hide_secrets, shown

_LONGEST_SECRET: Final = 4096  # bytes of the file
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Webhook:
    """One receiver."""

    def __init__(self, options: WebhookOptions, client: HttpClient, clock: Clock) -> None:
        self.name = options.target
        self._options = options
        self._client = client
        self._clock = clock

    async def send(self, message: Message) -> Receipt:
        """Try once."""
        options, url = self._options, self._options.url.get_secret_value()
        try:
            own = {name: value.get_secret_value() for name, value in options.headers.items()}
            headers = {**own, "Content-Type": "application/json", **await self._signed(message)}
            answer = await self._client.send("POST", url, seconds=options.timeout, body=message.body, headers=headers)
        except ActionError as error:
            return Receipt(Sent.FAILED, f"{error}")
        except UnreachableError as error:  # its sentence has the path, which may be the secret
            return Receipt(Sent.FAILED, f"{error}".replace(hide_secrets(url), f"{options.url}"))
        return self._receipt(answer)

    async def _signed(self, message: Message) -> dict[str, str]:
        key = await asyncio.to_thread(_key, self._options.secret_file) if self._options.secret_file else None
        return signing.headers(key, message_id=message.id, at=self._clock.now().wall, body=message.body)

    def _receipt(self, answer: HttpAnswer) -> Receipt:
        said = f"POST {self._options.url}: answered {answer.status}"
        if answer.ok:
            return Receipt(Sent.DELIVERED)
        if answer.status == HTTPStatus.GONE:
            return Receipt(Sent.GONE, f"{said}: it wants no more messages")
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            place = answer.headers.get("location", "")
            to = f" to {shown(urljoin(self._options.url.get_secret_value(), place))}" if place else ""
            return Receipt(Sent.FAILED, f"{said}, a redirect{to}, which is not followed; write the address it leads to")
        after = self._retry_after(answer) if answer.status in _BUSY else None
        return Receipt(Sent.FAILED, said + (f" and asks to wait {after:.0f} s" if after is not None else ""), after)

    def _retry_after(self, answer: HttpAnswer) -> float | None:
        """Return the seconds that Retry-After asks for, as a number or as a date."""
        text = answer.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal():
            return float(text[:9])
        try:
            date = parsedate_to_datetime(text)
            at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
        return max(0.0, at - self._clock.now().wall)


def _key(file: str) -> bytes:
    """Read the secret anew: a new one counts from the next message on."""
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(_LONGEST_SECRET).decode()
        return signing.key_of(text)
    except OSError as error:
        raise ActionError(f"{file}: cannot be read: {error.strerror or error}; until then the message waits") from None
    except UnicodeDecodeError:
        raise ActionError(
            f"{file}: it is no text; write {signing.PREFIX} and base64; until then the message waits"
        ) from None
    except ValueError as error:
        raise ActionError(f"{file}: {error}; until then the message waits") from None

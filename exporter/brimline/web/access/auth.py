"""Users with passwords hashed by bcrypt, as in exporter-toolkit's `basic_auth_users`.

A password is hashed once and remembered: bcrypt takes 60 ms, and a scraper comes every few seconds.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

_REMEMBERED: Final = 100  # wrong answers; the right ones are as many as the users
_LONGEST: Final = 72  # bytes of a password; bcrypt looks at no more
_WAITING: Final = 16  # passwords that may wait for their turn; more is a flood


class TooManyError(Exception):
    """More passwords wait than can be looked at."""


class Users:
    """Who may come in."""

    def __init__(self, users: Mapping[str, SecretStr]) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        # What an unknown name's password is compared with, so that the time tells nobody which names exist.
        self._nobodys = max((user.get_secret_value() for user in users.values()), key=_cost, default="")
        self._right: dict[str, bytes] = {}  # apart: who floods us with wrong ones drives no right one out
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._one = asyncio.Lock()  # at a time: it costs a core
        self._waiting = 0

    def __bool__(self) -> bool:
        """Tell whether anybody must say who they are."""
        return bool(self._users)

    async def who(self, authorization: str) -> str | None:
        """Return the name that the header proves; None where it proves nothing. Raises TooManyError."""
        found = _credentials(authorization)
        if found is None:
            return None
        name, password = found
        hashed = self._users[name].get_secret_value() if name in self._users else self._nobodys
        asked = hmac.digest(self._key, b"\0".join((name.encode(), hashed.encode(), password)), "sha256")
        if self._right.get(name) == asked:
            return name
        if asked in self._wrong:
            self._wrong.move_to_end(asked)
            return None
        if await self._compare(hashed, password) and name in self._users:
            self._right[name] = asked
            return name
        self._wrong[asked] = None
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
        return None

    async def _compare(self, hashed: str, password: bytes) -> bool:
        if self._waiting >= _WAITING:
            raise TooManyError
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(_matches, hashed.encode(), password)
        finally:
            self._waiting -= 1


def _cost(hashed: str) -> str:
    return hashed.split("$")[2]


def _matches(hashed: bytes, password: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - most have no users, and need not hold it

    return bcrypt.checkpw(password, hashed)


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon and len(password) <= _LONGEST and b"\0" not in password else None
    except (binascii.Error, ValueError):
        return None

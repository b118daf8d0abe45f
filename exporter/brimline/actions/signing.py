"""Signatures as the Standard Webhooks specification has them: whose message it is, and that nobody changed it. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret; the specification's bounds


def key_of(secret: str) -> bytes:
    """Return the key of a secret as `whsec_<base64>` or base64 alone; raises ValueError with what to write."""
    text = secret.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f'it is no secret; write "{PREFIX}" and the base64 of 24 to 64 random bytes') from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f'its secret is {len(key)} bytes long; write "{PREFIX}" and the base64 of 24 to 64 random bytes'
        )
    return key


def headers(key: bytes | None, *, message_id: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers of a message; without a key it is named and dated, but not signed."""
    stamp = f"{int(at)}"
    named = {"webhook-id": message_id, "webhook-timestamp": stamp}
    if key is None:
        return named
    digest = hmac.new(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {**named, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}

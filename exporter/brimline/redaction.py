"""What must not be shown: credentials in addresses, and addresses that are the secret themselves. Pure."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Secret

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/?#\s]+(?=@)", re.ASCII)  # up to the last @: a password may hold one
# A parameter of an address that is called like a secret: access_token, api-key, X-Amz-Signature.
_PARAMETERS: Final = re.compile(
    r"([?&][\w.-]{0,60}?(?:token|key|secret|passw|pwd|auth|sig|cred)[\w.-]{0,60}=)[^&#\s\"'<>]+",
    re.ASCII | re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,60}://[^\s\"'<>]+", re.ASCII)


def hide_secrets(text: str) -> str:
    """Replace `user:password` of every address in the text, and parameters that are called like secrets."""
    return _PARAMETERS.sub(r"\1***", _CREDENTIALS.sub("***", text))


def hide_addresses(text: str) -> str:
    """Leave of every address in the text only what `shown` leaves."""
    return _ADDRESS.sub(lambda found: shown(found[0]), text)


def shown(address: str) -> str:
    """Return scheme and host of an address, and stars for what may be secret."""
    scheme, colon, rest = address.partition("://")
    if not colon:
        return address
    if scheme not in {"http", "https"}:  # apprise: the token may stand where others have a host
        return f"{scheme}://***"
    host, slash, path = rest.rpartition("@")[2].partition("/")
    return f"{scheme}://{re.split('[?#]', host)[0]}" + ("/***" if slash and path else "")


class SecretAddress(Secret[str]):
    """An address that often is the secret itself: however it is printed, its host is all that is seen."""

    def _display(self) -> str:
        return shown(self.get_secret_value())


class SecretText(Secret[str]):
    """A text of which nothing is seen."""

    def _display(self) -> str:
        return "***"

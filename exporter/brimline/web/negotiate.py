"""Which form a client asks for, from its Accept and Accept-Encoding headers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_OPENMETRICS = "application/openmetrics-text"
_TEXT = frozenset({"text/plain", "text/*", "*/*"})


def prefers_openmetrics(accept: Sequence[str]) -> bool:
    """Tell whether OpenMetrics 1.0 is wanted at least as much as plain text; without a wish it is not."""
    wanted = plain = 0.0
    for name, parameters, quality in _wishes(accept):
        if name == _OPENMETRICS and parameters.get("version", "1.0.0") == "1.0.0":
            wanted = max(wanted, quality)
        elif name in _TEXT:
            plain = max(plain, quality)
    return wanted > 0 and wanted >= plain


def accepts_gzip(accept_encoding: Sequence[str]) -> bool:
    """Tell whether the client takes gzip."""
    qualities = {name: quality for name, _, quality in _wishes(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _wishes(headers: Sequence[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    for wish in ",".join(headers).split(","):
        name, *rest = (part.strip().lower() for part in wish.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        yield name, parameters, _quality(parameters.pop("q", "1"))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

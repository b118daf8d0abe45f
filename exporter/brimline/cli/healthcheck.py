"""`brimline healthcheck`: one GET with the standard library, since a container runtime starts it every few seconds."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import SplitResult, urlsplit

import click

_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - recognised, not bound
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OK: Final = 200


def default_url(environ: Mapping[str, str]) -> str:
    """Return the page of a Brimline started with the same variables, on this machine."""
    address = environ.get("BRIMLINE_WEB_LISTEN_ADDRESS", "").split(",")[0].strip() or "127.0.0.1:12746"
    host, _, port = address.rpartition(":")
    external = urlsplit(environ.get("BRIMLINE_WEB_EXTERNAL_URL", "")).path
    prefix = environ.get("BRIMLINE_WEB_ROUTE_PREFIX", external).strip("/")
    path = f"/{prefix}/-/healthy" if prefix else "/-/healthy"
    return f"http://{'127.0.0.1' if host in _EVERYWHERE else host}:{port}{path}"


def _get(url: SplitResult, seconds: float) -> tuple[int, str]:
    host = url.hostname or ""
    connection: HTTPConnection = HTTPConnection(host, url.port, timeout=seconds)
    if url.scheme == "https":
        connection = HTTPSConnection(host, url.port, timeout=seconds, context=_trust(host))
    try:
        connection.request("GET", url.path or "/")
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace").strip()
    finally:
        connection.close()


def _trust(host: str) -> ssl.SSLContext:
    """Return how a certificate is checked: not on this machine, where nobody stands between and names differ."""
    context = ssl.create_default_context()
    if host in _HERE:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@click.command()
@click.option("--url", metavar="URL", help="Page to ask.  [default: /-/healthy of the first listen address]")
@click.option("--timeout", "seconds", default=5.0, show_default=True, metavar="SECONDS", help="Longest wait.")
def healthcheck(url: str | None, seconds: float) -> None:
    """Ask a running Brimline whether it is healthy.

    The exit status is 0 if it is, else 1.
    """
    page = url or default_url(os.environ)
    parts = urlsplit(page)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.ClickException(f'"{page}" is no address of a page; write "http://127.0.0.1:12746/-/healthy"')
    try:
        status, said = _get(parts, seconds)
    except (OSError, HTTPException, ValueError) as error:
        raise click.ClickException(f"{page}: {error or type(error).__name__}") from None
    if status != _OK:
        raise click.ClickException(f"{page}: {status} {said}")
    click.echo(said)

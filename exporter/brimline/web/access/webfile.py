"""The web configuration file of Prometheus's exporters (`web-config.yml`): who may come in, and how.

The keys are exporter-toolkit's. What Python's ssl cannot do is refused by name: a setting that is ignored is a lock
that is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator

from brimline import mistakes
from brimline.errors import ConfigError, Problem
from brimline.options import Duration, Options, refusal
from brimline.yamlfile import parse

ReadFile = Callable[[str], str]
Version = Literal["TLS12", "TLS13"]
Curve = Literal["CurveP256", "CurveP384", "CurveP521", "X25519"]

# Go's names of its suites up to TLS 1.2 (crypto/tls.CipherSuites), and OpenSSL's.
CIPHERS: Final[Mapping[str, str]] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
_HEADERS: Final[Mapping[str, frozenset[str]]] = {
    "Content-Security-Policy": frozenset(),
    "Strict-Transport-Security": frozenset(),
    "X-Content-Type-Options": frozenset({"nosniff"}),
    "X-Frame-Options": frozenset({"deny", "sameorigin"}),
    "X-XSS-Protection": frozenset(),
}
# Tuples: nothing is known yet of what a key holds, and a set cannot be asked for a list.
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_BROKEN: Final = ("TLS10", "TLS11")
_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}", re.ASCII)
_DEAREST: Final = 14  # a password of that cost takes a second


def _hash(value: SecretStr) -> SecretStr:
    found = _BCRYPT.fullmatch(value.get_secret_value())
    if found is None:
        raise refusal("this is no bcrypt hash; write what `htpasswd -nBC 10 NAME` prints after the colon")
    if int(found[1]) > _DEAREST:
        raise refusal(f"a bcrypt cost of {found[1]} takes seconds a password; write one of 10 to {_DEAREST}")
    return value


def _cipher(name: str) -> str:
    if name in CIPHERS:
        return name
    if name.startswith("TLS_") and "_WITH_" not in name:
        raise refusal(f'"{name}" belongs to TLS 1.3, whose suites Python cannot choose; leave it out')
    raise refusal(f'"{name}" is no cipher suite{mistakes.did_you_mean(name, CIPHERS)}')


class TlsServerConfig(Options):
    """What a client finds at the socket."""

    cert_file: str
    """Certificate, with its chain, as PEM."""
    key_file: str
    """Key of the certificate, as PEM."""
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    """Whether a client shows a certificate."""
    client_ca: str | None = None
    """Who signs the clients' certificates, as PEM."""
    client_ca_file: str | None = None
    """The same as a file."""
    client_allowed_sans: tuple[str, ...] = ()
    """Names of which a client's certificate must bear one."""
    min_version: Version = "TLS12"
    """Oldest version."""
    max_version: Version = "TLS13"
    """Newest version."""
    cipher_suites: tuple[Annotated[str, AfterValidator(_cipher)], ...] = ()
    """Suites up to TLS 1.2 by Go's names; OpenSSL's choice where it is empty."""
    prefer_server_cipher_suites: bool = True
    """Whether the order of the suites is ours."""
    curve_preferences: Annotated[tuple[Curve, ...], Field(max_length=1)] = ()
    """The one curve for the key exchange; OpenSSL's choice where it is empty."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_ssl_cannot_do(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        for key in ("cert", "key"):
            if key in data:
                raise refusal(f'"{key}" cannot be given in the text: Python reads it from a file; write {key}_file')
        if data.get("client_auth_type") in _UNVERIFIED:
            raise refusal(
                f'client_auth_type "{data["client_auth_type"]}" takes certificates nobody verified, which Python '
                "cannot do; write RequireAndVerifyClientCert"
            )
        if data.get("min_version") in _BROKEN or data.get("max_version") in _BROKEN:
            raise refusal("TLS 1.0 and 1.1 are broken and not served; write TLS12 or TLS13")
        curves = data.get("curve_preferences")
        if isinstance(curves, list) and len(curves) > 1:
            raise refusal("curve_preferences: Python can set one curve only; write one, or leave it out")
        return data

    @model_validator(mode="after")
    def _agree(self) -> TlsServerConfig:
        authority = self.client_ca is not None or self.client_ca_file is not None
        if authority and self.client_auth_type == "NoClientCert":
            raise refusal("a client_ca without client_auth_type asks nobody; write RequireAndVerifyClientCert")
        if self.client_auth_type != "NoClientCert" and not authority:
            raise refusal(f"{self.client_auth_type} needs client_ca_file: who signed the clients' certificates")
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            raise refusal("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert")
        if (self.min_version, self.max_version) == ("TLS13", "TLS12"):
            raise refusal("min_version is above max_version")
        return self


class HttpServerConfig(Options):
    """How HTTP is spoken."""

    http2: bool = False
    """Not spoken here; Prometheus scrapes over HTTP/1.1 as well."""
    headers: Mapping[str, str] = Field(default_factory=dict)
    """Headers of every answer, instead of ours."""

    @field_validator("http2")
    @classmethod
    def _one_version(cls, wanted: bool) -> bool:  # noqa: FBT001 - pydantic passes it so
        if wanted:
            raise refusal("Brimline speaks HTTP/1.1 only; write http2: false, or leave it out")
        return wanted

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if name not in _HEADERS:
                raise refusal(f'header "{name}" cannot be set{mistakes.did_you_mean(name, _HEADERS)}')
            if _HEADERS[name] and value not in _HEADERS[name]:
                raise refusal(f'found {name} "{value}"; write one of {", ".join(sorted(_HEADERS[name]))}')
            if not value.isprintable():
                raise refusal(f"{name} has a character that no header may have")
        return headers


class RateLimit(Options):
    """How many requests are answered, whoever sends them."""

    interval: Duration = 0.0
    """Time in which one more request is allowed; 0 is no limit."""
    burst: Annotated[int, Field(ge=0)] = 0
    """Requests at once."""

    @model_validator(mode="after")
    def _agree(self) -> RateLimit:
        if self.interval and not self.burst:
            raise refusal("rate_limit without burst answers nobody; write burst: 20")
        return self


class WebFile(Options):
    """The file as a whole."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: Mapping[str, Annotated[SecretStr, AfterValidator(_hash)]] = Field(default_factory=dict)
    rate_limit: RateLimit = RateLimit()


def load(name: str, read: ReadFile) -> WebFile:
    """Read the file; raises ConfigError with every mistake. Paths in it begin at its own directory."""
    try:
        document = parse(read(name), name)
        found = WebFile.model_validate({} if document.data is None else document.data)
    except OSError as error:
        raise ConfigError([Problem(name, f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(name, "no UTF-8; save the file as UTF-8")]) from None
    except ValidationError as error:
        raise ConfigError(mistakes.problems(error, WebFile, document.where)) from None
    tls = found.tls_server_config
    if tls is None:
        return found
    here = Path(name).parent
    files = {"cert_file": tls.cert_file, "key_file": tls.key_file, "client_ca_file": tls.client_ca_file}
    beside = {key: str(here / file) for key, file in files.items() if file is not None}
    return found.model_copy(update={"tls_server_config": tls.model_copy(update=beside)})

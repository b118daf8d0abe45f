"""From a web file to what it comes to; its `tls_server_config` to Python's ssl."""

from __future__ import annotations

import ssl
from typing import Final

from brimline.errors import ConfigError, Problem
from brimline.web.access.auth import Users
from brimline.web.access.lock import Lock
from brimline.web.access.ratelimit import Bucket
from brimline.web.access.webfile import CIPHERS, ReadFile, TlsServerConfig, load

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_CLIENTS: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def lock_of(name: str, read: ReadFile) -> Lock:
    """Read a web file into what it comes to; raises ConfigError with what is wrong with it, or with a file it names."""
    file = load(name, read)
    tls, rate = file.tls_server_config, file.rate_limit
    named = (tls.cert_file, tls.key_file, tls.client_ca_file) if tls is not None else ()
    return Lock(
        context=None if tls is None else context_of(tls),
        names=frozenset() if tls is None else frozenset(tls.client_allowed_sans),
        users=Users(file.basic_auth_users),
        headers=file.http_server_config.headers,
        bucket=Bucket(rate.interval, rate.burst) if rate.interval else None,
        files=(name, *(one for one in named if one is not None)),
    )


def context_of(config: TlsServerConfig) -> ssl.SSLContext:
    """Return the context; raises ConfigError where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[config.min_version], _VERSIONS[config.max_version]
    if config.cipher_suites:
        context.set_ciphers(":".join(CIPHERS[name] for name in config.cipher_suites))
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in config.curve_preferences:
        context.set_ecdh_curve(_CURVES[curve])
    try:
        context.load_cert_chain(config.cert_file, config.key_file, password=_nobody_types)
    except (OSError, ValueError) as error:
        where = f"{config.cert_file} and {config.key_file}"
        raise ConfigError([Problem(where, f"cannot be used as certificate and key: {_why(error)}")]) from None
    if config.client_ca is not None or config.client_ca_file is not None:
        try:
            context.load_verify_locations(cafile=config.client_ca_file, cadata=config.client_ca)
        except (OSError, ValueError, TypeError) as error:
            where = config.client_ca_file or "client_ca"
            raise ConfigError([Problem(where, f"holds no certificates: {_why(error)}")]) from None
    context.verify_mode = _CLIENTS[config.client_auth_type]
    return context


def _nobody_types() -> str:
    raise ssl.SSLError("the key is locked by a passphrase; save it without one")


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)

"""From the web file's `tls_server_config` to Python's ssl."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from brimline.errors import ConfigError, Problem
from brimline.web.webfile import CIPHERS, TlsServerConfig

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_CLIENTS: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


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
    except (OSError, ssl.SSLError) as error:
        where = f"{config.cert_file} and {config.key_file}"
        raise ConfigError([Problem(where, f"cannot be used as certificate and key: {_why(error)}")]) from None
    if config.client_ca is not None or config.client_ca_file is not None:
        try:
            context.load_verify_locations(cafile=config.client_ca_file, cadata=config.client_ca)
        except (OSError, ssl.SSLError) as error:
            where = config.client_ca_file or "client_ca"
            raise ConfigError([Problem(where, f"holds no certificates: {_why(error)}")]) from None
    context.verify_mode = _CLIENTS[config.client_auth_type]
    return context


def may_enter(config: TlsServerConfig, certificate: Mapping[str, Any] | None) -> bool:
    """Tell whether the verified certificate of a client bears one of the allowed names."""
    if not config.client_allowed_sans:
        return True
    names = {str(value) for _, value in (certificate or {}).get("subjectAltName", ())}
    return not names.isdisjoint(config.client_allowed_sans)


def _nobody_types() -> str:
    raise ssl.SSLError("the key is locked by a passphrase; save it without one")


def _why(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)

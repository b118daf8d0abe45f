"""The web file: exporter-toolkit's keys, and a sentence for each that Python cannot honour."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from brimline.errors import ConfigError
from brimline.web.access.tls import lock_of
from brimline.web.access.webfile import WebFile, load

HASH = "$2b$10$zVRcFJpt52Bxhp.LbQdHT.wypBMhdUx5sre5dvWzxDRK85wfyzAyW"
PAIR = "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n"


def read(text: str) -> WebFile:
    return load("/etc/brimline/web.yml", lambda _: text)


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_an_empty_file_locks_nothing() -> None:
    found = read("")
    assert (found.tls_server_config, dict(found.basic_auth_users), found.rate_limit.interval) == (None, {}, 0)


def test_the_files_begin_at_the_web_files_own_directory() -> None:
    found = read(f"{PAIR}  client_ca_file: /ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n").tls_server_config
    assert found is not None
    assert found.cert_file == "/etc/brimline/a.crt"
    assert found.key_file == "/etc/brimline/a.key"
    assert found.client_ca_file == "/ca.crt"
    assert (found.min_version, found.max_version, found.prefer_server_cipher_suites) == ("TLS12", "TLS13", True)


def test_everything_that_can_be_said_can_be_read() -> None:
    found = read(
        f"{PAIR}  min_version: TLS13\n  max_version: TLS13\n  prefer_server_cipher_suites: false\n"
        "  curve_preferences: [X25519]\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
        "http_server_config:\n  http2: false\n  headers:\n    Strict-Transport-Security: max-age=300\n"
        f"basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 100ms\n  burst: 20\n"
    )
    assert found.http_server_config.headers == {"Strict-Transport-Security": "max-age=300"}
    assert (found.rate_limit.interval, found.rate_limit.burst) == (0.1, 20)
    assert HASH not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_config:\n  cert_file: a\n", 'missing key "key_file"; write "key_file: ..."'),
        (
            f"{PAIR}  cert: |\n    PEM\n",
            '"cert" cannot be given in the text: Python reads it from a file; write cert_file',
        ),
        (
            f"{PAIR}  client_auth_type: RequireAnyClientCert\n",
            "which Python cannot do; write RequireAndVerifyClientCert",
        ),
        (f"{PAIR}  client_auth_type: RequireAndVerifyClientCert\n", "needs client_ca_file"),
        (f"{PAIR}  client_ca_file: ca.crt\n", "asks nobody; write RequireAndVerifyClientCert"),
        (f"{PAIR}  client_allowed_sans: [prometheus]\n", "client_allowed_sans needs client_auth_type"),
        (f"{PAIR}  min_version: TLS10\n", "TLS 1.0 and 1.1 are broken and not served; write TLS12 or TLS13"),
        (f"{PAIR}  min_version: [TLS10]\n", "min_version: found a list; write one of TLS12, TLS13"),
        (f"{PAIR}  client_auth_type: {{RequestClientCert: 1}}\n", "client_auth_type: found a mapping; write one of"),
        (f"{PAIR}  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"),
        (f"{PAIR}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "belongs to TLS 1.3, whose suites Python cannot choose"),
        (f"{PAIR}  cipher_suites: [RC4]\n", '"RC4" is no cipher suite'),
        (f"{PAIR}  curve_preferences: [X25519, CurveP256]\n", "Python can set one curve only"),
        (f"{PAIR}  keyfile: b\n", 'unknown key "keyfile"; did you mean "key_file"?'),
        ("http_server_config:\n  http2: true\n", "Brimline speaks HTTP/1.1 only; write http2: false"),
        ("http_server_config:\n  headers:\n    X-Powered-By: me\n", 'header "X-Powered-By" cannot be set'),
        ("http_server_config:\n  headers:\n    X-Frame-Options: no\n", "write one of deny, sameorigin"),
        ("basic_auth_users:\n  alice: hunter2\n", "this is no bcrypt hash"),
        (f"basic_auth_users:\n  alice: {HASH.replace('$10$', '$20$')}\n", "a bcrypt cost of 20 takes seconds"),
        ("rate_limit:\n  interval: 1s\n", "rate_limit without burst answers nobody"),
        ("[]\n", 'found a list; write "key: value" lines'),
    ],
)
def test_a_mistake_is_a_sentence_with_its_place(text: str, said: str) -> None:
    (problem,) = mistakes_of(text)
    assert said in problem
    assert problem.startswith("/etc/brimline/web.yml")
    assert "hunter2" not in problem


@pytest.mark.parametrize("authority", ["", "ä", "no certificate"])
def test_an_authority_that_is_none_is_a_sentence(authority: str, tmp_path: Path) -> None:
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
    command = ["openssl", "req", "-x509", *new, "-keyout", "a.key", "-out", "a.crt"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    said = f'{PAIR}  client_auth_type: RequireAndVerifyClientCert\n  client_ca: "{authority}"\n'
    with pytest.raises(ConfigError, match="client_ca: holds no certificates"):
        lock_of(str(tmp_path / "web.yml"), lambda _: said)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml: cannot be read: No such file"):
        load("nowhere.yml", lambda name: open(name).read())  # noqa: PTH123, SIM115

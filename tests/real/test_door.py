"""TLS, client certificates and passwords by a web file, with openssl's certificates and Prometheus's own clients."""

from __future__ import annotations

import os
import socket
import ssl
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import bcrypt
import pytest
from click.testing import CliRunner

from brimline.cli.healthcheck import healthcheck
from real.prometheus import Prometheus
from real.sidecar import Sidecar

QUIET = ("--interval=250ms", "--no-sources.docker.enabled", "--sources.cgroups=brimline-test-none")
PASSWORD = "correct horse"  # noqa: S105 - in a test
Start = Callable[..., Sidecar]


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certify(directory: Path, name: str, names: str, issuer: str = "ca") -> None:
    """Make `name`.crt and `name`.key with these subjectAltNames, signed by the issuer."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    sign = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-addext", f"subjectAltName={names}")
    openssl(directory, "req", "-x509", *curve, "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}", *sign)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("keys")
    for authority in ("ca", "stranger"):
        subject = ("-subj", f"/CN={authority}", "-days", "2", "-out", f"{authority}.crt", "-keyout", f"{authority}.key")
        openssl(place, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *subject)
    certify(place, "server", "IP:127.0.0.1")
    certify(place, "next", "IP:127.0.0.1")
    certify(place, "prometheus", "DNS:prometheus")
    certify(place, "another", "DNS:another")
    certify(place, "forged", "DNS:prometheus", issuer="stranger")
    return place


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Sidecar] = []

    def begin(web_file: Path, trust: ssl.SSLContext) -> Sidecar:
        # Debian's promtool is older than client_allowed_sans.
        known = "".join(line for line in web_file.read_text().splitlines(keepends=True) if "allowed_sans" not in line)
        (web_file.parent / "known.yml").write_text(known)
        promtool = subprocess.run(
            ["promtool", "check", "web-config", str(web_file.parent / "known.yml")], capture_output=True, check=False
        )
        assert promtool.returncode == 0, promtool.stderr
        running.append(Sidecar(*QUIET, f"--web.config.file={web_file}", trust=trust))
        return running[-1]

    yield begin
    for one in running:
        one.close()


def trusting(keys: Path, certificate: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    if certificate:
        context.load_cert_chain(keys / f"{certificate}.crt", keys / f"{certificate}.key")
    return context


def web_file(keys: Path, text: str) -> Path:
    place = keys / f"web-{time.monotonic_ns()}.yml"
    place.write_text(text)
    return place


def serial(url: str, context: ssl.SSLContext) -> str:
    with urllib.request.urlopen(f"{url}/-/healthy", timeout=30, context=context) as answer:
        found = answer.fp.raw._sock.getpeercert()["serialNumber"]
        assert isinstance(found, str)
        return found


def test_prometheus_scrapes_over_tls_with_a_password(keys: Path, start: Start) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    text = (
        f"tls_server_config: {{cert_file: server.crt, key_file: server.key}}\nbasic_auth_users: {{alice: {hashed}}}\n"
    )
    one = start(web_file(keys, text), trusting(keys))
    assert one.url.startswith("https://")
    assert one.get("/metrics")[0] == 401
    job = {
        "scheme": "https",
        "tls_config": {"ca_file": str(keys / "ca.crt")},
        "basic_auth": {"username": "alice", "password": PASSWORD},
    }
    with Prometheus(one.url.removeprefix("https://"), **job) as prometheus:
        assert prometheus.wait_for("brimline_ticks_total")
        assert prometheus.target()["health"] == "up"
    told = CliRunner().invoke(healthcheck, [f"--url={one.url}/-/healthy"])
    assert told.exit_code == 0, told.output


def test_only_a_verified_certificate_with_an_allowed_name_comes_in(keys: Path, start: Start) -> None:
    text = (
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus]\n  min_version: TLS13\n"
    )
    one = start(web_file(keys, text), trusting(keys, "prometheus"))
    assert one.get("/metrics")[0] == 200
    for certificate in ("", "another", "forged"):
        with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
            urllib.request.urlopen(f"{one.url}/metrics", timeout=30, context=trusting(keys, certificate))
    old = trusting(keys, "prometheus")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(urllib.error.URLError, match="SSL"):
        urllib.request.urlopen(f"{one.url}/metrics", timeout=30, context=old)
    assert one.get("/metrics")[0] == 200


def test_a_renewed_certificate_is_shown_without_a_restart(keys: Path, start: Start) -> None:
    for end in ("crt", "key"):
        (keys / f"live.{end}").write_bytes((keys / f"server.{end}").read_bytes())
    file = web_file(keys, "tls_server_config: {cert_file: live.crt, key_file: live.key}\n")
    one = start(file, trusting(keys))
    first = serial(one.url, trusting(keys))
    for end in ("crt", "key"):
        (keys / "half").write_bytes((keys / f"next.{end}").read_bytes())
        os.replace(keys / "half", keys / f"live.{end}")  # noqa: PTH105 - at once
        assert one.get("/-/healthy")[0] == 200
    one.wait_for(lambda: serial(one.url, trusting(keys)) != first, "the next certificate")
    (keys / "live.key").write_text("no key")
    one.wait_for(lambda: "the web file is not taken" in one.log() or one.get("/-/healthy")[0] == 0, "it is told")
    assert one.get("/-/healthy")[0] == 200
    file.write_text("http_server_config: {}\n")
    plain = one.url.replace("https://", "http://")

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{plain}/-/healthy", timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    one.wait_for(answers, "plain again")


def test_who_never_shakes_hands_takes_no_place_for_long(keys: Path, start: Start) -> None:
    one = start(web_file(keys, "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"), trusting(keys))
    host, port = one.url.removeprefix("https://").split(":")
    crowd = [socket.create_connection((host, int(port))) for _ in range(600)]
    try:
        began = time.monotonic()
        assert one.get("/metrics")[0] == 200
        assert time.monotonic() - began < 5
        assert len(one.files()) < 600
    finally:
        for client in crowd:
            client.close()


def test_a_web_file_with_a_mistake_refuses_the_start(keys: Path) -> None:
    file = web_file(keys, "tls_server_config: {cert_file: nowhere.crt, key_file: server.key}\n")
    with (
        pytest.raises(RuntimeError, match="cannot be used as certificate and key: No such file"),
        closing(Sidecar(*QUIET, f"--web.config.file={file}")),
    ):
        pass


def test_a_crowd_of_slow_clients_keeps_no_scraper_waiting() -> None:
    one = Sidecar(*QUIET)
    host, port = one.url.removeprefix("http://").split(":")
    crowd = []
    try:
        for number in range(700):
            client = socket.create_connection((host, int(port)))
            crowd.append(client)
            with suppress(OSError):
                match number % 3:
                    case 0:
                        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x")
                    case 1:
                        client.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\nslowly")
        waits = []
        for _ in range(20):
            began = time.monotonic()
            assert one.get("/metrics")[0] == 200
            waits.append(time.monotonic() - began)
        assert statistics.median(waits) < 0.25, waits  # some milliseconds where nothing else runs
        assert len(one.files()) < 600
    finally:
        for client in crowd:
            client.close()
        one.close()

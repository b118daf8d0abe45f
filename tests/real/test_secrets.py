"""No secret that Brimline was given comes out of it again: not on a page, not in a log, not in the journal."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real.sidecar import Sidecar

CANARY = "S3cretCanary"
RULES = """
groups:
  - name: always
    rules:
      - alert: Always
        on: host
        when: memory_used_ratio > 0%
        severity: critical
        do: [notify]
"""
CONFIG = """
interval: 250ms
log: {{level: debug, format: {form}}}
rules: [{rules}]
storage: {{path: {storage}}}
sources: {{docker: {{enabled: false}}, cgroups: [], presets: []}}
actions:
  inbound_token_file: {directory}/inbound
  cleanup: {{"shop/web": "http://ann:{canary}1@127.0.0.1:9/cleanup?token={canary}0"}}
  restart:
    drain: {{"shop/web": {{post: "http://ann:{canary}2@127.0.0.1:9/", gauge: "http://ann:{canary}3@127.0.0.1:9/"}}}}
notify:
  group_wait: 0s
  alertmanagers: ["http://ann:{canary}4@127.0.0.1:{port}/a", "http://ann:{canary}5@127.0.0.1:9"]
  webhooks:
    - url: "http://ann:{canary}6@127.0.0.1:{port}/refuse/{canary}7?token={canary}8"
      headers: {{X-Token: "{canary}9"}}
      secret_file: {directory}/signing
    - {{url: "http://127.0.0.1:{port}/redirect/{canary}10", shape: slack}}
    - {{url: "http://127.0.0.1:9/nobody/{canary}11", shape: alertmanager}}
    - {{url: "http://127.0.0.1:{port}/{canary}12", secret_file: {directory}/unusable, name: unusable}}
"""
PAGES = (
    *("/", "/metrics", "/-/healthy", "/-/ready", "/subject/host/host", "/no/such/page"),
    *(f"/api/v1/{name}" for name in ("config", "status", "alerts", "rules", "targets", "decisions", "journal")),
    "/api/v1/openapi.json",
)


@contextmanager
def receiver() -> Iterator[tuple[int, list[str]]]:
    """A receiver that takes nothing and talks about what it was told."""
    heard: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(self.path)
            self.send_response(307 if "redirect" in self.path else 500)
            self.send_header("Location", f"http://127.0.0.1:9{self.path}")
            said = f"no: http://{self.headers['Host']} {'http://ann:' + CANARY + '@host/'}".encode()
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def written(directory: Path, port: int, form: str) -> Path:
    rules = directory / "rules.yml"
    rules.write_text(RULES)
    (directory / "inbound").write_text(f"{CANARY}-inbound")
    (directory / "signing").write_text("whsec_UzNjcmV0Q2FuYXJ5U2lnbmluZ0tleUlzTG9uZw==")
    (directory / "unusable").write_text(f"whsec_{CANARY}!!!")
    file = directory / "brimline.yml"
    place = {"storage": directory / "journal", "directory": directory, "rules": rules}
    file.write_text(CONFIG.format(port=port, canary=CANARY, form=form, **place))
    return file


def command(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "brimline", *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def clean(what: str, text: str | bytes) -> None:
    canaries = (CANARY, "UzNjcmV0Q2FuYXJ5")
    for canary in canaries:
        found = canary.encode() in text if isinstance(text, bytes) else canary in text
        assert not found, f"{what} holds a secret: {text!r}"


def test_no_page_no_line_and_no_file_of_a_run_holds_a_secret(tmp_path: Path) -> None:
    with receiver() as (port, heard):
        file = written(tmp_path, port, "logfmt")
        brimline = Sidecar(f"--config.file={file}", f"--storage.path={tmp_path / 'journal'}")
        try:
            brimline.wait_for(lambda: len(set(heard)) >= 3, "both webhooks and the Alertmanager were tried")
            status, _ = brimline.get("/api/v1/alertmanager", {"Authorization": f"Bearer {CANARY}"})
            assert status in {404, 405}
            for path in PAGES:
                code, page = brimline.get(path)
                assert code != 500, page
                clean(path, page)
            bad = file.read_text().replace("group_wait: 0s", f"webhooks_url: http://h/{CANARY}")
            good = file.read_text()
            file.write_text(bad)
            brimline.signal(1)
            brimline.wait_for(lambda: "reload refused" in brimline.log(), "a reload that fails")
            file.write_text(good)
            brimline.signal(15)
            assert brimline.wait() == 0
            clean("the log", brimline.log())
        finally:
            brimline.close()
        assert any(CANARY in path for path in heard), "the receiver was told the real address"
        for entry in (tmp_path / "journal").iterdir():
            clean(entry.name, entry.read_bytes())
        for words in (("config", "print"), ("config", "print", "--effective"), ("journal",), ("status",)):
            clean(" ".join(words), command(*words, f"--config.file={file}"))


def test_what_is_refused_is_said_without_what_may_be_secret(tmp_path: Path) -> None:
    for number, wrong in enumerate(
        (
            f"webhooks: https://hooks.example/{CANARY}",
            f'webhooks: ["https://hooks.example/{CANARY}"]',
            f'webhooks: [{{url: "https://hooks.example/{CANARY} x"}}]',
            f'webhooks: [{{url: ["https://hooks.example/{CANARY}"]}}]',
            f'webhooks: [{{url: "https://h/", headers: "Bearer {CANARY}"}}]',
            f'webhooks: [{{url: "https://h/", headers: {{Authorization: "{CANARY}\\n"}}}}]',
            f"alertmanagers: http://ann:{CANARY}@am:9093",
            f'alertmanagers: ["ann:{CANARY}@am:9093"]',
            f"apprise: tgram://{CANARY}/1",
            f'apprise: ["json://{CANARY}@169.254.169.254/"]',
            f"https://hooks.example/{CANARY}",
        )
    ):
        file = tmp_path / f"{number}.yml"
        file.write_text(f"notify:\n  {wrong}\n")
        said = command("config", "check", file)
        assert ": ok" not in said, said
        clean(wrong, said)

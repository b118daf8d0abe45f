"""Takes the picture of the README: a shop of inference services in a private dockerd, their page, two commands' output.

    PYTHONPATH=tests .venv/bin/python tests/docs/shop.py docs/images/landing.png

Each service holds memory as its kind does (a preloaded model, weights by mmap, shared memory); nothing else is posed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from real.engine import Dockerd
from real.loads import Load, binary
from real.sidecar import Sidecar

# service: its limit, and what it does
SHOP = {
    "translator": ("1536m", "fork 1120 4 60"),  # gunicorn with a preloaded model: the workers share it
    "whisper-bot": ("1g", "anon 838"),
    "embedder": ("1g", "mmap-file /weights 760 + read-file /weights 760 + anon 130"),  # safetensors: page cache
    "ingest-worker": ("1g", "shm 430 + anon 160"),  # tensors handed over in /dev/shm
    "reranker": ("768m", "anon 290"),
    "tts": ("", "anon 220"),
    "thumbnails": ("64m", "anon 300"),  # asks for more than it may have
}
WIDTH, HEIGHT = 1120, 1400  # of the picture
ROOM = 96  # of the terminal


def start(engine: Dockerd, name: str, limit: str, steps: str) -> None:
    labels = ("--label", "com.docker.compose.project=shop", "--label", f"com.docker.compose.service={name}")
    bounds = ("--memory", limit, "--shm-size", limit) if limit else ()
    ends = name == "thumbnails"
    engine.load(*steps.split(), options=["--name", name, *labels, *bounds], ready=not ends)


@contextmanager
def bot() -> Iterator[None]:
    """Run a bot outside of any container: a process group."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        program = Path(directory, "soroka-bot")
        program.write_bytes(binary().read_bytes())
        program.chmod(0o755)
        load = stack.enter_context(closing(Load("anon", 240, before=f'set -- {program} "$@"; exec "$@"')))
        load.ready()
        yield


def screenshot(page: str, target: Path) -> None:
    """Draw the page as it was before the browser took the processors."""
    with tempfile.TemporaryDirectory() as profile:
        file = Path(profile, "page.html")
        file.write_text(page, encoding="utf-8")
        command = [
            *("chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
            *(f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={target.resolve()}"),
        ]
        subprocess.run([*command, file.as_uri()], check=True, capture_output=True, timeout=120)


def show(environ: dict[str, str], *arguments: str) -> None:
    sys.stdout.write(f"$ brimline {' '.join(arguments)}\n")
    sys.stdout.flush()
    command = shlex.join([sys.executable, "-m", "brimline", *arguments])
    typed = ["script", "--quiet", "--command", command, "/dev/null"]  # on a terminal, as its users see it
    done = subprocess.run(typed, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(f"{done.stdout}\n")


def main(target: Path) -> None:
    with ExitStack() as stack:
        engine = stack.enter_context(closing(Dockerd()))
        engine.start()
        stack.enter_context(bot())
        config = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".yml"))
        config.write("sources:\n  processes: [{group: soroka-bot, comm: soroka-bot, limit: 512MiB, pss: true}]\n")
        config.write("  presets: []\nstart_period: 10s\n")
        config.flush()
        environ = {
            **os.environ,
            "DOCKER_HOST": engine.url,
            "BRIMLINE_CONFIG_FILE": config.name,
            "COLUMNS": str(ROOM),
            "TERM": "dumb",
        }
        sidecar = stack.enter_context(closing(Sidecar("--interval=1s", environ=environ)))
        environ["BRIMLINE_STORAGE_PATH"] = str(sidecar.storage)
        for name, (limit, steps) in SHOP.items():
            start(engine, name, limit, steps)
        sidecar.wait_for(lambda: fires(sidecar, "InferenceMemoryHigh", "whisper-bot"), "the last one fires", 120)
        sidecar.next_ticks(10)
        screenshot(sidecar.get("/")[1], target)
        show(environ, "check")
        show(environ, "explain", "embedder")
        show(environ, "explain", "translator")
        sys.stdout.writelines(f"{labels} {value:g}\n" for labels, value in kills(sidecar))


def fires(sidecar: Sidecar, alert: str, container: str) -> bool:
    return bool(sidecar.find("brimline_alerts", alertname=alert, container=container, state="firing"))


def kills(sidecar: Sidecar) -> Iterator[tuple[str, float]]:
    for labels, value in sidecar.find("brimline_container_memory_oom_kills_by_cause_total").items():
        if value:
            yield str(dict(labels)), value


if __name__ == "__main__":
    main(Path(sys.argv[1]))

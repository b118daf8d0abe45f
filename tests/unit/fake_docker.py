"""An engine on a unix socket that can misbehave: hang, drip, stop half-way, lie.

Its answers have dockerd 20.10's shapes; tests/real/docker holds them against a real one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NEVER = "0001-01-01T00:00:00Z"
VERSION = {
    "Platform": {"Name": ""},
    "Components": [{"Name": "Engine", "Version": "20.10.24", "Details": {"ApiVersion": "1.41"}}],
    "Version": "20.10.24",
    "ApiVersion": "1.41",
    "MinAPIVersion": "1.12",
}
V1_STATS = {
    "total_active_file": 1000,
    "total_inactive_file": 2000,
    "total_rss": 5000,
    "total_cache": 3500,
    "total_mapped_file": 100,
    "hierarchical_memory_limit": 20000,
}

Fault = Callable[["Request"], None]


def moment(nanos: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanos // 10**9)) + f".{nanos % 10**9:09d}Z"


class Request(BaseHTTPRequestHandler):
    """One request; `fault` functions get it and answer as badly as they like."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.fake.now / 1e9 if timestamp is None else timestamp)

    def do_POST(self) -> None:
        self.server.fake.posts.append(self.path)
        self.do_GET()

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.fake.connections.add(self)
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        parts = [p for p in path.split("/") if p]
        if parts[0].startswith("v1."):
            del parts[0]
        self.server.fake.requests.append("/".join(parts))
        self.server.fake.listener()
        with suppress(OSError):
            self._answer(parts, query)
        self.server.fake.connections.discard(self)

    def _answer(self, parts: list[str], query: dict[str, list[str]]) -> None:  # noqa: C901, PLR0912 - a table
        fake = self.server.fake
        kind = parts[0] if parts[0] in {"version", "events", "info", "tasks"} else parts[-1]
        kind = "ping" if kind == "_ping" else kind
        if parts[0] == "containers":
            kind = {"json": "list" if len(parts) == 2 else "inspect"}.get(parts[-1], parts[-1])
        fault = fake.faults.get(f"{kind}:{parts[1]}" if kind in {"inspect", "stats"} else kind) or fake.faults.get(kind)
        if fault is not None:
            fault(self)
            return
        match kind:
            case "version":
                self.json(fake.version)
            case "ping":
                self.raw(200, b"OK")
            case "tasks" if fake.tasks is None:
                self.raw(503, b'{"message":"This node is not a swarm manager."}')
            case "tasks":
                self.json(fake.tasks)
            case "info":
                self.json({"MemTotal": 1 << 40})
            case "list":
                self.json([fake.listed(c) for c in list(fake.containers.values())])
            case "inspect" | "stats" if parts[1] not in fake.containers:
                self.raw(404, b'{"message":"No such container"}')
            case "inspect":
                self.json(fake.containers[parts[1]])
            case "stats":
                self.json(fake.stats(parts[1]))
            case "restart" | "stop" | "start":
                fake.orders.append((kind, parts[1], query.get("t", [None])[0]))
                self._obey(kind, parts[1])
            case "events" if "until" in query:
                self._past(float(query["since"][0]), float(query["until"][0]))
            case "events":
                self._events(float(query["since"][0]) if "since" in query else None)

    def _obey(self, verb: str, container_id: str) -> None:
        fake = self.server.fake
        record = fake.containers.get(container_id)
        if record is None:
            self.raw(404, json.dumps({"message": f"No such container: {container_id}"}).encode())
            return
        running = record["State"]["Running"]
        if verb != "restart" and running == (verb == "start"):
            self.raw(304, b"")
            return
        if running:
            fake.stopped(container_id)
        if verb != "stop":
            fake.begin(container_id, seconds=0.5)
        if verb == "restart":
            fake.say(container_id, "restart")
        self.raw(204, b"")

    def _past(self, since: float, until: float) -> None:
        told = [e for e in self.server.fake.events if since <= e["timeNano"] / 1e9 <= until]
        self.begin_stream()
        for event in told:
            self.chunk(json.dumps(event).encode() + b"\n")
        self.wfile.write(b"0\r\n\r\n")

    def _events(self, since: float | None) -> None:
        fake = self.server.fake
        at = len(fake.events) if since is None else 0  # dockerd too subscribes before it answers
        self.begin_stream()
        with fake.changed:
            fake.streams += 1
            fake.listener()
            fake.changed.notify_all()
            while not fake.closed and fake.cut_streams_before <= fake.streams:
                while at < len(fake.events):
                    if since is None or fake.events[at]["timeNano"] / 1e9 >= since:
                        self.chunk(json.dumps(fake.events[at]).encode() + b"\n")
                    at += 1
                fake.changed.wait(5)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def json(self, answer: object) -> None:
        self.raw(200, json.dumps(answer).encode())

    def raw(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    fake: FakeDocker

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        self.fake.sockets.append(connection)
        return connection, ("", 0)


class FakeDocker:
    """Containers as inspections, faults by endpoint ("list", "inspect", "inspect:ID", ...)."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "docker.sock"
        self.host = f"unix://{self.path}"
        self.version: dict[str, Any] = dict(VERSION)
        self.added = 0
        self.containers: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []
        self.posts: list[str] = []
        self.orders: list[tuple[str, str, str | None]] = []  # verb, container, `t`
        self.tasks: list[dict[str, Any]] | None = None  # of Swarm; None: it is no manager
        self.connections: set[Request] = set()
        self.sockets: list[Any] = []
        self.changed = threading.Condition()
        self.streams = 0
        self.cut_streams_before = 0
        self.closed = False
        self.listener: Callable[[], None] = lambda: None
        self.now = 1_800_000_000 * 10**9
        self.memory: dict[str, Any] = {"usage": 10000, "limit": 20000, "max_usage": 12000, "stats": V1_STATS}
        self.start()

    def start(self) -> None:
        self.closed = False
        self._server = Server(str(self.path), Request)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Vanish: the socket is gone and every connection ends."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.path.unlink(missing_ok=True)
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for sock in self.sockets:
            with suppress(OSError):
                sock.shutdown(2)
        self.sockets.clear()

    def cut_streams(self) -> None:
        """End every event stream that is open now."""
        with self.changed:
            self.cut_streams_before = self.streams + 1
            self.changed.notify_all()

    def tick(self, seconds: float = 10.0) -> int:
        self.now += int(seconds * 10**9)
        return self.now

    def add(self, name: str, *, labels: dict[str, str] | None = None, running: bool = True, **state: object) -> str:
        """Add a container without a word about it."""
        self.added += 1  # an id never comes again
        container_id = f"{self.added:x}".rjust(4, "0") * 16
        self.containers[container_id] = {
            "Id": container_id,
            "Name": f"/{name}",
            "Image": "sha256:6ba161589b7d",
            "State": {
                "Status": "running" if running else "created",
                "Running": running,
                "Paused": False,
                "Restarting": False,
                "OOMKilled": False,
                "Dead": False,
                "Pid": 4000 + len(self.containers) if running else 0,
                "ExitCode": 0,
                "StartedAt": moment(self.tick()) if running else NEVER,
                "FinishedAt": NEVER,
                **state,
            },
            "HostConfig": {"Runtime": "runc", "NetworkMode": "none"},
            "Config": {"Image": "busybox:local", "Labels": labels or {}},
        }
        return container_id

    def say(self, container_id: str, action: str, **attributes: str) -> None:
        record = self.containers.get(container_id, {"Name": "/?", "Config": {"Labels": {}, "Image": "?"}})
        event = {
            "status": action,
            "id": container_id,
            "Type": "container",
            "Action": action,
            "Actor": {
                "ID": container_id,
                "Attributes": {
                    **record["Config"]["Labels"],
                    "image": record["Config"]["Image"],
                    "name": record["Name"].removeprefix("/"),
                    **attributes,
                },
            },
            "scope": "local",
            "time": self.now // 10**9,
            "timeNano": self.now,
        }
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def begin(self, container_id: str, *, seconds: float = 10.0) -> None:
        """Start it: a new StartedAt, then the event a millisecond later, as dockerd does."""
        state = self.containers[container_id]["State"]
        state.update(Status="running", Running=True, Pid=5000 + len(self.events), StartedAt=moment(self.tick(seconds)))
        state.update(ExitCode=0)
        self.tick(0.001)
        self.say(container_id, "start")

    def end(self, container_id: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """Let its main process die."""
        state = self.containers[container_id]["State"]
        state.update(Status="exited", Running=False, Pid=0, ExitCode=exit_code, OOMKilled=oom_killed)
        state.update(FinishedAt=moment(self.tick(0.01)))
        self.say(container_id, "die", exitCode=str(exit_code))

    def stopped(self, container_id: str) -> None:
        """Let a client stop it, which ends by the signal."""
        self.say(container_id, "kill", signal="15")
        self.end(container_id, 143)
        self.say(container_id, "stop")

    def remove(self, container_id: str) -> None:
        """Remove it."""
        self.tick(0.01)
        self.say(container_id, "destroy")
        del self.containers[container_id]

    def listed(self, record: dict[str, Any]) -> dict[str, Any]:
        return {
            "Id": record["Id"],
            "Names": [record["Name"]],
            "Image": record["Config"]["Image"],
            "ImageID": record["Image"],
            "Created": 1_800_000_000,
            "Labels": record["Config"]["Labels"],
            "State": record["State"]["Status"],
            "Status": "Up 5 minutes",
            "HostConfig": {"NetworkMode": record["HostConfig"].get("NetworkMode", "default")},
        }

    def stats(self, container_id: str) -> dict[str, Any]:
        return {
            "id": container_id,
            "memory_stats": self.memory,
            "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}, "throttling_data": {"throttled_time": 0}},
        }


def hang(request: Request) -> None:
    """Accept, read, and never answer."""
    with request.server.fake.changed:
        while not request.server.fake.closed:
            request.server.fake.changed.wait(5)


def drip(request: Request) -> None:
    """Answer a byte every 20 ms, without an end."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    while not request.server.fake.closed:
        request.wfile.write(b" ")
        request.wfile.flush()
        with request.server.fake.changed:
            request.server.fake.changed.wait(0.02)


def half(request: Request) -> None:
    """Promise more than is sent."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'[{"Id":"half')


def garbage(request: Request) -> None:
    """Answer with what is no JSON."""
    request.raw(200, b"<html>\xff\xfe</html>")


def nested(request: Request) -> None:
    """Answer with JSON that is too deep to read."""
    request.raw(200, b"[" * 200_000)


def vanish(request: Request) -> None:
    """Obey, and end the connection without an answer."""
    verb, container_id = urlsplit(request.path).path.split("/")[-1], urlsplit(request.path).path.split("/")[-2]
    request.wfile = BytesIO()
    request._obey(verb, container_id)
    request.connection.shutdown(2)


def cut_off(request: Request) -> None:
    """End the connection without obeying."""
    request.connection.shutdown(2)


def failure(request: Request) -> None:
    """Answer 500."""
    request.raw(500, b'{"message":"no space left on device"}')


def proxied(request: Request) -> None:
    """Answer 403 as HAProxy does."""
    request.raw(403, b"<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>")


def not_http(request: Request) -> None:
    """Speak another protocol."""
    request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def cut_mid_line(request: Request) -> None:
    """Open a stream, begin an event and go."""
    request.begin_stream()
    request.chunk(b'{"Type":"container","Action":"sta')


def garbage_line(request: Request) -> None:
    """Open a stream and send a line that is no event."""
    request.begin_stream()
    request.chunk(b"[1, 2]\n")


def blank_lines(request: Request) -> None:
    """Open a stream and keep it warm without ever telling an event."""
    request.begin_stream()
    while not request.server.fake.closed:
        request.chunk(b"\n")
        with request.server.fake.changed:
            request.server.fake.changed.wait(0.02)

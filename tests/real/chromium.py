"""A real Chromium without a window, driven over its own protocol: pages, what they say, pictures, what went wrong.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from real.places import MissingPartError, end_process, wait_until

PATIENCE = 30.0  # seconds: it may share two processors with everything else
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class RefusedError(AssertionError):
    """The browser did not do what it was told."""


class Tab:
    """One page."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)  # by the loader of each document
        self.wrong: list[str] = []  # what the console, the network or the policy complained about
        self._reading = asyncio.create_task(self._read())

    async def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        answer = await self.call("Page.navigate", url=url)
        async with asyncio.timeout(PATIENCE):
            await self._loaded[answer["loaderId"]].wait()  # of this document: the one before may be late

    async def look(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page answers
        """Return the value of an expression, awaited if it is a promise."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, expression: str, why: str) -> None:
        """Wait until an expression holds."""
        refused: RefusedError | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        if await self.look(expression):
                            return
                    except RefusedError as error:  # it is between two pages
                        refused = error
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it did not come to that: {why}") from refused

    async def shape(self, width: int, height: int = 900, *, dark: bool = False, phone: bool = False) -> None:
        """Give it a size and a colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def without_script(self) -> None:
        """Switch scripts off, as some readers do; expressions are still answered."""
        await self.call("Emulation.setScriptExecutionDisabled", value=True)

    async def press(self, key: str, *, text: str = "") -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13, "/": 191}
        key_of = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0), **({"text": text} if text else {})}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **key_of)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **key_of)

    async def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        box = await self.look(
            f"(() => {{ const one = document.querySelector({selector!r}); one.scrollIntoView({{block: 'center'}});"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            place = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
            await self.call("Input.dispatchMouseEvent", type=kind, **place)

    async def picture(self, target: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(target.write_bytes, base64.b64decode(answer["data"]))

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def close(self) -> None:
        """Let the page go."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = message.json()
            if "id" in said:
                waiting = self._answers.pop(said["id"])
                if "error" in said:
                    waiting.set_exception(RefusedError(said["error"]))
                else:
                    waiting.set_result(said["result"])
            elif said["method"] == "Page.lifecycleEvent":
                if said["params"]["name"] == "load":
                    self._loaded[said["params"]["loaderId"]].set()
            elif (hear := _HEARD.get(said["method"])) is not None and (wrong := hear(said["params"])):
                self.wrong.append(wrong)


def _logged(said: Mapping[str, Any]) -> str:
    line = said["entry"]
    return f"{line['level']}: {line['text']} {line.get('url', '')}" if line["level"] in {"error", "warning"} else ""


def _printed(said: Mapping[str, Any]) -> str:
    return f"{said['type']}: {said['args']}" if said["type"] in {"error", "warning", "assert"} else ""


_HEARD: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Log.entryAdded": _logged,
    "Runtime.consoleAPICalled": _printed,
    "Runtime.exceptionThrown": lambda said: str(said["exceptionDetails"]),
}


@asynccontextmanager
async def chromium() -> AsyncIterator[Tab]:
    """Run a browser of its own with one empty page."""
    program = shutil.which("chromium")
    if program is None:
        raise MissingPartError("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        environ = {**os.environ, "TMPDIR": profile}  # what it leaves behind goes with the profile
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - it returns at once
        try:
            port = await asyncio.to_thread(_port, Path(profile, "DevToolsActivePort"), process)
            async with (
                ClientSession() as session,
                session.ws_connect(await _page(session, port), max_msg_size=0) as socket,
            ):
                tab = Tab(socket)
                try:
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await tab.call(f"{domain}.enable")
                    await tab.call("Page.setLifecycleEventsEnabled", enabled=True)
                    yield tab
                finally:
                    await tab.close()
        finally:
            await asyncio.to_thread(end_process, process.pid, PATIENCE)
            process.wait()


async def _page(session: ClientSession, port: int) -> str:
    """Return where the first page can be spoken to: it listens before it has one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                for one in await answer.json():
                    if one["type"] == "page":
                        return str(one["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """Return where it listens, once it has written that down."""

    def look() -> str:
        if process.poll() is not None:
            raise AssertionError(f"chromium ended with {process.returncode}")
        return file.read_text("ascii").partition("\n")[0] if file.exists() else ""

    return int(wait_until(look, "chromium listens", PATIENCE))

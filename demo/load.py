"""The people who use the demonstration: a rush on the translator first, so that there is something to see, then a day.

The rush fills the translator above its alert level and waits there until it is cleaned; then it goes on until the
container is restarted. After that it takes some eight minutes until the translator is full again, and so on.
"""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from tasks import read

TRANSLATOR = os.environ.get("TRANSLATOR", "http://translator:8000")
TRANSCRIBER = os.environ.get("TRANSCRIBER", "http://transcriber:8000")
SENTENCES = os.environ.get("SENTENCES", "http://sentences:8000")
MODEL = os.environ.get("MODEL", "http://model:8000")
ALERTED, BRIM = 0.81, 0.955  # shares of the limit: above 80 %, and below the kill
QUIET = 0.78  # where a day's load becomes lighter: the alert and the cleanup take their minute


def ask(url: str, data: bytes | None = None) -> dict[str, Any]:
    """Return a service's answer, nothing where there is none."""
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:  # noqa: S310 - our own four addresses
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}


def translate(kib: int, pause: float) -> dict[str, Any]:
    """Have something translated."""
    found = ask(f"{TRANSLATOR}/translate?kib={kib}")
    time.sleep(pause)
    return found


def rush() -> None:
    """Fill the translator up to its alert level, wait for the cleanup, fill it to the brim, wait for the restart."""
    first: object = None
    aim = ALERTED
    while True:
        # Small steps towards the brim: a large one would go over it.
        found = translate(0, 0.2) if first is None else translate(2048 if aim == ALERTED else 512, 0.02)
        first = first or found.get("started")
        if found.get("started", first) != first:
            return
        if found.get("cleanups"):
            aim = BRIM
        while found.get("share", 0.0) >= aim:
            time.sleep(1)
            found = ask(f"{TRANSLATOR}/health")
            if found.get("cleanups"):
                aim = BRIM
            if found and found["started"] != first:
                return


def day() -> None:
    """Translate at a pace that fills a translator of 256 MiB in some eight minutes."""
    while True:
        share = translate(256, 0.5).get("share", 0.0)
        if share > QUIET:
            time.sleep(2.5)
        while share >= BRIM:  # its restarts of this hour may be spent
            time.sleep(1)
            share = ask(f"{TRANSLATOR}/health").get("share", 0.0)


def translating() -> None:
    """Be the users of the translator."""
    rush()
    day()


def recording() -> None:
    """Send a recording now and then."""
    while True:
        ask(f"{TRANSCRIBER}/transcribe", b"")
        time.sleep(45)


def embedding() -> None:
    """Ask for sentences nobody asked for before, and for the model's opinion."""
    number = 0
    while True:
        number += 1
        ask(f"{SENTENCES}/embed?text=sentence+{time.time_ns()}")
        if number % 5 == 0:
            ask(MODEL)
        time.sleep(1)


def reading() -> None:
    """Hand documents to the pool."""
    while True:
        try:
            read.delay(100)
        except Exception as error:  # noqa: BLE001 - whatever the broker does, people go on
            print(f"no document was taken: {error}", flush=True)  # noqa: T201 - a program's log
        time.sleep(1)


def main() -> None:
    """Be all of them at once."""
    people: list[Callable[[], None]] = [translating, recording, embedding, reading]
    threads = [threading.Thread(target=one, daemon=True) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()

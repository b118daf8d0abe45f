"""Makes any text a label value every scraper, terminal and page can show; tells what a glob may call a subject. Pure.

Sources call `sanitise` where names enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from brimline.model import Kind, Subject

PROTECT_LABEL: Final = "brimline.protect"
SWARM_SERVICE: Final = "com.docker.swarm.service.name"
_POD_MARKS: Final = ("io.kubernetes.pod.", "annotation.io.kubernetes.")
_NO: Final = frozenset({"false", "no", "off", "0"})
_IMAGES: Final = frozenset({"prometheus", "alertmanager"})
KEPT: Final = 200
LONGEST: Final = KEPT + 1 + 8  # what a cut name comes to, so that sanitising twice changes nothing
_BYTE: Final = 0xDC00  # os.fsdecode turns a byte that is no UTF-8 into the byte plus this


def sanitise(text: str) -> str:
    r"""Return `text` with nothing unprintable in it and at most LONGEST characters.

    A byte that is no UTF-8 (a surrogate from os.fsdecode) becomes `\xff`; control, format and separator characters
    become `\x0a`, `\u2028`. A backslash stays as it is: systemd's own unit names hold `\x2d`. A long name keeps its
    beginning and ends in `~` and a hash of the whole, so that different names stay different.
    """
    if len(text) <= LONGEST and text.isprintable():
        return text
    escaped = printable(text[: LONGEST + 1])
    if len(escaped) <= LONGEST:
        return escaped
    whole = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{escaped[:KEPT]}~{whole}"


def printable(text: str) -> str:
    """Return somebody else's whole text with nothing in it that a terminal obeys or a line ends at."""
    return text if text.isprintable() else "".join(map(_visible, text))


def names(subject: Subject) -> tuple[str, ...]:
    """Return what a glob may call it: its name, and for a container of a project also project/service, project/name."""
    if subject.kind is not Kind.CONTAINER:
        return (subject.name,)
    name, project, service = subject.labels
    return (name, f"{project}/{service}", f"{project}/{name}") if project else (name,)


def protection(labels: Mapping[str, str], image: str) -> str | None:
    """Say why a container is never acted upon, as its owner or its image tells; None: neither does.

    The label protects with any value but false, no, off and 0: a slip of the pen must not expose anything.
    """
    value = labels.get(PROTECT_LABEL)
    if value is not None and value.strip().lower() not in _NO:
        return f"its label says {PROTECT_LABEL}={sanitise(value)}"
    called = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    return f"its image is {image}" if called in _IMAGES else None


def is_pod(labels: Iterable[str]) -> bool:
    """Tell by its labels whether a container belongs to a Kubernetes pod."""
    return any(label.startswith(_POD_MARKS) for label in labels)


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code in range(_BYTE + 0x80, _BYTE + 0x100):
        code -= _BYTE
    width, letter = (2, "x") if code in range(0x100) else (4, "u") if code in range(0x10000) else (8, "U")
    return f"\\{letter}{code:0{width}x}"

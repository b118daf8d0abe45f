"""What the tests with hostile texts look at: what a terminal obeys, what a page is made of, a scene of one text."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import hostile
from brimline.labels import printable, sanitise
from brimline.model import (
    Diagnosis,
    Kind,
    Level,
    Phase,
    Subject,
)
from unit.cli_views import GIB, Scene, alert, container, down

CALM = "calm"
SUBJECTS = tuple(Subject(Kind.CONTAINER, name, (name, name, name), f"c{n}") for n, name in enumerate(hostile.NAMES))


def obeyed(text: str) -> list[str]:
    """Return the characters of a text that a terminal obeys, or that turn, hide or break what is read."""
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} and c != "\n"]


class Skeleton(HTMLParser):
    """What a page is made of, without what is said on it: elements and the names of their attributes, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.made: list[tuple[str, ...]] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.made.append((tag, *sorted(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}]

    def handle_endtag(self, tag: str) -> None:
        self.made.append(("/", tag))

    def handle_comment(self, data: str) -> None:
        self.made.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.made.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.made.append(("instruction", data))

    def unknown_decl(self, data: str) -> None:
        self.made.append(("declaration", data))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def bad_scene(text: str) -> tuple[Scene, Subject]:
    name = sanitise(text) or "x"
    subject = Subject(Kind.CONTAINER, name, (name, name, name), "c1")
    scene = Scene(
        down=[down("docker", printable(text))],
        alerts=(alert(subject, phase=Phase.FIRING),),
        failed={container("lost", name, name): text},
        diagnoses={subject: Diagnosis("leaking", f"{name} leaks.")},
        chains={subject: (Level(name, GIB, GIB, GIB),)},
    )
    return scene.memory(subject, 0.91 * GIB, GIB, limited=1.0).host(GIB, 8 * GIB), subject

"""The documentation as the tests read it: pages, their code, their links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """Return the text without its code blocks."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """Return the pieces of code inside sentences."""
        return _SPAN.findall(self.prose)

    @property
    def commands(self) -> list[str]:
        """Return the lines a person would type: all of a shell block, after `$` in a console, and spans."""
        lines = []
        for language, block in _FENCE.findall(self.text):
            if language == "console":
                lines += [line[2:] for line in block.splitlines() if line.startswith("$ ")]
            elif language in {"sh", "bash"}:
                lines += block.splitlines()
        return [line.split(" #")[0].strip() for line in (*lines, *self.spans)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """Return what GitHub makes of the headings."""
        return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in _HEADING.findall(self.prose)}


def page(name: str) -> Page:
    return Page(ROOT / name, (ROOT / name).read_text(encoding="utf-8"))


PAGES = tuple(
    page(str(path.relative_to(ROOT)))
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("[ag]*/README.md")))
)

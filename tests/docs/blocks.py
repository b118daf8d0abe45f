"""The code of the documentation, block by block, and the commands that are typed in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from docs.pages import Page

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of code."""

    name: str  # page:line
    language: str
    text: str


def blocks_of(found: Page) -> Iterator[Block]:
    for block in FENCE.finditer(found.text):
        line = found.text.count("\n", 0, block.start()) + 1
        yield Block(f"{found.name}:{line}", block[1], block[2])


def typed(block: Block) -> list[list[str]]:
    """Return the words of each command in a block: of a console after `$`, of shell everywhere, else after its name."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        lines = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    elif block.language in {"sh", "bash"}:
        lines = text.splitlines()
    else:
        lines = [line for line in text.splitlines() if line.startswith(("brimline ", "curl "))]
    found = []
    for line in lines:
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        for word in lexer:
            if set(word) <= set("();|&"):
                found.append(words)
                words = []
            else:
                words.append(word)
        found.append(words)
    stripped = ([*_program(words)] for words in found)
    return [words for words in stripped if words]


def _program(words: list[str]) -> Iterator[str]:
    """Leave out what stands before the program, and where its output goes."""
    before, target = True, False
    for word in words:
        before = before and (re.fullmatch(r"[A-Z_]+=.*", word) is not None or word == "exec")
        if not before and not target and word not in {"<", ">", ">>"}:
            yield word
        target = word in {"<", ">", ">>"}

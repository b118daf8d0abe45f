"""`where`: a glob over one label of the subject, as an anchored regex that Python and Prometheus read alike. Pure."""

from __future__ import annotations

from typing import Final

from brimline.rules.slips import Slip, SlipError
from brimline.rules.terms import Pattern

_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")  # what Go's regexp.QuoteMeta escapes
_SPECIAL_IN_CLASS: Final = frozenset("\\[]^-&~|")  # the last three: Python warns of doubled ones
_GLOB: Final = frozenset("*?[")


def parse(label: str, text: str) -> Pattern:
    """Read `whisper-*`, `!test-*` or `[ab]?`; the empty text means a missing label. Raises SlipError."""
    negated = text.startswith("!")
    position = 1 if negated else 0
    pieces = []
    while position < len(text):
        char = text[position]
        if char == "[":
            piece, position = _class(text, position)
            pieces.append(piece)
            continue
        pieces.append({"*": ".*", "?": "."}.get(char) or _quoted(char, _SPECIAL))
        position += 1
    return Pattern(label, "".join(pieces), negated, text)


def literal(pattern: Pattern) -> str | None:
    """Return the one text a pattern without wildcards names, else None."""
    text = pattern.text[1:] if pattern.negated else pattern.text
    return None if _GLOB & set(text) else text


def _quoted(char: str, special: frozenset[str]) -> str:
    return f"\\{char}" if char in special else char


def _class(text: str, start: int) -> tuple[str, int]:
    """Return the regex of the class that starts here, and where it ends; a leading `]` is a member, as in the shell."""
    position = start + 1
    negated = text[position : position + 1] == "!"
    position += negated
    end = text.find("]", position + 1)
    if end < 0:
        raise SlipError([Slip(start, len(text) - start, 'this "[" is not closed; write "]", or "[[]" for a bracket')])
    members, regex = text[position:end], ""
    index = 0
    while index < len(members):
        low, high = members[index], members[index + 2 : index + 3]
        if members[index + 1 : index + 2] == "-" and high:
            if low > high:
                message = f'"{low}-{high}" runs backwards; write "{high}-{low}"'
                raise SlipError([Slip(position + index, 3, message)])
            regex += f"{_quoted(low, _SPECIAL_IN_CLASS)}-{_quoted(high, _SPECIAL_IN_CLASS)}"
            index += 3
        else:
            regex += _quoted(low, _SPECIAL_IN_CLASS)
            index += 1
    return f"[{'^' if negated else ''}{regex}]", end + 1

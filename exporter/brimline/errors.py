"""The exception tree: every error a person can cause says where, what was found and what to write instead.

BrimlineError
|-- ConfigError      one or more Problems in a file, an environment variable or a flag
|-- UnitError        a quantity that cannot be read
|-- SourceError      a source could not be read this time
|   `-- UnreachableError  the other side did not answer (a socket, a daemon)
|-- ActionError      an action could not be done; the sentence says what is left to do
`-- JournalError     the journal cannot be written or read
"""

from __future__ import annotations

from dataclasses import dataclass


class BrimlineError(Exception):
    """Anything Brimline raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `where` is `file:line:col`, an environment variable or a flag."""

    where: str
    message: str
    span: int = 0  # characters from there on that are meant; 0: not known

    def __str__(self) -> str:
        """Return `where: message`."""
        return f"{self.where}: {self.message}"


class ConfigError(BrimlineError):
    """All the mistakes found in one go."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in problems))


class UnitError(BrimlineError):
    """A quantity that cannot be read; the message says what to write."""


class SourceError(BrimlineError):
    """A source could not be read this time."""


class UnreachableError(SourceError):
    """The other side did not answer in time or not at all."""


class ActionError(BrimlineError):
    """An action could not be done."""


class JournalError(BrimlineError):
    """The journal cannot be written or read."""

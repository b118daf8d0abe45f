"""Reading beside whoever writes: read-only connections, which wait for nobody and keep nobody waiting."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from brimline.errors import JournalError
from brimline.journal.file import NAME, sentence
from brimline.journal.schema import APPLICATION, VERSION

_BUSY_SECONDS: Final = 0.25


def open_reading(directory: Path) -> sqlite3.Connection:
    """Return a read-only connection to the journal in this directory."""
    path = directory / NAME
    try:
        mode = "mode=ro&immutable=1" if os.statvfs(path).f_flag & os.ST_RDONLY else "mode=ro"
    except (FileNotFoundError, NotADirectoryError):
        raise JournalError(f"{path}: there is no journal; write where it is with --storage.path") from None
    except OSError as error:
        raise JournalError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?{mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise JournalError(sentence(path, error)) from None
    if application != APPLICATION or version != VERSION:
        connection.close()
        of = "no journal of Brimline" if application != APPLICATION else f"schema {version}, this one knows {VERSION}"
        raise JournalError(f"{path}: {of}")
    return connection


class Reader:
    """One read-only connection, made anew whenever the writer opened a file."""

    def __init__(self, directory: Path, generation: Callable[[], int]) -> None:
        self._directory, self._generation = directory, generation
        self._connection: sqlite3.Connection | None = None
        self._of = 0
        self._version = -1

    @property
    def directory(self) -> Path:
        """Return where the journal is."""
        return self._directory

    def changed(self) -> bool:
        """Tell whether anybody wrote since the last call; costs a look into shared memory."""
        connection = self._connected()
        try:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise self._failed(error) from None
        before, self._version = self._version, version
        return bool(before != version)

    def rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        connection = self._connected()
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None or self._of != self._generation():
            self.close()
            self._of, self._version = self._generation(), -1
            self._connection = open_reading(self._directory)
        return self._connection

    def _failed(self, error: sqlite3.Error) -> JournalError:
        self.close()
        return JournalError(sentence(self._directory / NAME, error))

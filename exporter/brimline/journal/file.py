"""The journal's file: made for its owner alone, opened with a check, set aside where it is damaged, never deleted."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from brimline.errors import JournalError
from brimline.journal.schema import migrate

NAME: Final = "journal.sqlite"
LOCK: Final = "journal.lock"
_BESIDE: Final = ("", "-wal", "-shm")
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY_SECONDS: Final = 5.0  # how long another process may write
_LOCK_TRIES: Final = 10  # a command that looks whether a daemon runs holds the lock for a moment
_LOCK_PAUSE: Final = 0.02
_WAL_BYTES: Final = 4 * 1024 * 1024


class _DamagedError(Exception):
    """The file is no database, or its pages contradict each other."""


class Lock:
    """Held by the one daemon whose journal this is, as long as it lives."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK
        self._fd = -1

    def take(self) -> None:
        """Take it, unless it is held already; a JournalError where another process holds it."""
        if self._fd >= 0:
            return
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE)
            else:
                self._fd = fd
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
                return
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise JournalError(
            f"{self._path.parent}: another Brimline (pid {owner or 'unknown'}) keeps its journal here; "
            "give each its own storage.path"
        )

    def release(self) -> None:
        """Let another have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def daemon_runs(directory: Path) -> bool:
    """Tell whether a daemon holds the lock."""
    try:
        fd = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def make_directory(directory: Path) -> None:
    """Make the directory for its owner alone where it is missing."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"{directory}: {(error.strerror or str(error)).lower()}; write another storage.path"
        ) from None


def open_checked(directory: Path, wall: float) -> tuple[sqlite3.Connection, str]:
    """Return a connection that may write, and a sentence about a damaged file that was set aside, or an empty one."""
    path = directory / NAME
    try:
        return _connected(path, check=True), ""
    except _DamagedError as damage:
        aside = _set_aside(path, wall)
        return _connected(path, check=True), f"{path} is damaged ({damage}); it was set aside as {aside.name}"


def open_to_append(directory: Path) -> sqlite3.Connection:
    """Return a connection for one line of another process; nothing is checked and nothing set aside."""
    path = directory / NAME
    try:
        return _connected(path, check=False)
    except _DamagedError as damage:
        raise JournalError(f"{path} is damaged ({damage}); the daemon sets it aside when it starts") from None


def sentence(path: Path, error: sqlite3.Error) -> str:
    """Return what SQLite's error means for whoever has to mend it."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"{path}: no room is left on the disk; free some, or write another storage.path"
        case sqlite3.SQLITE_READONLY:
            return f"{path}: it cannot be written ({error}); mount it read-write, or write another storage.path"
        case sqlite3.SQLITE_CANTOPEN:
            return f"{path}: it cannot be opened; look at its owner and mode, or write another storage.path"
        case sqlite3.SQLITE_BUSY:
            return f"{path}: another process has been writing for {_BUSY_SECONDS:g} s"
        case _:
            return f"{path}: {error}"


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether the error means that the file's content cannot be trusted."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _connected(path: Path, *, check: bool) -> sqlite3.Connection:
    try:
        _own(path)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise JournalError(f"{path}: {said}; look at its owner and mode, or write another storage.path") from None
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:  # it opens the file at once
        raise JournalError(sentence(path, error)) from None
    try:
        _prepare(connection, check=check)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise _DamagedError(str(error)) from None
        raise JournalError(sentence(path, error)) from None
    except JournalError as error:
        connection.close()
        raise JournalError(f"{path}: {error}") from None
    except _DamagedError:
        connection.close()
        raise
    return connection


def _own(path: Path) -> None:
    """Make the file with its mode before SQLite does, which gives the files beside it the same one.

    An existing file is never opened here: closing any descriptor of it would drop the locks of this process's
    connections (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise IsADirectoryError(21, "is a directory") from None
        with suppress(OSError):  # of another owner, or on a disk that cannot be written: SQLite will say so
            path.chmod(0o600)
    else:
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _prepare(connection: sqlite3.Connection, *, check: bool) -> None:
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # means something before the first table only
    if check:  # before anything is written
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise _DamagedError(" ".join(str(found).split()))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    migrate(connection)


def _set_aside(path: Path, wall: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall))
    aside = path.with_name(f"{NAME}.corrupt-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{NAME}.corrupt-{stamp}-{number}")
    try:
        for suffix in _BESIDE:
            with suppress(FileNotFoundError):
                path.with_name(NAME + suffix).rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise JournalError(f"{path} is damaged and cannot be set aside: {error.strerror}") from None
    return aside

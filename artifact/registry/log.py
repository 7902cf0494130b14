"""The deployment log of a model: numbered files, each created whole and only if its number is free."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from artifact.errors import ArtifactError, RefusedError
from artifact.files import flush, unreadable
from artifact.registry.entry import FORMAT, Change, Entry, entry_text, read_entry

_FILE = re.compile(r"([0-9]{8,})\.json")
# A writer that was killed leaves its temporary file. A file this old belongs to no living writer.
_ABANDONED_SECONDS = 3600.0
# How often a reader lists the folder: only a list shows a gap.
LIST_SECONDS = 60.0


class TakenError(RefusedError):
    """Another writer was first, and made the entry of this number.

    Attributes:
        entry: the entry of the other writer.
    """

    def __init__(self, name: str, entry: Entry) -> None:
        self.entry = entry
        super().__init__(
            f"Expected entry {entry.number} of the deployment log of '{name}' to be free. Received: {entry.action} "
            f"{'to' if entry.action == 'rollback' else 'of'} {name}:{entry.champion} by {entry.who} at {entry.when}. "
            f"Look at `trueline history {name}`, and say again what you want."
        )


class DeploymentLog:
    """The log of one model, in a folder of its own. Entries are never changed and never taken away.

    A writer writes the whole file under another name, flushes it to disk, and gives it its number by a hard link. Only
    one writer can make that link. A reader looks whether the file of the next number exists, which costs little. Now
    and then it lists the folder: if a number is missing, it stops before the gap.

    Args:
        folder: folder of this model's entries; it need not exist.
        name: name of the model, for messages.
        clock: seconds of any clock that never goes back.

    Attributes:
        problem: why entries that are there do not count, in a sentence; empty where all of them do.
    """

    def __init__(self, folder: Path, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.name = name
        self.problem = ""
        self._clock = clock
        # Threads of one process share a log.
        self._lock = threading.Lock()
        self._last: Entry | None = None
        # Entries that were read, by number: they never change.
        self._entries: dict[int, Entry] = {}
        self._listed_at: float | None = None

    def path(self, number: int) -> Path:
        """Where the entry of a number is, or would be."""
        return self.folder / f"{number:08d}.json"

    def last(self) -> Entry | None:
        """The entry that is in force; None where there is none.

        An entry that cannot be read, or a number that is missing, stops the reader before it, and ``problem`` says so.

        Raises:
            OSError: the folder cannot be read.
        """
        with self._lock:
            if self._listed_at is None or self._clock() - self._listed_at >= LIST_SECONDS:
                self._list()
            elif not self.problem:
                self._follow()
            return self._last

    def entries(self) -> list[Entry]:
        """All entries that count, the oldest first, without those of :meth:`damaged`.

        Raises:
            OSError: the folder cannot be read.
        """
        return self._read_all()[0]

    def damaged(self) -> list[str]:
        """A sentence for each entry that cannot be read although a later one is in force, the oldest first.

        Raises:
            OSError: the folder cannot be read.
        """
        return self._read_all()[1]

    def _read_all(self) -> tuple[list[Entry], list[str]]:
        """The entries up to the one in force, and what is wrong with those that cannot be read."""
        with self._lock:
            self._list()
            entries, problems = [], []
            for number in range(1, self._next()):
                try:
                    if number not in self._entries:
                        self._entries[number] = self._read(number, is_older=True)
                    entries.append(self._entries[number])
                except ArtifactError as error:
                    problems.append(str(error))
            return entries, problems

    def append(self, change: Change, *, after: int) -> Entry:
        """Write the next entry.

        Args:
            change: the state from now on.
            after: number of the last entry that the writer knows; 0 for none. If there is a later entry, nothing is
                written, because the writer has not seen it.

        Returns:
            The entry, which is on disk.

        Raises:
            TakenError: another writer was first.
            DataError: the entry is too large.
            ArtifactError: the log has a gap or an entry that cannot be read, or the disk has no hard links.
            OSError: the entry could not be written; the log is as before.
        """
        with self._lock:
            self._list()
            if self.problem:
                raise ArtifactError(self.problem)
            last = self._last
            if last is not None and last.number > after:
                raise TakenError(self.name, self._read(after + 1))
            entry = Entry(format=FORMAT, number=after + 1, nonce=secrets.token_hex(16), **dict(change))
            self.folder.mkdir(parents=True, exist_ok=True)
            self._create(entry, entry_text(entry))
            self._put_in_force(entry)
            return entry

    def _create(self, entry: Entry, text: str) -> None:
        final = self.path(entry.number)
        aside = self.folder / f".{final.name}.{entry.nonce}"
        try:
            aside.write_text(text, encoding="utf-8")
            flush(aside)
            self._sweep(aside)
            try:
                os.link(aside, final)
            except OSError as error:
                self._check_made(entry, error)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        flush(self.folder)

    def _check_made(self, entry: Entry, error: OSError) -> None:
        """Check whether the entry was made in spite of the error: over a network only the answer may have been lost.

        Raises:
            TakenError: another writer's entry has the number.
            ArtifactError: the disk has no hard links.
            OSError: there is no entry of that number.
        """
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise ArtifactError(
                f"Expected a disk with hard links for the deployment log in {self.folder}. "
                f"Received: {unreadable(error)}. Name a folder on another disk in BENTOML_HOME."
            ) from error
        try:
            present = self._read(entry.number)
        except FileNotFoundError:
            raise error from None
        if present.nonce != entry.nonce:
            raise TakenError(self.name, present) from error

    def _list(self) -> None:
        """Read the folder: which numbers there are, and the last entry before a gap."""
        named = {path.name: int(match[1]) for path in self._files() if (match := _FILE.fullmatch(path.name))}
        # Only the name that a writer would give counts: no second name for a number, as 000000001.json.
        numbers = {number for name, number in named.items() if name == self.path(number).name}
        self.problem = ""
        self._listed_at = self._clock()
        last_read = self._last.number if self._last is not None and self._last.number in numbers else 0
        if not last_read:
            self._last = None
            self._entries.clear()
        highest = max(numbers, default=0)
        gap = next((number for number in range(1, highest) if number not in numbers), None)
        # Entries never change: if the last one has been read, only newer ones are read.
        number = highest if gap is None else gap - 1
        while number > last_read and not self._try_to_read(number):
            number -= 1
        if gap is not None and not self.problem:
            self.problem = (
                f"Expected the deployment log of '{self.name}' without gaps. Received: entry {highest} and no entry "
                f"{gap}, in {self.folder}. Entries after the gap do not count: put the missing file back, or remove "
                "these entries."
            )

    def _files(self) -> list[Path]:
        try:
            return list(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _follow(self) -> None:
        """Read the entries that are new since the last look, one after another."""
        while self._try_to_read(self._next()):
            pass

    def _next(self) -> int:
        return 1 if self._last is None else self._last.number + 1

    def _try_to_read(self, number: int) -> bool:
        """Read an entry, and return whether that worked; if it is there and cannot be read, ``problem`` says why."""
        try:
            self._put_in_force(self._read(number))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except ArtifactError as error:
            self.problem = str(error)
            return False
        return True

    def _put_in_force(self, entry: Entry) -> None:
        """Note which entry is in force. It stays in memory, even if its file is damaged later."""
        self._last = self._entries[entry.number] = entry

    def _read(self, number: int, *, is_older: bool = False) -> Entry:
        """One entry, see :func:`artifact.registry.entry.read_entry`."""
        return read_entry(self.path(number), number, self.name, is_older=is_older)

    def _sweep(self, mine: Path) -> None:
        """Remove the temporary files of killed writers. The writer's own file shows the time by the disk's clock."""
        now = mine.stat().st_mtime
        for path in self._files():
            if path.name.startswith(".") and _FILE.fullmatch(path.name[1:].rpartition(".")[0]):
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > _ABANDONED_SECONDS:
                        path.unlink()

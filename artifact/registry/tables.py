"""Tables of rows that are kept beside the versions: each file is named by its sha256, so equal tables share one."""

from __future__ import annotations

import contextlib
import fcntl
import math
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from artifact.errors import ArtifactError
from artifact.files import flush, unreadable
from artifact.manifest import file_sha256
from artifact.recipe import KeptTable
from artifact.registry.locks import locked

_FILE = re.compile(r"([0-9a-f]{64})\.parquet")
_ASIDE = "table-"


class RowsAside(NamedTuple):
    """Rows in a file that is not kept yet.

    Attributes:
        path: path of the file, from :meth:`Tables.writing`.
        rows: number of the rows.
    """

    path: Path
    rows: int


class Tables:
    """Parquet files that never change. A version's recipe names those that it needs.

    A file is written aside, flushed and renamed. Versions of the same rows share one file. :meth:`prune` waits while a
    version that names a file is being stored.

    Args:
        folder: folder of the files; it need not exist.
        staging: folder on the same disk for files that are being written.
    """

    def __init__(self, folder: Path, staging: Path) -> None:
        self.folder, self._staging = folder, staging
        self._lock = folder / ".lock"
        self._unfinished: set[Path] = set()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """The path for a new table; a file that is still there at the end of the block is removed."""
        self._staging.mkdir(parents=True, exist_ok=True)
        path = self._staging / f"{_ASIDE}{secrets.token_hex(8)}.parquet"
        self._unfinished.add(path)
        try:
            # The lock shows that the writer lives. The file of a killed writer has no lock, and can be removed.
            with path.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield path
        finally:
            path.unlink(missing_ok=True)
            self._unfinished.discard(path)

    def abandon(self) -> None:
        """Remove the unfinished files of this process, when it ends in the middle."""
        for path in [*self._unfinished]:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Within the block :meth:`prune` waits: a version that names a table is being stored.

        This waits for a :meth:`prune` without a limit: a training that has taken hours is not given up for it.
        """
        with locked(self._lock, shared=True, seconds=math.inf):
            yield

    def add(self, aside: RowsAside) -> KeptTable:
        """Keep a table that was written aside: its file moves into the folder.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        flush(aside.path)
        table = KeptTable(sha256=file_sha256(aside.path), rows=aside.rows, size=aside.path.stat().st_size)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A file of this name may be there already. It had the same bytes; if it was damaged since, this mends it.
        aside.path.replace(self._path(table.sha256))
        flush(self.folder)
        return table

    def path(self, table: KeptTable, description: str) -> Path:
        """The path of a table's file. Before the path is returned, the file is compared with its checksum.

        Args:
            table: the table.
            description: what the rows are, for the message: ``training rows of houses:VERSION``.

        Raises:
            ArtifactError: the file is gone, or its bytes have changed.
        """
        path = self._path(table.sha256)
        try:
            actual = file_sha256(path)
        except FileNotFoundError as error:
            raise ArtifactError(
                f"Expected the {description} in {path}. Received: no such file; `trueline data --prune` or somebody "
                "else removed it. Put a copy back, or give the rows by --data."
            ) from error
        except OSError as error:
            raise ArtifactError(
                f"Expected the {description} in {path}. Received: {unreadable(error)}. Make it a file that this user "
                "can read, or give the rows by --data."
            ) from error
        if actual != table.sha256:
            raise ArtifactError(
                f"Expected the {description} in {path} as they were kept. Received: other bytes (sha256 "
                f"{actual[:12]}). The file is damaged: put a copy back, or give the rows by --data."
            )
        return path

    def sizes(self) -> dict[str, int]:
        """Bytes of each file by its sha256."""
        sizes = {}
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self.folder.iterdir()):
                # Another process may prune meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    if (match := _FILE.fullmatch(path.name)) and path.is_file():
                        sizes[match[1]] = path.stat().st_size
        return sizes

    def prune(self, needed: Callable[[], Collection[str]]) -> dict[str, int]:
        """Remove the files that no version needs, and the unfinished files of killed writers.

        Args:
            needed: gives the sha256 of the files that stay. It is called while no process can store a version that
                names a further file.

        Returns:
            Bytes of each removed file by its sha256.

        Raises:
            RefusedError: another process has been storing a version for 30 seconds; the message names it.
        """
        if not self.folder.is_dir():
            return {}
        with locked(self._lock):
            needed_files = needed()
            removed = {sha256: size for sha256, size in self.sizes().items() if sha256 not in needed_files}
            for sha256 in removed:
                self._path(sha256).unlink(missing_ok=True)
            flush(self.folder)
        self._sweep()
        return removed

    def _sweep(self) -> None:
        for path in self._staging.glob(f"{_ASIDE}*.parquet"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.parquet"

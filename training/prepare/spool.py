"""Encoded training rows in a temporary file, dealt at random into chunks of equal size."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError
from artifact.rows.encoding import Encoded
from training.objectives.kinds import scaled_by
from training.prepare.moments import Moments

Float64 = npt.NDArray[np.float64]
_GIB = 1024**3


class Chunk(NamedTuple):
    """The rows of one chunk.

    Attributes:
        X: encoded rows.
        y: float64 (n_samples, n_targets), targets as in the table.
        weight: float64 (n_samples,), weights as in the table, or None.
    """

    X: Encoded
    y: Float64
    weight: Float64 | None


class Spool:
    """A file of chunks. Each row goes to a random chunk, so that each chunk is a sample of the whole table.

    The file has no name, so it is deleted however the process ends. It is read and not mapped into memory: pages of a
    mapped file would count as the process's memory.

    Args:
        n_rows: number of rows that will be added.
        chunk_rows: largest number of rows of a chunk.
        n_numeric, n_categorical, n_targets: numbers of columns.
        weighted: whether rows have weights.
        seed: seed of the dealing.

    Raises:
        DataError: there is too little space for temporary files.
    """

    def __init__(
        self,
        n_rows: int,
        chunk_rows: int,
        *,
        n_numeric: int,
        n_categorical: int,
        n_targets: int,
        weighted: bool,
        seed: int,
    ) -> None:
        self.n_chunks = -(-n_rows // chunk_rows)
        # Chunks differ by at most one row; a shorter one leaves its last place in the file unused.
        self.chunk_rows = -(-n_rows // self.n_chunks)
        self._widths = {"numeric": n_numeric, "categorical": n_categorical, "y": n_targets, "weight": int(weighted)}
        self._types = {"numeric": np.float32, "categorical": np.uint16, "y": np.float64, "weight": np.float64}
        self.sizes = np.zeros(self.n_chunks, np.int64)
        self._rng = np.random.default_rng(seed)
        self._turn = 0
        self._file = _temporary(n_rows * row_bytes(n_numeric, n_categorical, n_targets))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which frees its space."""
        self._file.close()

    def add(self, X: Encoded, y: Float64, weight: Float64 | None) -> None:
        """Deal rows into the chunks.

        Args:
            X: encoded rows.
            y: float64 (n_samples, n_targets).
            weight: float64 (n_samples,), or None.

        Raises:
            OSError: the disk is full.
        """
        order = self._rng.permutation(len(y))
        arrays = {"numeric": X.numeric, "categorical": X.categorical, "y": y, "weight": weight}
        used = {name: arrays[name] for name, width in self._widths.items() if width}
        for i in range(min(self.n_chunks, len(y))):
            chunk = (self._turn + i) % self.n_chunks
            rows = order[i :: self.n_chunks]
            for name, values in used.items():
                part = np.ascontiguousarray(np.asarray(values)[rows], self._types[name])
                _write(self._file, part, self._at(chunk, name, int(self.sizes[chunk])))
            self.sizes[chunk] += len(rows)
        # The next batch goes on with the chunk after the last one, so that all chunks get the same number of rows.
        self._turn = (self._turn + len(y)) % self.n_chunks

    def read(self, chunk: int) -> Chunk:
        """The rows of a chunk, in the order in which they were dealt."""
        n = int(self.sizes[chunk])
        arrays = {name: self._array(chunk, name, n) for name in self._widths}
        X = Encoded(arrays["numeric"], arrays["categorical"].astype(np.int32))
        return Chunk(X, arrays["y"], arrays["weight"][:, 0] if self._widths["weight"] else None)

    def _array(self, chunk: int, name: str, n: int) -> npt.NDArray[Any]:
        values = np.empty((n, self._widths[name]), self._types[name])
        rest, at = values.data.cast("B") if values.size else memoryview(b""), self._at(chunk, name, 0)
        while len(rest):
            n_read = os.preadv(self._file.fileno(), [rest], at)
            if not n_read:
                raise OSError(f"Expected the rows of chunk {chunk} in the temporary file. Received: its end.")
            rest, at = rest[n_read:], at + n_read
        return values

    def _at(self, chunk: int, name: str, row: int) -> int:
        """Position in the file of a row's values. Chunks follow one another, and so do the arrays of a chunk."""
        names: Sequence[str] = list(self._widths)
        before = sum(self._row(n) for n in names[: names.index(name)])
        whole = sum(self._row(n) for n in names)
        return self.chunk_rows * (chunk * whole + before) + row * self._row(name)

    def _row(self, name: str) -> int:
        return self._widths[name] * np.dtype(self._types[name]).itemsize


@dataclass(frozen=True, slots=True)
class Stream:
    """Encoded training rows on disk, and the moments of their targets.

    Attributes:
        spool: the rows.
        moments: moments of the targets, weighted as the rows are.
        offsets: float64 (n_targets,), what the schema subtracts from each target.
        mean_weight: mean that divides the weights; 1 without weights.
        n_train: number of rows.
    """

    spool: Spool
    moments: Moments
    offsets: Float64
    mean_weight: float
    n_train: int

    def scale(self, objective: str) -> tuple[Float64, Float64]:
        """Scale of the targets less their offsets, see :func:`training.objectives.kinds.scale_of`."""
        return scaled_by(objective, self.moments.mean - self.offsets, self.moments.std)

    def ends(self) -> tuple[Float64, Float64]:
        """Smallest and largest value of each target, less its offset, each float64 (n_targets,)."""
        return self.moments.minimum - self.offsets, self.moments.maximum - self.offsets


def row_bytes(n_numeric: int, n_categorical: int, n_targets: int) -> int:
    """Bytes of a row in the file."""
    return 4 * n_numeric + 2 * n_categorical + 8 * (n_targets + 1)


def _temporary(n_bytes: int) -> IO[bytes]:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise DataError(
            f"Expected {n_bytes / _GIB:.1f} GiB free in {folder} for the encoded rows. "
            f"Received: {free / _GIB:.1f} GiB. Set TMPDIR to a folder with more space."
        )
    return tempfile.TemporaryFile(buffering=0)


def _write(file: IO[bytes], part: npt.NDArray[Any], at: int) -> None:
    rest = part.data.cast("B")
    while len(rest):
        n_written = os.pwrite(file.fileno(), rest, at)
        rest, at = rest[n_written:], at + n_written

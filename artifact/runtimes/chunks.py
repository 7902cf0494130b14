"""Rows in chunks: while a network computes, each row takes many times its own memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from artifact.runtimes.base import Outputs


def chunks(n_rows: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` rows, one after another. Zero rows give one empty slice.

    Example:
        >>> [(part.start, part.stop) for part in chunks(5000, 4096)]
        [(0, 4096), (4096, 5000)]
    """
    for start in range(0, max(n_rows, 1), size):
        yield slice(start, min(start + size, n_rows))


def join(parts: Sequence[Outputs]) -> Outputs:
    """The outputs of consecutive chunks as those of all their rows."""
    if len(parts) == 1:
        return parts[0]
    # A network has all of its outputs in every chunk.
    by_name = [part._asdict() for part in parts]
    return Outputs(
        **{
            name: np.concatenate([values[name] for values in by_name])
            for name, first in by_name[0].items()
            if first is not None
        }
    )

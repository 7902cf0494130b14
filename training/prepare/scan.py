"""The first pass: what all columns say, which rows are held out, and a sample of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from artifact.errors import DataError
from training.objectives.kind import BINARY
from training.objectives.kinds import KINDS, needs_more_than_zeros, only_zeros, refused_target, takes
from training.prepare.bounds import Bounds
from training.prepare.draw import Draw, hashed
from training.prepare.held_out import HeldOut
from training.prepare.moments import Moments
from training.prepare.request import Request
from training.prepare.rows import Batch, Rows
from training.prepare.summary import ColumnSummary
from training.suspects.heavy import LIMIT, heavy_sentence
from training.table import split
from training.table.corrections import FeatureCorrection
from training.table.split import Indices
from training.table.targets import check_range
from training.table.weights import refused_weight

# Of the key by which a row is held out, beside the row's own columns; no file can have it.
KEY = "\0key"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the first pass found.

    Attributes:
        summaries: of the columns that may be features, by name.
        moments: of the targets, over all usable rows.
        usable: rows with a target.
        mean_weight: of the usable rows; 1 where none weigh.
        frame: held-out rows, then the sample of the rows that train.
        parts: where the rows of each part are in ``frame``, those that train without the ones not in the sample.
        bound: the largest key that is held out; None for none.
        heavy: a sentence for each target of which one value holds most of the variance.
    """

    summaries: dict[str, ColumnSummary]
    moments: Moments
    usable: int
    mean_weight: float
    frame: pl.DataFrame
    parts: dict[str, Indices]
    bound: object
    heavy: list[str]


class Scan:
    """Takes in all rows.

    Args:
        request: what to train.
        candidates: columns that may be features.
        held: keys of the rows.
        n_rows: of the table.
        shares: of the held-out parts.
        bounds: what may be in memory.
    """

    def __init__(
        self,
        request: Request,
        candidates: list[str],
        held: HeldOut,
        n_rows: int,
        shares: dict[str, float],
        bounds: Bounds,
    ) -> None:
        self._request, self._held, self._shares, self._rows = request, held, shares, n_rows
        features = request.corrections.features
        self._summaries = {
            name: ColumnSummary(name, features.get(name, FeatureCorrection()), bounds.texts) for name in candidates
        }
        self._moments = Moments(len(request.targets))
        most = sum(split.part_sizes(n_rows, shares).values())
        # A group fills a part beyond its plan; the next one needs its rows all the same.
        self._holding = Draw(most + most // 2 if request.group else most, held.what)
        self._sample = Draw(bounds.sample(len(candidates)))
        self._weights = Weights(request.weight)
        self._refused: dict[str, tuple[float, int]] = {}
        self._usable = 0
        # The rows and values of each target's ends.
        self._ends: dict[str, dict[str, tuple[int, float]]] = {name: {} for name in request.targets}

    def run(self, rows: Rows) -> Scanned:
        """Read all rows once.

        Raises:
            DataError: rows that cannot be read, too few of them, or targets, weights or moments that do not fit.
        """
        for batch in rows:
            self._add(batch)
        self._check()
        self._held.check()
        keys, near = self._holding.rows()
        found, bound = self._held.cut(keys, split.part_sizes(self._usable, self._shares))
        n_held = sum(map(len, found.values()))
        _, sample = self._sample.rows()
        if bound is not None:
            sample = sample.filter(pl.col(KEY) > bound)
        # In the order of the table: what samples of it are drawn from must not depend on the keys.
        frame = pl.concat([near[:n_held], sample.drop(KEY)])
        train = np.arange(n_held, frame.height, dtype=np.int64)
        parts = {**found, "train": train}
        split.checked(split.Parts(**parts), self._why())
        held_out = np.concatenate([parts["test"], parts["calibration"]])
        for name, summary in self._summaries.items():
            if frame[name].dtype == pl.String:
                summary.without(frame[name].gather(held_out))
        mean_weight = self._weights.mean(self._usable)
        return Scanned(
            self._summaries, self._moments, self._usable, mean_weight, frame, parts, bound, list(self._heavy())
        )

    def _add(self, batch: Batch) -> None:
        for name, summary in self._summaries.items():
            summary.add(batch.frame[name])
            summary.infinite += batch.infinite.get(name, 0)
        self._usable += len(batch.y)
        self._moments.add(batch.y)
        for name, column in zip(self._request.targets, batch.y.T, strict=True):
            for end, row in (("low", int(column.argmin())), ("high", int(column.argmax()))):
                value, known = float(column[row]), self._ends[name].get(end)
                if known is None or (value < known[1] if end == "low" else value > known[1]):
                    self._ends[name][end] = int(batch.numbers[row]), value
            bad = column[~takes(self._request.config.objective, column)]
            if len(bad):
                first, count = self._refused.get(name, (float(bad[0]), 0))
                self._refused[name] = first, count + len(bad)
        self._weights.add(batch.frame)
        keys = self._held.keys(batch.numbers, batch.frame)
        self._holding.add(keys, batch.frame)
        random = hashed(batch.numbers, 2 * self._request.config.seed + 1)
        self._sample.add(random, batch.frame.with_columns(pl.Series(KEY, keys)))

    def _heavy(self) -> Iterator[str]:
        if KINDS[self._request.config.objective].takes is BINARY:
            return
        for j, (name, ends) in enumerate(self._ends.items()):
            mean, total = float(self._moments.mean[j]), float(self._moments.std[j]) ** 2 * self._usable
            row, value = max(ends.values(), key=lambda end: abs(end[1] - mean))
            share = (value - mean) ** 2 / total
            if share > LIMIT:
                yield f"Row {row + 1:,} of the table has {heavy_sentence(name, value, share)}"

    def _check(self) -> None:
        if self._usable < split.MIN_ROWS:
            raise DataError(f"Expected at least {split.MIN_ROWS} rows with a target. Received: {self._usable}.")
        low, high = self._moments.minimum, self._moments.maximum
        for j, name in enumerate(self._request.targets):
            if low[j] == high[j]:
                raise DataError(f"Expected '{name}' to vary. Received: {low[j]} in each of {self._usable} rows.")
            if name in self._refused:
                raise refused_target(self._request.config.objective, name, *self._refused[name], self._usable)
            check_range(name, float(low[j]), float(high[j]), float(self._moments.std[j]))
            if high[j] == 0 and needs_more_than_zeros(self._request.config.objective):
                raise only_zeros(name, self._usable)
        self._weights.check(self._usable)

    def _why(self) -> str:
        return f"only {self._usable} rows" if self._held.what == "rows" else f"too few different {self._held.what}"


class Weights:
    """The weights of all rows.

    Args:
        name: of the column, or None: each row counts as much.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._sum, self._bad, self._first = 0.0, 0, 0.0

    def add(self, frame: pl.DataFrame) -> None:
        """Take in rows."""
        if self._name is None:
            return
        weight = frame[self._name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        good = np.isfinite(weight) & (weight >= 0)
        if not good.all() and not self._bad:
            self._first = float(weight[~good][0])
        self._bad += int((~good).sum())
        self._sum += float(weight[good].sum())

    def check(self, n_rows: int) -> None:
        """After all rows.

        Raises:
            DataError: a weight that is missing, negative or not finite, or none above 0.
        """
        if self._name is None:
            return
        if self._bad:
            raise refused_weight(self._name, self._first, self._bad, n_rows)
        if not self._sum:
            raise DataError(f"Expected some weight above 0. Received: only 0, in '{self._name}'.")

    def mean(self, n_rows: int) -> float:
        """Of the rows."""
        return 1.0 if self._name is None else self._sum / n_rows

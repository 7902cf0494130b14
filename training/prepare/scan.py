"""The first pass over a streamed table: the columns' facts, the held-out rows, and a sample of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from training.objectives.kinds import refused_target, takes
from training.prepare.bounds import Bounds
from training.prepare.draw import Draw, hashed
from training.prepare.held_out import HeldOut
from training.prepare.moments import Moments
from training.prepare.request import Request
from training.prepare.rows import Batch, Rows
from training.prepare.summary import ColumnSummary
from training.suspects.heavy import Heaviest
from training.table import split
from training.table.corrections import FeatureCorrection
from training.table.split import Indices
from training.table.targets import check_spread
from training.table.weights import Weights

# Name of the column with a row's key, beside the table's columns; no file can have such a name.
KEY = "\0key"


@dataclass(frozen=True, slots=True)
class Scanned:
    """The results of the first pass.

    Attributes:
        summaries: summary of each column that may be a feature, by name.
        moments: moments of the targets over all usable rows.
        usable: number of rows with a target.
        mean_weight: mean weight of the usable rows; 1 without a column of weights.
        frame: held-out rows, then the sample of the rows that train.
        parts: positions in ``frame`` of each part's rows; the part that trains has only those of the sample.
        bound: the largest key of a held-out row; None if no row is held out.
        heaviest: the value of each target that is farthest from its mean, by the target's name.
        times: the moments that order the rows; None without a column of times.
    """

    summaries: dict[str, ColumnSummary]
    moments: Moments
    usable: int
    mean_weight: float
    frame: pl.DataFrame
    parts: dict[str, Indices]
    bound: object
    heaviest: dict[str, Heaviest]
    times: split.Moments | None


class Scan:
    """The first pass over all rows.

    Args:
        request: what to train.
        candidates: columns that may be features.
        held_out: gives the keys of the rows.
        n_rows: number of the table's rows.
        shares: shares of the held-out parts.
        bounds: limits on the rows in memory.
    """

    def __init__(
        self,
        request: Request,
        candidates: list[str],
        held_out: HeldOut,
        n_rows: int,
        shares: dict[str, float],
        bounds: Bounds,
    ) -> None:
        self._request, self._held_out, self._shares, self._rows = request, held_out, shares, n_rows
        features = request.corrections.features
        self._summaries = {
            name: ColumnSummary(name, features.get(name, FeatureCorrection()).kind, bounds.texts) for name in candidates
        }
        self._moments = Moments(len(request.targets))
        most = sum(split.part_sizes(n_rows, shares).values())
        # A large group may make a part larger than planned. So half as many rows again are held, which the next parts
        # may need.
        self._holding = Draw(most + most // 2 if request.group else most, held_out.what)
        self._sample = Draw(bounds.sample(len(candidates)))
        self._weights = Weights(request.weight)
        self._refused: dict[str, tuple[float, int]] = {}
        self._usable = 0
        # For each target, its lowest and its highest value, each with the number of its row.
        self._ends: dict[str, dict[str, tuple[int, float]]] = {name: {} for name in request.targets}

    def run(self, rows: Rows) -> Scanned:
        """Read all rows once.

        Raises:
            DataError: rows cannot be read or are too few, or targets, weights or moments do not fit.
        """
        for batch in rows.batches():
            self._add(batch)
        self._check()
        self._held_out.check()
        keys, near = self._holding.rows()
        held_out_parts, bound = self._held_out.cut(keys, split.part_sizes(self._usable, self._shares))
        n_held_out = sum(map(len, held_out_parts.values()))
        _, sample = self._sample.rows()
        if bound is not None:
            sample = sample.filter(pl.col(KEY) > bound)
        # The sample is in the table's order, so that later draws from it do not depend on the keys.
        frame = pl.concat([near[:n_held_out], sample.drop(KEY)])
        train = np.arange(n_held_out, frame.height, dtype=np.int64)
        parts = {**held_out_parts, "train": train}
        split.checked(split.Parts(**parts), self._why())
        held_out = np.concatenate([parts["test"], parts["calibration"]])
        for name, summary in self._summaries.items():
            if frame[name].dtype == pl.String:
                summary.without(frame[name].gather(held_out))
        return Scanned(
            self._summaries,
            self._moments,
            self._usable,
            self._weights.mean,
            frame,
            parts,
            bound,
            dict(self._heaviest()),
            self._held_out.moments(self._usable),
        )

    def _add(self, batch: Batch) -> None:
        for name, summary in self._summaries.items():
            summary.add(batch.frame[name])
            summary.infinite += batch.infinite.get(name, 0)
        self._usable += len(batch.y)
        self._moments.add(batch.y)
        for name, column in zip(self._request.targets, batch.y.T, strict=True):
            for end, row in (("low", int(column.argmin())), ("high", int(column.argmax()))):
                value, extreme = float(column[row]), self._ends[name].get(end)
                if extreme is None or (value < extreme[1] if end == "low" else value > extreme[1]):
                    self._ends[name][end] = int(batch.numbers[row]), value
            bad = column[~takes(self._request.config.objective, column)]
            if len(bad):
                first, count = self._refused.get(name, (float(bad[0]), 0))
                self._refused[name] = first, count + len(bad)
        self._weights.add(batch.frame)
        keys = self._held_out.keys(batch.numbers, batch.frame)
        self._holding.add(keys, batch.frame)
        random = hashed(batch.numbers, 2 * self._request.config.seed + 1)
        self._sample.add(random, batch.frame.with_columns(pl.Series(KEY, keys)))

    def _heaviest(self) -> Iterator[tuple[str, Heaviest]]:
        for (name, ends), facts in zip(self._ends.items(), self._moments.facts, strict=True):
            row, value = max(ends.values(), key=lambda end: abs(end[1] - facts.mean))
            yield name, Heaviest(row, value, (value - facts.mean) ** 2 / (facts.std**2 * self._usable))

    def _check(self) -> None:
        split.check_enough(self._usable)
        for name, facts in zip(self._request.targets, self._moments.facts, strict=True):
            check_spread(name, facts, self._usable)
            if name in self._refused:
                raise refused_target(self._request.config.objective, name, *self._refused[name], self._usable)
        self._weights.check()

    def _why(self) -> str:
        return (
            f"only {self._usable} rows" if self._held_out.what == "rows" else f"too few different {self._held_out.what}"
        )

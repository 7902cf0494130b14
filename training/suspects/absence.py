"""Suspects features that have values only in rows with a target: they may be known only after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from artifact.facts import KnownWithTarget

# A column is suspected if the chance that its values are missing there at random is smaller than this.
_CHANCE = 1e-6


class Untargeted:
    """Counts, batch by batch, the values of each feature in rows that have no target.

    Args:
        names: the features' names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._rows = 0
        self._present = dict.fromkeys(names, 0)

    def add(self, frame: pl.DataFrame) -> None:
        """Take in rows without a target."""
        # A row without any value tells nothing.
        rows = frame.filter(pl.any_horizontal(pl.col(self._names).is_not_null()))
        self._rows += rows.height
        for name in self._names:
            self._present[name] += rows.height - rows[name].null_count()

    def suspects(self, missing: Mapping[str, float], targets: Sequence[str]) -> list[KnownWithTarget]:
        """A fact of each feature that has no value in any row without a target, but has values in other rows.

        Args:
            missing: share of the rows with a target in which a feature is missing, by the feature's name.
            targets: columns to predict.
        """
        if not self._rows:
            return []
        return [
            KnownWithTarget(column=name, targets=tuple(targets), rows=self._rows, known=1 - missing[name])
            for name, present in self._present.items()
            # A column that is mostly missing in the other rows too tells nothing either.
            if not present and missing[name] ** self._rows < _CHANCE and missing[name] <= 0.5
        ]

"""Checks that a version that was trained further on new rows does not answer old rows much worse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from artifact.errors import ArtifactError, DataError, RefusedError
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.words.display import number
from trueline.retrain.earlier import Former

if TYPE_CHECKING:
    import polars as pl

Float64 = npt.NDArray[np.float64]

# More rows would hardly make the error more exact.
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class OldRows:
    """Rows that an earlier version knows, and its error on them.

    Attributes:
        reference: ``NAME:VERSION`` of the earlier version.
        tolerance: how much larger the error may be, as a share.
        rows: the kept rows with their targets; None where no rows are kept. Then the golden rows take their place.
        former: the earlier version, loaded.
        golden: values of its golden rows, by feature.
    """

    reference: str
    tolerance: float
    rows: pl.DataFrame | None
    former: Predictor
    golden: list[dict[str, object]]

    @classmethod
    def of(cls, former: Former, tolerance: float) -> Self:
        """The old rows of a version: its kept rows, or its golden rows where none are kept.

        Raises:
            DataError: the tolerance is below 0 or no number.
            ArtifactError: the version is damaged.
        """
        is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
        if not is_number or not tolerance >= 0 or math.isinf(tolerance):
            raise DataError(f"Expected --tolerance of at least 0, such as 0.1. Received: {tolerance!r}.")
        predictor = Predictor.load(former.version.path, device="cpu")
        golden = read_golden(former.version.path).rows
        return cls(former.reference, tolerance, _kept_rows(former), predictor, golden)

    def check(self, tuned: Predictor) -> None:
        """Refuse a version whose error on the old rows is beyond the tolerance.

        Raises:
            RefusedError: the error is beyond it; the message has both errors.
        """
        before, now = self._errors_by_golden(tuned) if self.rows is None else self._errors(tuned)
        for name, old_error, new_error in zip(self.former.schema.target_names, before, now, strict=True):
            limit = old_error * (1 + self.tolerance)
            if not new_error <= limit:
                # Golden rows have no target, so they only give an estimate of the error.
                rows = (
                    f"an RMSE of '{name}', estimated from the change of the answers to the golden rows,"
                    if self.rows is None
                    else f"an RMSE of '{name}' on {self.rows.height:,} old rows"
                )
                raise RefusedError(
                    f"Expected {rows} of at most {number(limit)}, which is {self.tolerance:.0%} above the "
                    f"{number(old_error)} of {self.reference}. Received: {number(new_error)}; nothing was stored. "
                    "Train on old and new rows with `trueline refit --append`, or allow more by --tolerance."
                )

    def _errors(self, tuned: Predictor) -> tuple[Float64, Float64]:
        """RMSE of each target before and now, float64 (n_targets,) each, as both would be served."""
        from training.table.encode import encode_frame

        if self.rows is None:
            raise TypeError("Expected rows. Received: none.")
        y = self.rows.select(self.former.schema.target_names).to_numpy().astype(np.float64)
        errors = []
        for predictor in (self.former, tuned):
            value = predictor.predict(encode_frame(self.rows, predictor.schema.lenient())).value
            errors.append(np.sqrt(np.mean(np.square(y - value.astype(np.float64)), axis=0)))
        return errors[0], errors[1]

    def _errors_by_golden(self, tuned: Predictor) -> tuple[Float64, Float64]:
        """RMSE of each target on rows that the version had not seen, and an estimate of the RMSE now.

        The estimate takes it that no change of an answer is an improvement: the mean square of the changes is added to
        the square of the RMSE.
        """
        from artifact.rows.encoding import Encoder

        metrics = self.former.manifest.metrics
        before = np.array([metrics[name]["rmse"] for name in self.former.schema.target_names], np.float64)
        values = [
            predictor.predict(
                Encoder(predictor.schema.lenient()).encode_rows(_with_features(self.golden, predictor))
            ).value
            for predictor in (self.former, tuned)
        ]
        changes = np.mean(np.square(values[1].astype(np.float64) - values[0]), axis=0)
        return before, np.sqrt(np.square(before) + changes)


def _with_features(rows: list[dict[str, object]], predictor: Predictor) -> list[dict[str, object]]:
    """Rows with the features of a version; a feature that they lack is missing."""
    return [{name: row.get(name) for name in predictor.schema.names} for row in rows]


def _kept_rows(former: Former) -> pl.DataFrame | None:
    """The kept rows with a target, typed; at most 20,000, drawn at random. None where they are not kept, or gone."""
    if former.recipe.table is None:
        return None
    from training.table.reading import Reading
    from trueline.evaluation import labelled, read_known

    try:
        path = str(former.kept_rows())
    except ArtifactError:
        return None
    raw = read_known(path, [former.schema], Reading(), lambda _: None)
    _, table, usable = labelled(raw.frame, former.schema, "refuse")
    rows = table.filter(usable)
    return rows if rows.height <= _MOST_ROWS else rows.sample(_MOST_ROWS, seed=0)

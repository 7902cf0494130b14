"""Values that the schema refuses or warns of: missing, infinite, out of range, rare, unseen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import FAULT_LIMIT, Fault, unknown_name
from artifact.rows.moments import FIRST_SECOND, LAST_SECOND, moment
from artifact.rows.schema import MISSING_CODE, OTHER_CODE, Feature
from artifact.rows.values import RULES, DictionaryColumn, FloatArray

FLOAT32_MAX = float(np.finfo(np.float32).max)
_FLOAT64_MAX = float(np.finfo(np.float64).max)


class RowWarning(NamedTuple):
    """A value that was answered all the same, and that the caller should know of.

    ``kind``: ``out_of_range``, ``rare``, ``unseen``, ``missing_column`` where the whole column was not there,
    or in a table ``infinite``.
    """

    row: int
    field: str
    kind: str
    message: str


class NumericChecks:
    """The checks of the schema for numbers, booleans and datetimes.

    Args:
        features: feature of each column of the matrices, in schema order.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        ends = np.array([_ends(f) for f in features], dtype=np.float64).reshape(-1, 2)
        self._low, self._high = ends[:, 0], ends[:, 1]
        offsets = np.array([f.offset for f in features], dtype=np.float64)
        self._usual_low = np.maximum(self._low, offsets - FLOAT32_MAX)
        self._usual_high = np.minimum(self._high, offsets + FLOAT32_MAX)
        self._boolean = np.array([f.kind == "boolean" for f in features], dtype=bool)
        self._integral = np.array([f.kind in ("integer", "boolean") for f in features], dtype=bool)
        self._any_integral = bool(self._integral.any())
        self._refuse_missing = np.array([f.missing == "refuse" for f in features], dtype=bool)
        self._any_imputed = not self._refuse_missing.all()

    def all_usual(self, matrix: FloatArray) -> bool:
        """Whether all values are finite, in range, and missing only where allowed: then no closer look is needed."""
        inside = (matrix >= self._usual_low) & (matrix <= self._usual_high)
        if self._any_integral:
            inside &= (np.floor(matrix) == matrix) | ~self._integral
        if self._any_imputed:
            inside |= np.isnan(matrix) & ~self._refuse_missing
        # Each byte is True or False. Searching bytes is faster than reducing an array.
        return b"\0" not in inside.tobytes()

    def outside(self, matrix: FloatArray) -> npt.NDArray[np.bool_]:
        """Which values lie outside of the training range, bool (n_samples, n_features); missing ones do not."""
        return np.asarray((matrix < self._low) | (matrix > self._high), bool)

    def check(self, matrix: FloatArray, faults: list[Fault], warnings: list[RowWarning]) -> None:
        """Add what is wrong with the values to ``faults`` and what is unusual to ``warnings``."""
        features = self._features
        missing = np.isnan(matrix)
        faults.extend(_missing(i, features[j]) for i, j in _positions(missing & self._refuse_missing))
        infinite = np.isinf(matrix)
        outside = self.outside(matrix)
        broken = self._integral & ~missing & ~infinite & ((np.floor(matrix) != matrix) | (outside & self._boolean))
        for i, j in _positions(infinite | broken):
            rule = "Expected a finite number." if infinite[i, j] else RULES[features[j].kind]
            faults.append(Fault(i, features[j].name, rule, float(matrix[i, j]), "type"))
        for i, j in _positions(outside & ~infinite & ~broken, limit=None):
            _outside(i, features[j], float(matrix[i, j]), faults, warnings)


def check_codes(
    feature: Feature,
    codes: npt.NDArray[np.int32],
    values: list[Any] | DictionaryColumn,
    rare: Collection[str],
    faults: list[Fault],
    warnings: list[RowWarning],
) -> None:
    """Add missing, rare and unseen categories to ``faults`` or ``warnings``, as the feature's policies say.

    Args:
        feature: the feature that has these values.
        codes: int32 (n_samples,), 0 missing, 1 other.
        values: the values from which the codes were made.
        rare: the feature's rare categories.
        faults: refused values are added here.
        warnings: values that are answered all the same are added here.
    """
    if feature.missing == "refuse" and not codes.all():
        faults.extend(_missing(int(i), feature) for i in np.flatnonzero(codes == MISSING_CODE)[:FAULT_LIMIT])
    n_refused = 0
    for i in map(int, np.flatnonzero(codes == OTHER_CODE)):
        value = values[i]
        if value in rare:
            message = f"'{feature.name}' = {value!r} was rare in training; answered as 'other'."
            warnings.append(RowWarning(i, feature.name, "rare", message))
        elif feature.unseen == "other":
            warnings.append(RowWarning(i, feature.name, "unseen", _unseen(feature, value)))
        elif n_refused == FAULT_LIMIT:
            return
        else:
            n_refused += 1
            message = unknown_name("category", str(value), feature.categories, of=feature.name)
            faults.append(Fault(i, feature.name, message, value, "unseen"))


def _unseen(feature: Feature, value: Any) -> str:
    if not feature.rare_left:
        return f"'{feature.name}' = {value!r} was not seen in training; answered as 'other'."
    return (
        f"'{feature.name}' = {value!r} was not seen in training, or is one of {feature.rare_left:,} rare categories "
        "that are not kept by name; answered as 'other'."
    )


def _outside(row: int, feature: Feature, value: float, faults: list[Fault], warnings: list[RowWarning]) -> None:
    low, high = (_displayed(feature, v) for v in (feature.minimum, feature.maximum))
    if feature.out_of_range == "refuse":
        message = f"Expected a value in the training range [{low}, {high}]."
        faults.append(Fault(row, feature.name, message, _displayed(feature, value), "range"))
    else:
        message = f"'{feature.name}' = {_displayed(feature, value)} is outside the training range [{low}, {high}]."
        warnings.append(RowWarning(row, feature.name, "out_of_range", message))


def _ends(feature: Feature) -> tuple[float, float]:
    """The range with finite ends: a value beyond float64 is infinite, and is refused as such."""
    if feature.kind == "boolean":
        return 0.0, 1.0
    low, high = feature.minimum, feature.maximum
    return -_FLOAT64_MAX if low is None else low, _FLOAT64_MAX if high is None else high


def _missing(row: int, feature: Feature) -> Fault:
    message = "Expected a value: training never saw this feature missing."
    return Fault(row, feature.name, message, None, "missing")


def _positions(mask: npt.NDArray[np.bool_], limit: int | None = FAULT_LIMIT) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in np.argwhere(mask)[:limit]]


def _displayed(feature: Feature, value: float | None) -> Any:
    if value is None:
        return "unbounded"
    if feature.kind == "datetime":
        return moment(value).isoformat() if FIRST_SECOND <= value <= LAST_SECOND else value
    return int(value) if value == int(value) and abs(value) < 2**53 else value

"""The schema of a table: kinds, ranges, categories and policies, inferred and then corrected by ``schema.toml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from artifact.errors import DataError
from artifact.facts import ColumnLeftOut, Note, sentences
from artifact.rows.moments import unwritable
from artifact.rows.schema import DatetimePart, Feature, Kind
from artifact.rows.texts.format import TextFormat
from artifact.rows.values import DAY
from training.table.corrections import Corrections, FeatureCorrection, TextRules
from training.table.data import check_columns
from training.table.usable import Facts, facts_of, judged

# A category with fewer rows than this is learnt as "other".
MIN_CATEGORY_ROWS = 3
MAX_CATEGORIES = 1000
# A feature whose median is this many deviations away from 0 is centred in float64, since float32 holds only 7 digits.
FEATURE_OFFSET_RATIO = 1e3


class Column(NamedTuple):
    """A column that may become a feature.

    Attributes:
        facts: the facts that decide whether it does.
        observed: gives the feature's fields as the column shows them, see :func:`observed`.
    """

    facts: Facts
    observed: Callable[[], dict[str, Any]]


@dataclass(slots=True)
class Inferred:
    """Features as the whole table shows them, with a note on each thing that was left out or repaired."""

    frame: pl.DataFrame
    features: list[Feature]
    notes: list[Note] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        """The notes in plain words."""
        return sentences(self.notes)


def infer_features(
    frame: pl.DataFrame,
    candidates: list[str],
    corrections: Corrections,
    formats: Mapping[str, TextFormat] | None = None,
    text_notes: Sequence[str] = (),
) -> Inferred:
    """Decide each column's kind, range and policies.

    Args:
        frame: the usable rows, as :func:`training.table.data.read_table` types them.
        candidates: columns that may become features.
        corrections: what the user says: it wins over what is inferred, and keeps a column that would be left out.
        formats: how a column's texts are written, by the column's name. Defaults to none.
        text_notes: sentences on how texts were read, for the error where no feature is left. Defaults to none.

    Raises:
        DataError: a correction names no column or does not fit its column, or no feature is left.
    """
    result = usable_features(frame, candidates, corrections, formats)
    check_some(result.features, candidates, text_notes, result.sentences)
    return result


def usable_features(
    frame: pl.DataFrame,
    candidates: list[str],
    corrections: Corrections,
    formats: Mapping[str, TextFormat] | None = None,
) -> Inferred:
    """As :func:`infer_features`, but without an error where no feature is left.

    Raises:
        DataError: a correction names no column or does not fit its column.
    """
    check_columns(frame[candidates], list(corrections.features), "feature in schema.toml")
    cleaned: dict[str, pl.Series] = {}

    def column_of(name: str) -> Column:
        kind = corrections.features.get(name, FeatureCorrection()).kind
        cleaned[name], infinite = finite(frame[name], kind)
        return Column(facts_of(cleaned[name], infinite), lambda: observed(cleaned[name], kind))

    features, notes = decided(candidates, column_of, corrections, formats or {})
    return Inferred(frame.with_columns(cleaned[f.name] for f in features), features, notes)


def decided(
    candidates: Sequence[str],
    column_of: Callable[[str], Column],
    corrections: Corrections,
    formats: Mapping[str, TextFormat],
) -> tuple[list[Feature], list[Note]]:
    """Decide which columns become features.

    Args:
        candidates: columns that may become features.
        column_of: gives a column by its name; called in order, for columns that the user does not drop.
        corrections: what the user says.
        formats: how a column's texts are written, by the column's name.

    Returns:
        The features, and a note on each thing that was left out, was repaired or looks odd.

    Raises:
        DataError: a correction does not fit its column.
    """
    features: list[Feature] = []
    notes: list[Note] = []
    for name in candidates:
        correction = corrections.features.get(name)
        if correction is not None and correction.drop:
            notes.append(ColumnLeftOut(column=name, why="asked"))
            continue
        column = column_of(name)
        judgement = judged(column.facts, correction)
        notes += judgement.notes
        if judgement.is_feature:
            fields = {**column.observed(), "text": formats.get(name)}
            features.append(corrected(fields, correction or FeatureCorrection()))
    return features, notes


def check_some(
    features: Sequence[Feature], candidates: Sequence[str], text_notes: Sequence[str], notes: Sequence[str]
) -> None:
    """Check that some column is a feature.

    Args:
        features: the schema's features.
        candidates: columns that might have become features.
        text_notes: sentences on how texts were read.
        notes: sentences on what became of each column.

    Raises:
        DataError: no column is a feature; the message says why.
    """
    if not features:
        why = [*(note for note in text_notes if any(f"'{name}'" in note for name in candidates)), *notes]
        raise DataError(f"Expected at least one usable feature. Received: {' '.join(why) or 'no columns.'}")


def fit_categories(features: list[Feature], frame: pl.DataFrame, corrections: Corrections) -> list[Feature]:
    """Give each categorical feature the categories of the training rows, the most frequent first."""
    return [
        with_categories(f, frame[f.name].drop_nulls().value_counts(), corrections) if f.kind == "category" else f
        for f in features
    ]


def finite(column: pl.Series, kind: Kind | None) -> tuple[pl.Series, int]:
    """The column in its kind's type; infinities, and moments beyond the years 1 to 9999, become missing.

    Returns:
        The column, and how many such values it had.

    Raises:
        DataError: some value does not fit the kind.
    """
    if column.dtype in (pl.Date, pl.Datetime):
        column, count = _within_calendar(column)
        return (column if kind is None else _cast(column, kind)), count
    if kind is not None:
        column = _cast(column, kind)
    count = int(column.is_infinite().sum()) if column.dtype == pl.Float64 else 0
    return (column.set(column.is_infinite().fill_null(value=False), None) if count else column), count


def _within_calendar(column: pl.Series) -> tuple[pl.Series, int]:
    """The moments of the years 1 to 9999, with all others missing, and the number of the others."""
    beyond = unwritable(column.to_numpy())
    count = int(beyond.sum())
    return (column.set(pl.Series(beyond), None) if count else column), count


_DTYPES: dict[Kind, Any] = {
    "number": pl.Float64,
    "integer": pl.Int64,
    "boolean": pl.Boolean,
    "category": pl.String,
    "datetime": pl.Datetime("us"),
}


def _cast(column: pl.Series, kind: Kind) -> pl.Series:
    try:
        return column.cast(_DTYPES[kind])
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"Expected kind = \"{kind}\" of schema.toml to fit column '{column.name}'. "
            f"Received: {str(error).splitlines()[0]}"
        ) from error


def observed(column: pl.Series, kind: Kind | None) -> dict[str, Any]:
    """The fields of a feature as its column shows them.

    Args:
        column: the column after :func:`finite`, with a value in some row.
        kind: the kind that the user says, or None: then the column's type decides.
    """
    kind = kind or kind_of(column)
    fields: dict[str, Any] = {"name": column.name, "kind": kind}
    present = column.drop_nulls()
    fields["missing"] = "impute" if column.null_count() else "refuse"
    fields["example"] = _example(present, kind)
    if kind == "datetime":
        seconds = present.cast(pl.Datetime("us")).to_physical().to_numpy().astype(np.float64) / 1e6
        parts = date_parts(float(seconds.max() - seconds.min()), has_hours=bool(np.mod(seconds, DAY).any()))
        fields.update(_range(seconds), offset=float(np.median(seconds).round()), parts=parts)
    elif kind != "category":
        values = present.cast(pl.Float64).to_numpy()
        fields.update(_range(values), offset=0.0 if kind == "boolean" else _offset(values))
    return fields


_NOT_OF_THE_FEATURE = {"drop", "kind", "categories", *TextRules.model_fields}


def corrected(fields: dict[str, Any], correction: FeatureCorrection) -> Feature:
    """A feature from what the table shows and what the user says; the user wins.

    Raises:
        DataError: the two do not fit together.
    """
    values = correction.model_dump(exclude_none=True, exclude=_NOT_OF_THE_FEATURE)
    if correction.epoch is not None:
        # Here the unit says what the table's numbers count; a request holds a date, which has no unit.
        del values["unit"]
    try:
        return Feature(**{**fields, **values})
    except ValidationError as error:
        raise DataError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def kind_of(column: pl.Series) -> Kind:
    """The kind of a column, by its type."""
    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype == pl.String:
        return "category"
    if column.dtype.is_temporal():
        return "datetime"
    return "integer" if column.dtype.is_integer() else "number"


def _range(values: npt.NDArray[np.float64]) -> dict[str, float]:
    return {"minimum": float(values.min()), "maximum": float(values.max())}


def _offset(values: npt.NDArray[np.float64]) -> float:
    center, spread = float(np.median(values)), float(values.std())
    return center if spread > 0 and abs(center) > FEATURE_OFFSET_RATIO * spread else 0.0


def date_parts(span: float, *, has_hours: bool) -> tuple[DatetimePart, ...]:
    """Parts of a datetime: always its days; the position in a year, week or day if the table spans it at least twice.

    Args:
        span: time between the first and the last moment, seconds.
        has_hours: whether some moment is not midnight.
    """
    parts: list[DatetimePart] = ["days"]
    if span >= 2 * 365 * DAY:
        parts += ["season_sin", "season_cos"]
    if span >= 14 * DAY:
        parts += ["weekday_sin", "weekday_cos"]
    if span >= 2 * DAY and has_hours:
        parts += ["hour_sin", "hour_cos"]
    return tuple(p for p in get_args(DatetimePart) if p in parts)


def _example(present: pl.Series, kind: Kind) -> Any:
    if kind == "category":
        return most_frequent(present.value_counts(), present.name) if len(present) else None
    if kind == "boolean":
        return bool(present.mean() >= 0.5)  # type: ignore[operator]
    middle = present.sort()[len(present) // 2]
    if kind == "datetime":
        return f"{middle.isoformat()}Z"
    return int(middle) if kind == "integer" else float(middle)


def most_frequent(counts: pl.DataFrame, name: str) -> Any:
    """The most frequent text; of several, the first in the alphabet, so that each training has the same one.

    Args:
        counts: columns ``name`` and ``count``.
        name: name of the column of texts.
    """
    return counts.sort(["count", name], descending=[True, False])[name][0]


def with_categories(feature: Feature, counts: pl.DataFrame, corrections: Corrections) -> Feature:
    """A categorical feature with its categories: those that the user lists, or those that enough rows show.

    Args:
        feature: a feature of kind ``category``.
        counts: column ``feature.name`` with each category, and ``count`` with the rows that networks see of it.
        corrections: what the user says.
    """
    correction = corrections.features.get(feature.name)
    listed = None if correction is None else correction.categories
    categories = frequent(counts, feature.name) if listed is None else listed
    return feature.model_copy(update={"categories": categories})


def frequent(counts: pl.DataFrame, name: str) -> tuple[str, ...]:
    """The categories that enough rows show, the most frequent first.

    Args:
        counts: column ``name`` with each category, and ``count`` with its rows.
        name: the feature's name.
    """
    ordered = counts.sort(["count", name], descending=[True, False])
    return tuple(ordered.filter(pl.col("count") >= MIN_CATEGORY_ROWS).head(MAX_CATEGORIES)[name].to_list())

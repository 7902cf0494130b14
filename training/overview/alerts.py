"""Alerts: what a person should look at in a table's columns, each as one sentence with the column's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.rows.schema import Feature
from artifact.words.display import number
from training.overview.columns import moment_text
from training.table.infer import MIN_CATEGORY_ROWS

Float64 = npt.NDArray[np.float64]
Kind = Literal[
    "note",
    "left out",
    "missing",
    "one value",
    "near key",
    "spelling",
    "rare",
    "marker",
    "outliers",
    "cap",
    "skew",
    "pair",
]
# Kinds of alerts that training also gives as notes.
NOTES: tuple[Kind, ...] = ("note", "left out")

_MANY_MISSING = 0.5
# A column is nearly constant if at least this share of its rows has the same value.
_NEARLY_ALL = 0.99
# A column nearly names each row if it has more different values per row than this. For texts the limit is lower.
_NEAR_KEY = {"integer": 0.9, "category": 0.5}
_FEWEST_ROWS = 30
_MANY_RARE = 0.2
# A column is skewed from this third standardised moment on. An exponential distribution has 2, a lognormal one of
# deviation 1 has 6.
_SKEW = {"feature": 5.0, "target": 2.0}
# A value is far if it lies this many quartile ranges beyond a quartile. A normal distribution has such a value once in
# 10^42 rows, an exponential one once in 1.2e5 rows.
_FAR = 10.0
_FEW = 0.01
# Negative values that programs write for "missing" among values that are never negative.
_SIGNS = (-99.0, -999.0, -9_999.0, -99_999.0, -999_999.0)
_SPELLINGS_SHOWN = 3
# A far value that at least this many rows share is likely a mark, not a measurement.
_REPEATED = 3
_GRADES = 10
# Values look cut off at a cap if there are at least this many different ones, if at least this share of the rows has
# the highest one, and if it occurs at least this many times as often as each of those just below it.
_CAPPED_VALUES, _CAPPED_SHARE, _CAPPED_TIMES = 20, 0.02, 3


class Alert(NamedTuple):
    """Something to look at.

    Attributes:
        kind: kind of the alert, a word or two for programs.
        columns: names of its columns.
        sentence: the alert in a sentence, for people.
    """

    kind: Kind
    columns: tuple[str, ...]
    sentence: str


def feature_alerts(frame: pl.DataFrame, features: list[Feature], *, numbered: bool) -> Iterator[Alert]:
    """Alerts on each feature.

    Args:
        frame: the features' columns in the types that training gives them.
        features: the features.
        numbered: see :func:`number_alerts`.
    """
    for feature in features:
        column = frame[feature.name]
        present = column.drop_nulls()
        yield from _absent(column)
        if not len(present):
            continue
        alone = _one_value(present, len(column))
        yield from alone
        yield from _near_key(present, feature.kind)
        if feature.kind == "category":
            yield from _spelling(present)
            yield from _rare(present, len(column))
        elif feature.kind == "datetime":
            yield from moment_alerts(column, numbered=numbered)
        elif feature.kind in ("number", "integer") and not alone:
            yield from number_alerts(column, "feature", numbered=numbered)


def number_alerts(column: pl.Series, role: Literal["feature", "target"], *, numbered: bool) -> Iterator[Alert]:
    """Alerts on the values of a number: one far value in many rows, a few far values, a cap, or a skew.

    Args:
        column: numbers.
        role: role of the column; the limits for a target are stricter.
        numbered: whether the rows are all rows of the table, so that a row's number is its place there.
    """
    values = column.cast(pl.Float64).to_numpy()
    rows = np.flatnonzero(np.isfinite(values))
    values = values[rows]
    if len(values) < _FEWEST_ROWS:
        return
    # A few far values make a skew by themselves: then only they get an alert.
    far_alerts = list(_far_alerts(column.name, values, rows if numbered else None))
    yield from far_alerts
    yield from _cap(column.name, values)
    if not far_alerts:
        yield from _skew(column.name, values, role)


def moment_alerts(column: pl.Series, *, numbered: bool) -> Iterator[Alert]:
    """Alerts on one far moment in many rows, such as 9999-12-31 for "no end", or a few far ones, as for numbers."""
    micros = column.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy()
    rows = np.flatnonzero(np.isfinite(micros))
    if len(rows) >= _FEWEST_ROWS:
        yield from _far_alerts(column.name, micros[rows], rows if numbered else None, lambda at: moment_text(round(at)))


def _far_alerts(
    name: str, values: Float64, rows: npt.NDArray[np.int64] | None, as_text: Callable[[float], str] = number
) -> Iterator[Alert]:
    is_far = _far_values(values) | _beyond_all(values) | _sign(values)
    if not is_far.any():
        return
    median = as_text(float(np.median(values)))
    repeated, counts = np.unique(values[is_far], return_counts=True)
    value, times = float(repeated[counts.argmax()]), int(counts.max())
    if times >= _REPEATED and times > is_far.sum() / 2:
        yield Alert(
            "marker",
            (name,),
            f"Column '{name}' is {as_text(value)} in {times:,} rows, far from its median {median}: if that marks a "
            "missing value, say so by missing_values in schema.toml.",
        )
        return
    count = int(is_far.sum())
    if count > max(1, _FEW * len(values)):
        return
    farthest = int(np.argmax(np.where(is_far, np.abs(values - np.median(values)), -1.0)))
    hold = "1 value" if count == 1 else f"{count:,} values"
    where = "" if rows is None else f" in row {int(rows[farthest]) + 1:,}"
    yield Alert(
        "outliers",
        (name,),
        f"Column '{name}' has {hold} far from all others: the farthest is {as_text(float(values[farthest]))}{where}, "
        f"the median {median}.",
    )


def _cap(name: str, values: Float64) -> Iterator[Alert]:
    """An alert if many rows have the highest value and few a value just below: higher ones may have been cut off."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < _CAPPED_VALUES or counts[-1] < _CAPPED_SHARE * len(values):
        return
    if counts[-1] < _CAPPED_TIMES * counts[-6:-1].max():
        return
    yield Alert(
        "cap",
        (name,),
        f"Column '{name}' is {number(float(distinct[-1]))}, its highest value, in {int(counts[-1]):,} rows: higher "
        "values may have been cut off there.",
    )


def _skew(name: str, values: Float64, role: Literal["feature", "target"]) -> Iterator[Alert]:
    skew = _skewness(values)
    if abs(skew) <= _SKEW[role]:
        return
    end, which = (float(values.max()), "highest") if skew > 0 else (float(values.min()), "lowest")
    advice = " The squared error follows such values; compare --objective mae." if role == "target" else ""
    yield Alert(
        "skew",
        (name,),
        f"Column '{name}' is skewed ({skew:+.1f}): its median is {number(float(np.median(values)))}, its {which} value "
        f"{number(end)}.{advice}",
    )


def _absent(column: pl.Series) -> Iterator[Alert]:
    missing = column.null_count()
    if missing > _MANY_MISSING * len(column):
        share = missing / len(column)
        yield Alert("missing", (column.name,), f"Column '{column.name}' is missing in {share:.0%} of the rows.")


def _one_value(present: pl.Series, n_rows: int) -> list[Alert]:
    if len(present) < n_rows:
        return []
    # The frequent value of a nearly constant column is its median.
    middle = present.median() if present.dtype.is_numeric() else present.mode()[0]
    others = n_rows - int((present == middle).sum())
    if not 0 < others <= (1 - _NEARLY_ALL) * n_rows:
        return []
    value = number(middle) if isinstance(middle, int | float) and not isinstance(middle, bool) else repr(middle)
    rows = "1 row" if others == 1 else f"{others:,} rows"
    return [Alert("one value", (present.name,), f"Column '{present.name}' is {value} in all but {rows}.")]


def _near_key(present: pl.Series, kind: str) -> Iterator[Alert]:
    limit = _NEAR_KEY.get(kind)
    if limit is None or len(present) < _FEWEST_ROWS:
        return
    distinct, name = present.n_unique(), present.name
    if distinct <= limit * len(present):
        return
    yield Alert(
        "near key",
        (name,),
        f"Column '{name}' has {distinct:,} different values in {len(present):,} rows: if it only names the rows, leave "
        "it out by drop = true in schema.toml.",
    )


def _spelling(present: pl.Series) -> Iterator[Alert]:
    """An alert on categories that differ only in capitals or in spaces between words."""
    texts = present.cast(pl.String).unique()
    alike = texts.str.to_lowercase().str.replace_all(r"\s+", " ")
    groups = pl.DataFrame({"text": texts, "alike": alike}).group_by("alike").agg(pl.col("text").sort())
    groups_alike = sorted(group for group in groups["text"].to_list() if len(group) > 1)
    if not groups_alike:
        return
    examples = "; ".join(", ".join(map(repr, group)) for group in groups_alike[:_SPELLINGS_SHOWN])
    more = f"; and {len(groups_alike) - _SPELLINGS_SHOWN:,} more" if len(groups_alike) > _SPELLINGS_SHOWN else ""
    yield Alert(
        "spelling",
        (present.name,),
        f"Column '{present.name}' has categories that differ only in capitals or spaces: {examples}{more}. Each is "
        "learnt by itself: write those that mean the same in one way.",
    )


def _rare(present: pl.Series, n_rows: int) -> Iterator[Alert]:
    counts = present.value_counts()["count"]
    rare = counts.filter(counts < MIN_CATEGORY_ROWS)
    rows = int(rare.sum())
    if rows > _MANY_RARE * n_rows:
        yield Alert(
            "rare",
            (present.name,),
            f"Column '{present.name}' has {len(rare):,} categories in fewer than {MIN_CATEGORY_ROWS} rows each; these "
            f"{rows:,} rows are learnt as 'other'.",
        )


def _far_values(values: Float64) -> npt.NDArray[np.bool_]:
    """Values many quartile ranges beyond the quartiles."""
    low, high = np.percentile(values, [25, 75])
    reach = _FAR * (high - low)
    if not 0 < reach < np.inf:
        return np.zeros(len(values), bool)
    return np.asarray((values < low - reach) | (values > high + reach))


def _beyond_all(values: Float64) -> npt.NDArray[np.bool_]:
    """Values at one end, far from the range of all others; :func:`_far_values` finds them only if they are few."""
    is_far = np.zeros(len(values), bool)
    for end in (values.min(), values.max()):
        others = values[values != end]
        # A yes-or-no in numbers, or a grade, has too few different values: one of them at an end is not far.
        if len(others) >= _FEWEST_ROWS and len(np.unique(others)) >= _GRADES:
            low, high = float(others.min()), float(others.max())
            if _FAR * (high - low) < max(low - end, end - high) < np.inf:
                is_far |= values == end
    return is_far


def _sign(values: Float64) -> npt.NDArray[np.bool_]:
    """Values that are a usual sign of "missing" and the only negative value, such as a price of -999."""
    lowest = values.min()
    others = values[values != lowest]
    is_sign = lowest in _SIGNS and len(others) >= _FEWEST_ROWS and others.min() >= 0
    return np.asarray(values == lowest) if is_sign else np.zeros(len(values), bool)


def _skewness(values: Float64) -> float:
    """The third standardised moment; 0 for a column without spread."""
    largest = float(np.abs(values).max())
    centred = values / largest if largest else values
    centred = centred - centred.mean()
    deviation = float(np.sqrt(np.square(centred).mean()))
    return float((centred * centred * centred).mean()) / deviation**3 if deviation > 1e-9 else 0.0

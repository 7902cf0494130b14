"""What about a table's columns asks for a look, each in one sentence with the column's name."""

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
# Kinds that are training's own notes.
TOLD: tuple[Kind, ...] = ("note", "left out")

_MANY_MISSING = 0.5
# Rows that share one value, of a column that is nearly constant.
_NEARLY_ALL = 0.99
# Different values per row, of a column that nearly tells the rows apart; of texts fewer are too many to learn.
_NEAR_KEY = {"integer": 0.9, "category": 0.5}
_FEWEST_ROWS = 30
_MANY_RARE = 0.2
# Third standardised moment; an exponential has 2, a lognormal of deviation 1 has 6.
_SKEW = {"feature": 5.0, "target": 2.0}
# Quartile ranges beyond a quartile: a normal has 1 such value in 10^42 rows, an exponential one in 120,000.
_FAR = 10.0
_FEW = 0.01
# Values below 0 that programs write for "missing" among values of which none is.
_SIGNS = (-99.0, -999.0, -9_999.0, -99_999.0, -999_999.0)
_SPELLINGS_SHOWN = 3
# Rows with the same far value, which is rather a mark than a measurement.
_REPEATED = 3
_GRADES = 10
# A cap: among so many different values, the highest in such a share of the rows and so many times as often as those
# just below it.
_CAPPED_VALUES, _CAPPED_SHARE, _CAPPED_TIMES = 20, 0.02, 3


class Alert(NamedTuple):
    """Something to look at.

    Attributes:
        kind: of it, a word or two that stay the same.
        columns: whose it is.
        sentence: that says it to a person.
    """

    kind: Kind
    columns: tuple[str, ...]
    sentence: str


def feature_alerts(frame: pl.DataFrame, features: list[Feature], *, numbered: bool) -> Iterator[Alert]:
    """What about each feature asks for a look.

    Args:
        frame: the features as training has them.
        features: their kinds.
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
    """How the values of a number lie: one far value again and again, a few far ones, a pile at the end, or a skew.

    Args:
        column: of numbers.
        role: a target is held to more.
        numbered: the rows are the table's, so that the number of one says where it stands.
    """
    values = column.cast(pl.Float64).to_numpy()
    rows = np.flatnonzero(np.isfinite(values))
    values = values[rows]
    if len(values) < _FEWEST_ROWS:
        return
    # A few far values make a skew; then only they are worth a word.
    far = list(_far_alerts(column.name, values, rows if numbered else None))
    yield from far
    yield from _cap(column.name, values)
    if not far:
        yield from _skew(column.name, values, role)


def moment_alerts(column: pl.Series, *, numbered: bool) -> Iterator[Alert]:
    """A far moment again and again, as 9999-12-31 for "no end", or a few far ones; as for numbers."""
    micros = column.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy()
    rows = np.flatnonzero(np.isfinite(micros))
    if len(rows) >= _FEWEST_ROWS:
        yield from _far_alerts(column.name, micros[rows], rows if numbered else None, lambda at: moment_text(round(at)))


def _far_alerts(
    name: str, values: Float64, rows: npt.NDArray[np.int64] | None, shown: Callable[[float], str] = number
) -> Iterator[Alert]:
    far = _far(values) | _beyond_all(values) | _sign(values)
    if not far.any():
        return
    median = shown(float(np.median(values)))
    repeated, counts = np.unique(values[far], return_counts=True)
    value, times = float(repeated[counts.argmax()]), int(counts.max())
    if times >= _REPEATED and times > far.sum() / 2:
        yield Alert(
            "marker",
            (name,),
            f"Column '{name}' is {shown(value)} in {times:,} rows, far from its median {median}: if that stands for a "
            "missing value, say so by missing_values in schema.toml.",
        )
        return
    count = int(far.sum())
    if count > max(1, _FEW * len(values)):
        return
    farthest = int(np.argmax(np.where(far, np.abs(values - np.median(values)), -1.0)))
    hold = "1 value" if count == 1 else f"{count:,} values"
    where = "" if rows is None else f" in row {int(rows[farthest]) + 1:,}"
    yield Alert(
        "outliers",
        (name,),
        f"Column '{name}' has {hold} far from all others: the farthest is {shown(float(values[farthest]))}{where}, "
        f"the median {median}.",
    )


def _cap(name: str, values: Float64) -> Iterator[Alert]:
    """Many rows at the highest value, few just below: what was higher may have been cut off."""
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
    # A column that is nearly constant has that value in its middle.
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
    """Categories that differ in nothing but capitals, and spaces within."""
    texts = present.cast(pl.String).unique()
    alike = texts.str.to_lowercase().str.replace_all(r"\s+", " ")
    groups = pl.DataFrame({"text": texts, "alike": alike}).group_by("alike").agg(pl.col("text").sort())
    found = sorted(group for group in groups["text"].to_list() if len(group) > 1)
    if not found:
        return
    shown = "; ".join(", ".join(map(repr, group)) for group in found[:_SPELLINGS_SHOWN])
    more = f"; and {len(found) - _SPELLINGS_SHOWN:,} more" if len(found) > _SPELLINGS_SHOWN else ""
    yield Alert(
        "spelling",
        (present.name,),
        f"Column '{present.name}' has categories that differ only in capitals or spaces: {shown}{more}. Each is learnt "
        "by itself: write those that mean the same alike.",
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


def _far(values: Float64) -> npt.NDArray[np.bool_]:
    """Values many quartile ranges beyond the quartiles."""
    low, high = np.percentile(values, [25, 75])
    reach = _FAR * (high - low)
    if not 0 < reach < np.inf:
        return np.zeros(len(values), bool)
    return np.asarray((values < low - reach) | (values > high + reach))


def _beyond_all(values: Float64) -> npt.NDArray[np.bool_]:
    """Values at one end, far from the whole range of the others: as many as they are, no quartile hides them."""
    found = np.zeros(len(values), bool)
    for end in (values.min(), values.max()):
        others = values[values != end]
        # Each value of a yes-or-no in numbers, or of a grade, is an end.
        if len(others) >= _FEWEST_ROWS and len(np.unique(others)) >= _GRADES:
            low, high = float(others.min()), float(others.max())
            if _FAR * (high - low) < max(low - end, end - high) < np.inf:
                found |= values == end
    return found


def _sign(values: Float64) -> npt.NDArray[np.bool_]:
    """A usual sign of "missing" that is the only value below 0, however wide the others lie: a price of -999."""
    lowest = values.min()
    others = values[values != lowest]
    is_sign = lowest in _SIGNS and len(others) >= _FEWEST_ROWS and others.min() >= 0
    return np.asarray(values == lowest) if is_sign else np.zeros(len(values), bool)


def _skewness(values: Float64) -> float:
    """The third standardised moment; 0 of a column without spread."""
    largest = float(np.abs(values).max())
    centred = values / largest if largest else values
    centred = centred - centred.mean()
    deviation = float(np.sqrt(np.square(centred).mean()))
    return float((centred * centred * centred).mean()) / deviation**3 if deviation > 1e-9 else 0.0

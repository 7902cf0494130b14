"""Features without a column in the table: refused, or answered as missing where the caller asks for it.

A value that is missing in one row tells something about that row. A column that is missing was most often renamed,
forgotten or misspelt. Without it the model would use the feature's median in every row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Literal, get_args

from artifact.errors import nearest_name
from artifact.rows.schema import Feature, FeatureSchema

MissingColumns = Literal["refuse", "impute"]
MISSING_COLUMNS: tuple[MissingColumns, ...] = get_args(MissingColumns)
# The kind of the warning that each row of such a table gets.
WARNING = "missing_column"
# Anybody may send a table: at most this many of its names are compared, and none with more characters than this.
_COMPARED = 1000
_LENGTH = 200


def absent_features(schema: FeatureSchema, names: Collection[str], missing_columns: MissingColumns) -> list[Feature]:
    """The features that need a column in the table and have none, in schema order.

    Args:
        names: names of the table's columns.
        missing_columns: with ``impute`` a feature that training saw missing needs no column; with ``refuse`` all do.
    """
    present = frozenset(names)
    required = (f for f in schema.features if missing_columns == "refuse" or f.missing == "refuse")
    return [feature for feature in required if feature.name not in present]


def nearest_column(schema: FeatureSchema, name: str, names: Iterable[str]) -> str | None:
    """The column that an absent feature's name probably means: a similar one, neither feature nor target."""
    own_names = {*schema.names, *schema.target_names}
    others = (column for column in names if column not in own_names and 0 < len(column) <= _LENGTH)
    return nearest_name(name, tuple(islice(others, _COMPARED)))


def absence(feature: Feature, nearest: str | None, way_out: str, word: str = "column") -> str:
    """The message of a fault about an absent column: the rule, then the next step.

    Args:
        nearest: the column from :func:`nearest_column`, or None.
        way_out: how to have the feature answered as missing, for example ``ask with ?missing_columns=impute``.
        word: the protocol's word for a column. Defaults to ``column``.

    Example:
        >>> absence(area, "Area", "ask with ?missing_columns=impute")
        "Expected this column. The nearest is 'Area': rename it, or ask with ?missing_columns=impute."
    """
    if feature.missing == "refuse":
        hint = "" if nearest is None else f" The nearest is '{nearest}': rename it."
        return f"Expected this {word}: training never saw the feature missing.{hint}"
    hint = "Send it" if nearest is None else f"The nearest is '{nearest}': rename it"
    return f"Expected this {word}. {hint}, or {way_out}."

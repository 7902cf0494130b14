"""Features whose whole column is not there: refused, unless they are to be answered as missing.

A value that is missing in one row says something of that row. A column that no row has is a renamed, forgotten or
misspelt one, far more often than a value that nobody knew: the model would answer each row by the feature's median.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Literal, get_args

from artifact.errors import nearest_name
from artifact.rows.schema import Feature, FeatureSchema

MissingColumns = Literal["refuse", "impute"]
MISSING_COLUMNS: tuple[MissingColumns, ...] = get_args(MissingColumns)
# The kind of the warning that each row of such a table has.
WARNING = "missing_column"
# The names of a table come from anybody: only so many are compared, and none that is longer.
_COMPARED = 1000
_LENGTH = 200


def absent_features(schema: FeatureSchema, names: Collection[str], missing_columns: MissingColumns) -> list[Feature]:
    """The features that a table has to have as columns and does not, in schema order.

    Args:
        names: of the table's columns.
        missing_columns: ``impute`` lets a feature go that training saw missing; ``refuse`` lets none.
    """
    known = frozenset(names)
    wanted = (f for f in schema.features if missing_columns == "refuse" or f.missing == "refuse")
    return [feature for feature in wanted if feature.name not in known]


def nearest_column(schema: FeatureSchema, name: str, names: Iterable[str]) -> str | None:
    """The column that is probably meant by an absent feature's name: one that is neither feature nor target."""
    taken = {*schema.names, *schema.target_names}
    others = (column for column in names if column not in taken and 0 < len(column) <= _LENGTH)
    return nearest_name(name, tuple(islice(others, _COMPARED)))


def absence(feature: Feature, nearest: str | None, way_out: str, what: str = "column") -> str:
    """What a fault says of an absent column: the rule, and the next step.

    Args:
        nearest: of the table's own columns, where one is alike.
        way_out: how to have the feature answered as missing, for example ``ask with ?missing_columns=impute``.
        what: in the protocol's word. Defaults to ``column``.

    Example:
        >>> absence(area, "Area", "ask with ?missing_columns=impute")
        "Expected this column. The nearest is 'Area': rename it, or ask with ?missing_columns=impute."
    """
    if feature.missing == "refuse":
        hint = "" if nearest is None else f" The nearest is '{nearest}': rename it."
        return f"Expected this {what}: training never saw the feature missing.{hint}"
    hint = "Send it" if nearest is None else f"The nearest is '{nearest}': rename it"
    return f"Expected this {what}. {hint}, or {way_out}."

"""Messages with a remedy, for names that are no feature and for numbers that JSON does not have."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from artifact.errors import Fault, unknown_name
from artifact.rows.schema import Feature, FeatureSchema
from service.wire.errors import Described, number_name

IGNORE = "POST /predict?extra=ignore ignores names that are no feature."
_NAME_LENGTH = 100
# Names that pandas gives to an index: in Parquet and Arrow, and for the column without a name in a CSV that it wrote.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+(\.\d+|_level_\d+)?|index|level_\d+")


def no_feature(schema: FeatureSchema, name: str, *, whole: bool = False, listed: bool = True) -> str:
    """The message about a name that is no feature: the likely reason, and what to do.

    Args:
        whole: whether every feature is present too, so that this name is superfluous rather than misspelt.
        listed: whether to list the features, the most similar first. Listing is slow, so it is only for the first wrong
            names.
    """
    short = name[:_NAME_LENGTH]
    special = special_name(schema, name)
    if special is not None:
        return f"Unknown feature '{short}'. {special} Or keep it: {IGNORE}"
    if listed:
        message = unknown_name("feature", short, schema.names)
    else:
        message = f"Unknown feature '{short}'. GET /schema lists those there are."
    return f"{message} {IGNORE}" if whole else message


def special_name(schema: FeatureSchema, name: str) -> str | None:
    """The reason for a name that is no feature, with a remedy; None where no reason is known."""
    if name in schema.target_names:
        return "It is the target, which the model predicts: leave it out."
    if not name:
        return (
            "A column without a name is the index of a pandas table (write the table with index=False) or comes from a "
            "comma at the end of each line."
        )
    if _INDEX.fullmatch(name):
        return "It looks like the index of a pandas table: write the table with index=False."
    return None


def is_whole(schema: FeatureSchema, names: Collection[str]) -> bool:
    """Whether every feature is among these names. If one is absent, a wrong name may be a misspelling of it."""
    return all(name in names for name in schema.names)


def is_not_finite(value: Any) -> bool:
    """Whether a value is NaN or an infinity."""
    return type(value) is float and not math.isfinite(value)


def not_finite(row: int | None, feature: Feature | None, value: float, field: str | None = None) -> Fault:
    """The fault of a NaN or an infinity in JSON. Python writes them, although JSON does not have them.

    Args:
        row: the value's row, or None.
        feature: the value's feature, or None.
        value: NaN or an infinity.
        field: name of the place, where the value belongs to no feature.
    """
    name = number_name(value)
    if feature is not None and feature.missing == "refuse":
        way_out = "null says that a value is missing, but training never saw this feature missing."
    else:
        way_out = "Send null for a missing value."
    more = "" if math.isnan(value) else ", and float64 ends at 1.8e308"
    message = f"Expected a finite number: JSON has no {name}{more}. {way_out}"
    return Fault(row, field if feature is None else feature.name, message, Described(name), "type")


def take_out(schema: FeatureSchema, rows: Sequence[Any]) -> list[Fault]:
    """Replace each NaN and infinity in some rows by None; return a fault for each. Skip rows that are no objects."""
    faults: list[Fault] = []
    features = {feature.name: feature for feature in schema.features}
    for i, row in enumerate(rows):
        if isinstance(row, dict) and any(map(is_not_finite, row.values())):
            for name, value in row.items():
                if is_not_finite(value) and name in features:
                    row[name] = None
                    faults.append(not_finite(i, features[name], value))
    return faults


def take_out_of_columns(schema: FeatureSchema, columns: Mapping[str, Any]) -> list[Fault]:
    """As :func:`take_out`, for columns; only lists are searched."""
    faults: list[Fault] = []
    for feature in schema.features:
        values = columns.get(feature.name)
        if isinstance(values, list):
            for i, value in enumerate(values):
                if is_not_finite(value):
                    values[i] = None
                    faults.append(not_finite(i, feature, value))
    return faults

"""The columns of each feature in the core, in an earlier version and in a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

from artifact.rows.schema import FeatureSchema, NumericColumn
from artifact.rows.values import DAY
from training.transfer.features import alike, by_name

# A column has another unit or other values if its interquartile range is more than this many times the earlier one.
_WIDER = 50.0
# The new median may lie outside the earlier range, by at most this many times that range.
_BEYOND = 1.0


class Key(NamedTuple):
    """A group of columns: a number's embedding, its missing flag, or a category's embedding."""

    part: Literal["number", "flag", "category"]
    column: NumericColumn | str


@dataclass(frozen=True, slots=True)
class Layout:
    """The features side by side, as the first hidden layer takes them.

    Attributes:
        groups: the columns of each group, in order.
    """

    groups: dict[Key, slice]

    @classmethod
    def of(cls, schema: FeatureSchema, core: Any, preprocessing: Any) -> Self:
        """The layout of a core; ``preprocessing`` is the layer that prepares its numbers, or None without numbers."""
        layers = {layer.name: layer for layer in core.layers}
        columns = schema.numeric_columns
        dim = layers["embedding"].dim if "embedding" in layers else 1
        widths = list(layers["categories"].widths) if "categories" in layers else []
        sizes = {Key("number", column): dim for column in columns}
        flagged = preprocessing.flagged if preprocessing is not None else []
        sizes |= {Key("flag", columns[j]): 1 for j in flagged}
        sizes |= {Key("category", f.name): width for f, width in zip(schema.categorical, widths, strict=True)}
        groups, start = {}, 0
        for key, size in sizes.items():
            groups[key] = slice(start, start + size)
            start += size
        return cls(groups)

    @property
    def width(self) -> int:
        return max((group.stop for group in self.groups.values()), default=0)

    def shared(self, earlier: Layout, features: frozenset[NumericColumn | str]) -> list[tuple[slice, slice]]:
        """Pairs of columns that have the same meaning here and in an earlier layout.

        Args:
            earlier: the other layout.
            features: numeric columns and categorical features that agree. A number's embedding of another width does
                not agree. A category's embeddings agree in the columns that both have.
        """
        pairs = []
        for key, here in self.groups.items():
            there = earlier.groups.get(key)
            if there is None or key.column not in features:
                continue
            size, old = here.stop - here.start, there.stop - there.start
            if key.part == "category":
                size = old = min(size, old)
            if size == old:
                pairs.append((slice(here.start, here.start + size), slice(there.start, there.start + size)))
        return pairs


def columns_of(schema: FeatureSchema) -> dict[NumericColumn, int]:
    """Number of each numeric column."""
    return {column: j for j, column in enumerate(schema.numeric_columns)}


def with_statistics_of(earlier: FeatureSchema, old: Any, schema: FeatureSchema, fresh: Any) -> Any:
    """A preprocessing layer; a column takes the earlier layer's centre and scale if it has the same kind and is near.

    A column has a missing flag where either layer has one.

    Args:
        earlier: schema of the earlier version.
        old: its preprocessing layer, or None.
        schema: schema of the new rows.
        fresh: the layer that was adapted to them.
    """
    if old is None:
        return fresh
    before, now = columns_of(earlier), columns_of(schema)
    center, scale, flagged = list(fresh.center), list(fresh.scale), set(fresh.flagged)
    for column in schema.numeric_columns:
        j, i = now[column], before.get(column)
        if i is None or not _near(earlier, schema, column, fresh.center[j], fresh.scale[j] / old.scale[i]):
            continue
        center[j], scale[j] = old.center[i], old.scale[i]
        if i in old.flagged:
            flagged.add(j)
    config = fresh.get_config()
    config.update(center=center, scale=scale, flagged=sorted(flagged))
    return type(fresh).from_config(config)


def common_columns(earlier: FeatureSchema, old: Any, schema: FeatureSchema, new: Any) -> dict[int, int]:
    """Numeric columns that two versions prepare in the same way, from the new number to the earlier one."""
    if old is None or new is None:
        return {}
    before, known, features = columns_of(earlier), by_name(earlier), by_name(schema)
    columns = {}
    for j, column in enumerate(schema.numeric_columns):
        i = before.get(column)
        if i is None or not _same_numbers(known, features, column):
            continue
        if (old.center[i], old.scale[i]) == (new.center[j], new.scale[j]):
            columns[j] = i
    return columns


def _same_numbers(known: Mapping[str, Any], features: Mapping[str, Any], column: NumericColumn) -> bool:
    old, new = known.get(column.feature), features[column.feature]
    return old is not None and alike(old, new) and old.offset == new.offset


def _near(earlier: FeatureSchema, schema: FeatureSchema, column: NumericColumn, center: float, wider: float) -> bool:
    """Whether a column's new values are near the earlier ones, so that the earlier preprocessing tells them apart.

    Args:
        center: median of the new values, less their offset.
        wider: their inter-quartile range over the earlier one.
    """
    known, features = by_name(earlier), by_name(schema)
    if not _same_numbers(known, features, column):
        return False
    old, new = known[column.feature], features[column.feature]
    if column.part not in (None, "days") or old.minimum is None or old.maximum is None:
        return True
    unit = DAY if column.part == "days" else 1.0
    low, high = (old.minimum - old.offset) / unit, (old.maximum - old.offset) / unit
    beyond = _BEYOND * (high - low)
    # A column that is constant here has no range to compare.
    return low - beyond <= center <= high + beyond and (new.minimum == new.maximum or wider <= _WIDER)

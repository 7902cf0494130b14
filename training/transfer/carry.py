"""The rules by which each kind of layer takes over weights from an earlier network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.layers import (
    CategoryEmbedding,
    DiagonalScale,
    MemberScale,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    StackedDense,
    StackedHeads,
)
from artifact.rows.schema import FIRST_CATEGORY_CODE, OTHER_CODE, FeatureSchema
from training.transfer import heads
from training.transfer.heads import Rescaled

Float32 = npt.NDArray[np.float32]
# The layers that take the features side by side: the first hidden layer, or the heads where there is no hidden layer.
FIRST, HEADS = "hidden_0", ("values", "log_spreads")


@dataclass(frozen=True, slots=True)
class Match:
    """The common parts of an earlier version and a new one.

    Attributes:
        earlier, schema: schemas of the earlier version's rows and of the new ones.
        columns: numeric columns that both prepare in the same way: the earlier number by the new number.
        categories: categorical features that both have: the earlier number by the new number.
        first, first_before: names of the layers that take the features, of the new version and of the earlier one.
        shared: pairs of these layers' columns that have the same meaning, new and earlier.
        widths: number of columns of these layers, new and earlier.
        missing: by the name of such a layer, float32 (n_networks, units) or (n_networks, n_members, units): what the
            earlier columns without a match added to the layer's sums on a usual row.
        values, spreads: targets whose heads have the same meaning, and how they are rescaled.
        link, n_quantiles: those of the new version's :class:`artifact.layers.TargetScaling`.
    """

    earlier: FeatureSchema
    schema: FeatureSchema
    columns: Mapping[int, int]
    categories: Mapping[int, int]
    first: frozenset[str]
    first_before: frozenset[str]
    shared: Sequence[tuple[slice, slice]]
    widths: tuple[int, int]
    missing: Mapping[str, Float32]
    values: Sequence[Rescaled]
    spreads: Sequence[Rescaled]
    link: str
    n_quantiles: int


def carried(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """The values that a weight starts training with; None where the earlier weight does not fit.

    Args:
        match: the common parts of both versions.
        new, old: the layer in both cores.
        name: name of the weight.
        fresh: its random values, float32 (n_networks, ...).
        weights: the earlier layer's weights by name, for as many networks as ``fresh`` has.
    """
    rule = _RULES.get(type(new))
    if rule is None or type(old) is not type(new):
        return None
    return rule(match, new, old, name, fresh, weights)


def _tables(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """Take rows by category; a category that is new starts as the earlier version's bucket "other"."""
    j = int(name.removeprefix("table_"))
    i = match.categories.get(j)
    if i is None:
        return None
    table, known = weights[f"table_{i}"], match.earlier.categorical[i].categories
    code_of = {category: code for code, category in enumerate(known, start=FIRST_CATEGORY_CODE)}
    categories = match.schema.categorical[j].categories
    rows = [*range(FIRST_CATEGORY_CODE), *(code_of.get(category, OTHER_CODE) for category in categories)]
    width = min(table.shape[-1], fresh.shape[-1])
    result = fresh.copy()
    result[..., :width] = table[:, rows, :width]
    return result


def _piecewise(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """Take weights by column; those of bins only where the bins are the same."""
    if new.dim != old.dim or not match.columns:
        return None
    result, any_taken = fresh.copy(), False
    for j, i in match.columns.items():
        if name != "bins":
            result[:, :, j], any_taken = weights[name][:, :, i], True
        elif new.edges[j] == old.edges[i]:
            n_bins = len(new.edges[j]) - 1
            result[:, j, :n_bins], any_taken = weights[name][:, i, :n_bins], True
    return result if any_taken else None


def _periodic(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """Take weights by column, where the number of waves and the embedding's width are the same."""
    if fresh.shape[2:] != weights[name].shape[2:] or not match.columns:
        return None
    result = fresh.copy()
    result[:, list(match.columns)] = weights[name][:, list(match.columns.values())]
    return result


def _scales(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """Take scales by column of the features. If there are more members, they take the earlier scales in turn."""
    if not match.shared:
        return None
    result, scale = fresh.copy(), in_turn(weights[name], fresh.shape[1], axis=1)
    for here, there in match.shared:
        result[..., here] = scale[..., there]
    return result


def _dense(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """Take the whole layer; take the first layer by column, with weights of 0 for new columns."""
    before = weights[name]
    if new.ntk != old.ntk or fresh.shape[2:] != before.shape[2:]:
        return None
    if new.name not in match.first:
        return before if fresh.shape == before.shape else None
    if not match.shared:
        return None
    if name == "bias":
        return before + match.missing[new.name][:, None]
    if name != "kernel":
        return before
    # The neural tangent parametrisation divides a product by the root of the number of columns.
    factor = (match.widths[0] / match.widths[1]) ** 0.5 if new.ntk else 1.0
    return _by_column(match, before, fresh.shape[-2]) * np.float32(factor)


def _heads(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """Take heads by target, converted to its new standardisation.

    If there are more members than before, they take the earlier members' heads in turn. Without a hidden layer, the
    heads take the features, and their weights are taken by column, too.
    """
    is_spread = new.name == "log_spreads"
    targets = match.spreads if is_spread else match.values
    members = fresh.shape[1]
    kernel, bias = weights["kernel"], weights["bias"]
    if (new.name in match.first) != (new.name in match.first_before):
        return None
    if new.name in match.first:
        if not match.shared:
            return None
        kernel, bias = _by_column(match, kernel, match.widths[0]), bias + match.missing[new.name][:, :, None]
    kernel, bias = in_turn(kernel, members, axis=1), in_turn(bias, members, axis=1)
    if new.ntk != old.ntk or not targets or (name == "kernel" and kernel.shape[2] != fresh.shape[2]):
        return None
    outputs = 1 if is_spread else max(1, match.n_quantiles)
    result = fresh.copy()
    for target in targets:
        here, there = (slice(i * outputs, (i + 1) * outputs) for i in (target.new, target.old))
        both = (kernel[..., there], bias[..., there])
        if is_spread:
            rescaled = heads.log_spreads(*both, target)
        else:
            rescaled = heads.values(*both, match.link, match.n_quantiles, target)
        result[..., here] = rescaled[0 if name == "kernel" else 1]
    return result


def _by_column(match: Match, kernel: Float32, width: int) -> Float32:
    """An earlier kernel (..., earlier width, units) for the new columns, with 0 where a column has no match."""
    result = np.zeros((*kernel.shape[:-2], width, kernel.shape[-1]), kernel.dtype)
    for here, there in match.shared:
        result[..., here, :] = kernel[..., there, :]
    return result


def in_turn(array: Float32, count: int, axis: int = 0) -> Float32:
    """The first ``count`` items along an axis; where there are fewer, all of them are repeated in turn."""
    return np.asarray(np.take(array, np.arange(count) % array.shape[axis], axis=axis))


_RULES: dict[type[Any], Callable[..., Any]] = {
    CategoryEmbedding: _tables,
    PiecewiseLinearEmbedding: _piecewise,
    PeriodicEmbedding: _periodic,
    MemberScale: _scales,
    DiagonalScale: _scales,
    StackedDense: _dense,
    StackedHeads: _heads,
}

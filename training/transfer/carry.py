"""What of an earlier network's weights each layer of a new one takes over, by the layer's kind."""

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
# The layers that take the features side by side: the first hidden one, or without one the heads.
FIRST, HEADS = "hidden_0", ("values", "log_spreads")


@dataclass(frozen=True, slots=True)
class Match:
    """What an earlier version and a new one have in common.

    Attributes:
        earlier, schema: of the earlier version's rows and of the new ones.
        columns: numeric columns that are prepared in the same way, the new one's number to the earlier one's.
        categories: categorical features of both, likewise.
        first, first_before: names of the layers that take the features, of the new version and of the earlier one.
        shared: pairs of these layers' columns that mean the same, new and earlier.
        widths: columns of these layers, new and earlier.
        lost: by such a layer's name, (n_networks, units) or (n_networks, n_members, units): what the earlier columns
            that are gone, and only they, usually added to it.
        values, spreads: targets whose heads mean the same, and how they are rescaled.
        link, n_quantiles: of the new version's :class:`artifact.layers.TargetScaling`.
    """

    earlier: FeatureSchema
    schema: FeatureSchema
    columns: Mapping[int, int]
    categories: Mapping[int, int]
    first: frozenset[str]
    first_before: frozenset[str]
    shared: Sequence[tuple[slice, slice]]
    widths: tuple[int, int]
    lost: Mapping[str, Float32]
    values: Sequence[Rescaled]
    spreads: Sequence[Rescaled]
    link: str
    n_quantiles: int


def carried(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """A weight as training shall start from it, or None where nothing of the earlier one fits.

    Args:
        match: what both versions have in common.
        new, old: the layer in both cores.
        name: of the weight.
        fresh: as it was drawn, (n_networks, ...).
        weights: of the earlier layer by name, the networks as many as ``fresh`` has.
    """
    rule = _RULES.get(type(new))
    if rule is None or type(old) is not type(new):
        return None
    return rule(match, new, old, name, fresh, weights)


def _tables(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """Rows by category; a category that the earlier version did not know starts as its bucket "other"."""
    j = int(name.removeprefix("table_"))
    i = match.categories.get(j)
    if i is None:
        return None
    table, known = weights[f"table_{i}"], match.earlier.categorical[i].categories
    code_of = {category: code for code, category in enumerate(known, start=FIRST_CATEGORY_CODE)}
    categories = match.schema.categorical[j].categories
    rows = [*range(FIRST_CATEGORY_CODE), *(code_of.get(category, OTHER_CODE) for category in categories)]
    width = min(table.shape[-1], fresh.shape[-1])
    found = fresh.copy()
    found[..., :width] = table[:, rows, :width]
    return found


def _piecewise(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """By column; the weights of bins only where the bins are the same."""
    if new.dim != old.dim or not match.columns:
        return None
    found, any_kept = fresh.copy(), False
    for j, i in match.columns.items():
        if name != "bins":
            found[:, :, j], any_kept = weights[name][:, :, i], True
        elif new.edges[j] == old.edges[i]:
            n_bins = len(new.edges[j]) - 1
            found[:, j, :n_bins], any_kept = weights[name][:, i, :n_bins], True
    return found if any_kept else None


def _periodic(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """By column, where its waves are as many and its embedding as wide."""
    if fresh.shape[2:] != weights[name].shape[2:] or not match.columns:
        return None
    found = fresh.copy()
    found[:, list(match.columns)] = weights[name][:, list(match.columns.values())]
    return found


def _scales(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:  # noqa: ARG001
    """By column of the features side by side; more members than before take the earlier ones' in turn."""
    if not match.shared:
        return None
    found, scale = fresh.copy(), in_turn(weights[name], fresh.shape[1], axis=1)
    for here, there in match.shared:
        found[..., here] = scale[..., there]
    return found


def _dense(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """Whole; of the first layer by column, where a new column counts nothing until it has learnt something."""
    before = weights[name]
    if new.ntk != old.ntk or fresh.shape[2:] != before.shape[2:]:
        return None
    if new.name not in match.first:
        return before if fresh.shape == before.shape else None
    if not match.shared:
        return None
    if name == "bias":
        return before + match.lost[new.name][:, None]
    if name != "kernel":
        return before
    # In the neural tangent parametrisation a product is divided by the root of all columns.
    factor = (match.widths[0] / match.widths[1]) ** 0.5 if new.ntk else 1.0
    return _by_column(match, before, fresh.shape[-2]) * np.float32(factor)


def _heads(match: Match, new: Any, old: Any, name: str, fresh: Float32, weights: Mapping[str, Float32]) -> Any:
    """By target, in its new standardisation; more members than before take the earlier ones' in turn.

    Heads that take the features, for there is no hidden layer, are carried by column too.
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
        kernel, bias = _by_column(match, kernel, match.widths[0]), bias + match.lost[new.name][:, :, None]
    kernel, bias = in_turn(kernel, members, axis=1), in_turn(bias, members, axis=1)
    if new.ntk != old.ntk or not targets or (name == "kernel" and kernel.shape[2] != fresh.shape[2]):
        return None
    outputs = 1 if is_spread else max(1, match.n_quantiles)
    found = fresh.copy()
    for target in targets:
        here, there = (slice(i * outputs, (i + 1) * outputs) for i in (target.new, target.old))
        both = (kernel[..., there], bias[..., there])
        if is_spread:
            rescaled = heads.log_spreads(*both, target)
        else:
            rescaled = heads.values(*both, match.link, match.n_quantiles, target)
        found[..., here] = rescaled[0 if name == "kernel" else 1]
    return found


def _by_column(match: Match, kernel: Float32, width: int) -> Float32:
    """An earlier kernel (..., earlier width, units) for new columns; those that are new count nothing yet."""
    found = np.zeros((*kernel.shape[:-2], width, kernel.shape[-1]), kernel.dtype)
    for here, there in match.shared:
        found[..., here, :] = kernel[..., there, :]
    return found


def in_turn(array: Float32, count: int, axis: int = 0) -> Float32:
    """As many along an axis as asked for: the first ones, or all of them again and again."""
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

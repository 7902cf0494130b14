"""Turns the heads into one answer in the target's unit: links, means and bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from artifact.layers import target as keras_target
from training.export.onnx_graph.graph import Graph, UnsupportedError
from training.export.onnx_graph.heads import Heads
from training.export.onnx_graph.parts import Float64

Averages = Callable[[Float64], Float64]


def answers(graph: Graph, layer: Any, heads: Sequence[Heads]) -> dict[str, str]:
    """:class:`TargetScaling`: the outputs' tensors by name, (n, n_targets) and (n, n_targets, n_quantiles).

    Means over networks and members are products with constants, which also convert to the target's unit. The heads of
    values and of log spreads are one product if they have the same inputs; each then takes its columns of the result.
    """
    if layer.link == "quantile":
        (only,) = _exactly(heads, 1)
        return _quantiles(graph, layer, only)
    mean, std = np.asarray(layer.mean), np.asarray(layer.std)
    if layer.link == "logistic":
        raw = heads[0].computed(graph)
        value = graph.matmul(graph.add("Sigmoid", raw), _mean_of(heads[0], 0, np.ones(len(std))), "head")
        value = graph.add("Clip", value, *_float32(keras_target.PROBABILITY))
        spread = graph.add("Mul", graph.add("Mul", value, np.float32(2)), graph.add("Sub", np.float32(1), value))
        return {"value": value, "spread": spread}
    values, log_spreads = _exactly(heads, 2)
    if layer.link == "identity" and values.count == len(std) == 1:
        return _single(graph, layer, values, log_spreads)
    if layer.link == "identity":
        # Without a link, heads can answer in the target's unit.
        values = values.scaled(std, mean)
    if values.source is log_spreads.source:
        joined = values.joined_with(log_spreads)
        of_values = of_spreads = joined.computed(graph)
        by_value, by_spread = partial(_mean_of, joined, 0), partial(_mean_of, joined, len(std))
    else:
        of_values, of_spreads = values.computed(graph), log_spreads.computed(graph)
        by_value, by_spread = partial(_mean_of, values, 0), partial(_mean_of, log_spreads, 0)
    low, high = keras_target.LOG_SPREAD
    if layer.link == "normal":
        scale = np.square(std) * np.asarray(layer.spread_scale)
        floor = scale * np.asarray(layer.spread_floor)
        value, spread = _mixture(graph, of_values, of_spreads, by_value, by_spread, scale, floor)
        value = graph.add("Add", graph.add("Mul", value, std), mean)
        return {"value": _bounded(graph, layer, value), "spread": spread}
    spread = graph.add("Exp", graph.add("Clip", of_spreads, *_float32((low, high))))
    spread = graph.matmul(spread, by_spread(std), "head")
    if layer.link == "log":
        rate = graph.add("Exp", graph.add("Clip", of_values, *_float32(keras_target.LOG_RATE)))
        value = graph.matmul(rate, by_value(std), "head")
        value = graph.add("Add", value, mean) if mean.any() else value
    else:
        value = graph.matmul(of_values, by_value(np.ones(len(std))), "head")
    return {"value": _bounded(graph, layer, value), "spread": spread}


def _single(graph: Graph, layer: Any, values: Heads, log_spreads: Heads) -> dict[str, str]:
    """One network's answers for one target: there is no mean, and heads answer in the target's unit."""
    mean, std = np.asarray(layer.mean), np.asarray(layer.std)
    unit = float(np.log(std[0]))
    low, high = (bound + unit for bound in keras_target.LOG_SPREAD)
    value = values.scaled(std, mean).computed(graph)
    spread = log_spreads.scaled(np.ones(1), np.full(1, unit)).computed(graph)
    spread = graph.add("Exp", graph.add("Clip", spread, *_float32((low, high))))
    return {"value": _bounded(graph, layer, value), "spread": spread}


def _mean_of(heads: Heads, first: int, factor: Float64) -> Float64:
    """A matrix (count * units, len(factor)). It takes means over all answers of each unit from ``first`` on.

    The means are multiplied by ``factor``.
    """
    means = np.zeros((heads.units, len(factor)))
    means[first : first + len(factor)] = np.diag(factor)
    return np.tile(means, (heads.count, 1)) / heads.count


def _mixture(
    graph: Graph,
    of_values: str,
    of_spreads: str,
    by_value: Averages,
    by_spread: Averages,
    scale: Float64,
    floor: Float64,
) -> tuple[str, str]:
    """Mean (in deviations) and standard deviation of the mixture of the normal distributions of all answers.

    Args:
        graph: the graph to add nodes to.
        of_values, of_spreads: outputs of the heads of values and of log spreads.
        by_value, by_spread: give the matrix of means over all answers of the heads' columns.
        scale: factor of each target's variance, float64 (n_targets,).
        floor: number that is added to each target's scaled variance, float64 (n_targets,).
    """
    to_mean = by_value(np.ones(len(scale)))
    value = graph.matmul(of_values, to_mean, "head")
    low, high = (2 * bound for bound in keras_target.LOG_SPREAD)
    doubled = graph.add("Clip", graph.add("Add", of_spreads, of_spreads), *_float32((low, high)))
    variance = graph.matmul(graph.add("Exp", doubled), by_spread(scale), "head")
    if to_mean.max() < 1:
        each = graph.add("Sub", of_values, graph.matmul(value, (to_mean > 0).T.astype(np.float64), "head"))
        disagreement = graph.matmul(graph.add("Mul", each, each), by_value(scale), "head")
        variance = graph.add("Add", variance, disagreement)
    if floor.any():
        variance = graph.add("Add", variance, floor)
    return value, graph.add("Sqrt", variance)


def _quantiles(graph: Graph, layer: Any, heads: Heads) -> dict[str, str]:
    """Quantiles as in :func:`artifact.layers.target.ascending`; means are taken before gaps are added up."""
    mean, std, count = np.asarray(layer.mean), np.asarray(layer.std), layer.n_quantiles
    middle, n_targets = count // 2, len(layer.mean)
    outwards = np.zeros((count, count))
    for k in range(count):
        outwards[middle + 1 : k + 1, k] = 1.0
        outwards[k:middle, k] = -1.0
    of_middle = np.zeros((count, count))
    of_middle[middle] = 1.0
    raw = heads.computed(graph)
    gaps = graph.add("Softplus", raw)
    mean_of_all = np.tile(np.eye(heads.units), (heads.count, 1)) / heads.count
    to_middle, to_gaps = (np.kron(np.diag(std), part) for part in (of_middle, outwards))
    constant = np.repeat(mean, count) + keras_target._LEAST_GAP * to_gaps.sum(axis=0)
    values = graph.add("Add", graph.matmul(raw, mean_of_all @ to_middle, "head"), constant)
    values = graph.add("Add", values, graph.matmul(gaps, mean_of_all @ to_gaps, "head"))
    medians = graph.add("Gather", values, np.arange(n_targets) * count + middle, axis=1)
    value = _bounded(graph, layer, medians)
    quantiles = graph.reshape(values, -1, n_targets, count)
    if value != medians:
        shift = graph.add("Unsqueeze", graph.add("Sub", value, medians), np.array([2], np.int64))
        quantiles = graph.add("Add", quantiles, shift)
    return {"value": value, "quantiles": quantiles}


def _bounded(graph: Graph, layer: Any, value: str) -> str:
    if layer.minimum is None or layer.maximum is None:
        return value
    low, high = np.asarray(layer.minimum), np.asarray(layer.maximum)
    if len(low) == 1:
        clipped: str = graph.add("Clip", value, *_float32((low[0], high[0])))
        return clipped
    # Clip takes a single bound, not one for each target.
    bounded: str = graph.add("Min", graph.add("Max", value, low), high)
    return bounded


def _exactly(heads: Sequence[Heads], count: int) -> Sequence[Heads]:
    if len(heads) != count:
        raise UnsupportedError(f"{len(heads)} kinds of heads for {count}")
    return heads


def _float32(bounds: tuple[float, float]) -> list[Any]:
    return [np.float32(bound) for bound in bounds]

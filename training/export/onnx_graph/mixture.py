"""Trees, and the mean of several models' answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.layers.mixture import ANSWERS
from training.export.onnx_graph.categories import Codes
from training.export.onnx_graph.graph import ML_DOMAIN, Graph

Answers = dict[str, str]


def trees(graph: Graph, layer: Any, inputs: Sequence[Any]) -> str:
    """:class:`BoostedTrees` as the standard's operation for trees; leaves are in the target's unit."""
    parts = [graph.add("Cast", part.tensor, to=1) if isinstance(part, Codes) else part for part in inputs]
    columns = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    nodes, roots = layer.nodes(), np.asarray(layer.roots)
    std, base = np.asarray(layer.std), np.array(layer.mean, np.float64)
    of_tree = np.repeat(np.arange(len(roots)), np.diff([*roots, layer.n_nodes]))
    number = np.arange(layer.n_nodes)
    leaf = nodes.left == number
    target = np.asarray(layer.target_of)[of_tree]
    weight = nodes.value.astype(np.float64) * std[target]
    # The value that boosting starts from is a tree of one leaf. Here it is no tree, but a number that is added to the
    # sum.
    single = leaf & (number == roots[of_tree])
    np.add.at(base, target[single], weight[single])
    in_trees, within = ~single, number - roots[of_tree]
    leaves = leaf & in_trees

    def numbers(values: npt.NDArray[Any]) -> list[Any]:
        return list(np.where(leaf, 0, values)[in_trees].tolist())

    total = graph.add(
        "TreeEnsembleRegressor",
        columns,
        domain=ML_DOMAIN,
        n_targets=len(std),
        base_values=base.astype(np.float32).tolist(),
        nodes_treeids=of_tree[in_trees].tolist(),
        nodes_nodeids=within[in_trees].tolist(),
        nodes_featureids=numbers(nodes.feature),
        nodes_modes=["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf[in_trees]],
        nodes_values=numbers(nodes.threshold),
        nodes_truenodeids=numbers(nodes.left - roots[of_tree]),
        nodes_falsenodeids=numbers(nodes.right - roots[of_tree]),
        nodes_missing_value_tracks_true=numbers(nodes.missing_left),
        target_treeids=of_tree[leaves].tolist(),
        target_nodeids=within[leaves].tolist(),
        target_ids=target[leaves].tolist(),
        target_weights=weight[leaves].astype(np.float32).tolist(),
    )
    low, high = np.asarray(layer.minimum, np.float32), np.asarray(layer.maximum, np.float32)
    bounded: str = graph.add("Min", graph.add("Max", total, low), high)
    return bounded


def mixture(graph: Graph, layer: Any, answers: Sequence[Answers]) -> Answers:
    """:class:`Mixture`: answers side by side, and their mean as a product."""
    weights = np.asarray(layer.weights_of)
    # Values and spreads are (n, n_targets); quantiles have an axis more.
    width = int(min(keras.tree.flatten(layer.output), key=lambda tensor: len(tensor.shape)).shape[-1])
    outputs = {"value": _mean(graph, [a["value"] for a in answers], weights, width)}
    for name in ANSWERS[1:]:
        having = [i for i, a in enumerate(answers) if name in a]
        if not having:
            continue
        shares = weights[having] / weights[having].sum()
        parts = [answers[i][name] for i in having]
        if name == "spread" and layer.normal:
            variance = _mean(graph, [graph.add("Mul", part, part) for part in parts], shares, width)
            off = [graph.add("Sub", a["value"], outputs["value"]) for a in answers]
            disagreement = _mean(graph, [graph.add("Mul", part, part) for part in off], weights, width)
            outputs[name] = graph.add("Sqrt", graph.add("Add", variance, disagreement))
        elif name == "spread":
            outputs[name] = _mean(graph, parts, shares, width)
        else:
            outputs[name] = _weighted(graph, parts, shares)
    return outputs


def _mean(graph: Graph, parts: Sequence[str], weights: npt.NDArray[np.float64], width: int) -> str:
    """The weighted mean of tensors (n, width)."""
    joined = graph.add("Concat", *parts, axis=1)
    return graph.matmul(joined, np.kron(weights[:, None], np.eye(width)), "mixture")


def _weighted(graph: Graph, parts: Sequence[str], weights: npt.NDArray[np.float64]) -> str:
    """The weighted sum of tensors of one shape."""
    total: str = graph.add("Mul", parts[0], np.float32(weights[0]))
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = graph.add("Add", total, graph.add("Mul", part, np.float32(weight)))
    return total

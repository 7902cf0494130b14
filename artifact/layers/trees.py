"""Regression trees as a layer: they have been grown before, and never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops


class Nodes(NamedTuple):
    """The nodes of all trees, one after another; a leaf leads to itself.

    Attributes:
        feature: int32 (n_nodes,), column that is compared.
        threshold: float32 (n_nodes,), a value up to it goes left.
        left, right: int32 (n_nodes,), number of the next node.
        missing_left: int32 (n_nodes,), 1 where NaN goes left.
        value: float32 (n_nodes,), value of a leaf, in target deviations; 0 for other nodes.
    """

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    missing_left: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]


@keras.saving.register_keras_serializable(package="trueline")
class BoostedTrees(keras.layers.Layer):
    """The sum of regression trees' leaves, as gradient boosting grows them (Friedman 2001).

    All rows walk all trees at once, one level at each step; a row that has reached a leaf stays there. The nodes are
    weights that no training changes.

    **Shape**: list of (n_samples, n_columns), numbers with NaN where missing and codes, side by side in that order ->
    float32 (n_samples, n_targets) in the target's unit, its offset not yet added.

    Args:
        roots: number of each tree's first node, (n_trees,).
        target_of: which target each tree adds to, (n_trees,).
        n_nodes: number of nodes of all trees.
        depth: largest number of comparisons of a row in one tree.
        mean, std: the mean that was subtracted from each target and the deviation that divided it, (n_targets,).
        minimum, maximum: values are kept within these, (n_targets,).
    """

    def __init__(
        self,
        roots: Sequence[int],
        target_of: Sequence[int],
        n_nodes: int,
        depth: int,
        mean: Sequence[float],
        std: Sequence[float],
        minimum: Sequence[float],
        maximum: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(roots) != len(target_of):
            raise ValueError(f"Expected a target for each tree. Received: {len(target_of)} for {len(roots)} trees.")
        self.roots = [int(v) for v in roots]
        self.target_of = [int(v) for v in target_of]
        self.n_nodes = int(n_nodes)
        self.depth = int(depth)
        self.mean, self.std = [float(v) for v in mean], [float(v) for v in std]
        self.minimum, self.maximum = [float(v) for v in minimum], [float(v) for v in maximum]

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:  # noqa: ARG002
        kinds = {name: "float32" if name in ("threshold", "value") else "int32" for name in Nodes._fields}
        self._nodes = {
            name: self.add_weight(name=name, shape=(self.n_nodes,), dtype=dtype, initializer="zeros", trainable=False)
            for name, dtype in kinds.items()
        }

    def take(self, nodes: Nodes) -> None:
        """Set the nodes; the layer has been built before."""
        for name, values in nodes._asdict().items():
            self._nodes[name].assign(values)

    def nodes(self) -> Nodes:
        """The nodes as arrays."""
        arrays: Mapping[str, Any] = {name: ops.convert_to_numpy(v) for name, v in self._nodes.items()}
        return Nodes(**{name: np.asarray(values) for name, values in arrays.items()})

    def call(self, inputs: Sequence[Any]) -> Any:
        columns = ops.concatenate([ops.cast(part, "float32") for part in inputs], axis=1)
        nodes = {name: ops.convert_to_tensor(variable) for name, variable in self._nodes.items()}
        at = ops.zeros_like(columns[:, :1], dtype="int32") + np.asarray(self.roots, np.int32)
        for _ in range(self.depth):
            x = ops.take_along_axis(columns, ops.take(nodes["feature"], at), axis=1)
            goes_left = ops.where(
                ops.isnan(x), ops.take(nodes["missing_left"], at) > 0, x <= ops.take(nodes["threshold"], at)
            )
            at = ops.where(goes_left, ops.take(nodes["left"], at), ops.take(nodes["right"], at))
        of_target = np.zeros((len(self.roots), len(self.mean)), np.float32)
        of_target[np.arange(len(self.roots)), self.target_of] = 1.0
        total = ops.matmul(ops.take(nodes["value"], at), of_target)
        answer = total * np.asarray(self.std, np.float32) + np.asarray(self.mean, np.float32)
        return ops.clip(answer, np.asarray(self.minimum, np.float32), np.asarray(self.maximum, np.float32))

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(roots=self.roots, target_of=self.target_of, n_nodes=self.n_nodes, depth=self.depth)
        config.update(mean=self.mean, std=self.std, minimum=self.minimum, maximum=self.maximum)
        return config

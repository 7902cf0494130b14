"""TabM-mini (Gorishniy et al. 2024) as an ONNX graph: members share an MLP, each with its own scale and head.

Its speed does not depend on its weights, so they are random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The published sizes: 32 members, two blocks of 512, and embeddings of 16 numbers from 48 bins.
MEMBERS = 32
HIDDEN = (512, 512)
EMBEDDING, BINS = 16, 48


def ensemble_graph(n_features: int, *, hidden: Sequence[int] = HIDDEN, embedding: int = EMBEDDING) -> onnx.ModelProto:
    """The network, with the outputs ``value`` and ``spread``.

    Args:
        n_features: number of numeric features.
        hidden: units of each block.
        embedding: numbers that each feature becomes before the first block; 0: it stays one number.
    """
    build = _Builder()
    width = n_features
    x = "numeric"
    if embedding:
        x = _embedded(build, n_features, embedding)
        width *= embedding
    x = build.node("Mul", build.node("Unsqueeze", x, build.shape("one", 1)), build.weight("r", (MEMBERS, width), 1.0))
    for i, units in enumerate(hidden):
        product = build.node("MatMul", x, build.weight(f"w{i}", (width, units), width**-0.5))
        x = build.node("Relu", build.node("Add", product, build.weight(f"b{i}", (units,), 0.1)))
        width = units
    heads = build.node("Mul", x, build.weight("heads", (MEMBERS, width), width**-0.5))
    answers = build.node("ReduceSum", heads, build.shape("two", 2), keepdims=0)
    build.node("ReduceMean", answers, "one", output="value", keepdims=1)
    largest = build.node("Abs", build.node("ReduceMax", answers, "one", keepdims=1))
    build.node("Add", largest, build.constant("least", np.array(0.1, np.float32)), output="spread")
    return build.model(n_features)


def _embedded(build: _Builder, n_features: int, width: int) -> str:
    """Piecewise-linear embeddings: ``x * w + b + PLE(x) @ W`` for each feature, side by side."""
    edges = np.linspace(-3, 3, BINS + 1, dtype=np.float32)
    x = build.node("Unsqueeze", "numeric", build.shape("last", 2))
    offset = build.node("Sub", x, build.constant("left", edges[:-1]))
    share = build.node("Mul", offset, build.constant("per_width", (1 / np.diff(edges)).astype(np.float32)))
    bins = build.node("Clip", share, build.constant("zero", np.float32(0)), build.constant("full", np.float32(1)))
    by_feature = build.node("Transpose", bins, perm=(1, 0, 2))
    product = build.node("MatMul", by_feature, build.weight("W", (n_features, BINS, width), 0.1))
    piecewise = build.node("Transpose", product, perm=(1, 0, 2))
    scaled = build.node("Mul", x, build.weight("w", (n_features, width), 1.0))
    linear = build.node("Add", scaled, build.weight("b", (n_features, width), 0.1))
    return build.node("Reshape", build.node("Add", piecewise, linear), build.shape("flat", 0, n_features * width))


class _Builder:
    """Nodes and weights of a graph under construction."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, values: object) -> str:
        self._weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, name: str, shape: tuple[int, ...], scale: float) -> str:
        return self.constant(name, (self._rng.normal(size=shape) * scale).astype(np.float32))

    def shape(self, name: str, *sizes: int) -> str:
        return self.constant(name, np.array(sizes, np.int64))

    def model(self, n_features: int) -> onnx.ModelProto:
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("value", "spread")]
        inputs = [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", n_features])]
        graph = helper.make_graph(self._nodes, "tabm", inputs, outputs, self._weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

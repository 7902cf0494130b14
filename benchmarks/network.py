"""The network that every server of the benchmark answers with: 13 features, two layers of 128, random weights.

Its speed does not depend on its weights, so nothing is trained; its answers do, so that servers can be compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.manifest import ONNX_MODEL
from artifact.predictor import Predictor
from artifact.registry import Registry
from tests.builders import build_schema, build_version, plain_features, sample_rows

MODEL_NAME = "benchmark"
N_FEATURES = 13
HIDDEN = (128, 128)
N_BODIES = 500


class Network(NamedTuple):
    """What the servers serve and what they are asked.

    Attributes:
        home: BentoML home with the network as champion, for Trueline.
        onnx: the same version's ``model.onnx``, for the peers.
        rows: what they are asked, feature name to value.
        bodies: JSON requests of one row each.
        values: what the network answers to each of them.
    """

    home: Path
    onnx: Path
    rows: list[dict[str, float]]
    bodies: list[str]
    values: list[float]


def build(folder: Path, *, members: int = 0) -> Network:
    """Write the network into ``folder`` and draw the rows; with ``members``, a TabM-mini ensemble of that many."""
    home = folder / "home"
    schema = build_schema(plain_features(N_FEATURES), targets=("y",))
    graph = ensemble_graph(members) if members else None
    options = {"name": MODEL_NAME, "schema": schema, "hidden": HIDDEN, "promote": True, "graph": graph}
    version = build_version(Registry(home), **options)
    rows = [{name: round(value, 4) for name, value in row.items()} for row in sample_rows(schema, N_BODIES)]
    answers = Predictor.load(version.path).predict_rows(rows)
    bodies = [json.dumps({"rows": [row]}) for row in rows]
    return Network(home, version.path / ONNX_MODEL, rows, bodies, [float(v) for v in answers.value[:, 0]])


def ensemble_graph(members: int) -> onnx.ModelProto:
    """TabM-mini (Gorishniy et al. 2024): a shared MLP, inputs scaled by member, a head each, the mean."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []

    def constant(name: str, shape: tuple[int, ...], scale: float) -> str:
        weights.append(numpy_helper.from_array((rng.normal(size=shape) * scale).astype(np.float32), name))
        return name

    def node(op: str, *inputs: str, output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    weights.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    weights.append(numpy_helper.from_array(np.array([2], np.int64), "two"))
    rows = node("Unsqueeze", "numeric", "one", output="rows")
    x = node("Mul", rows, constant("r", (members, N_FEATURES), 1.0), output="members")
    width = N_FEATURES
    for i, units in enumerate(HIDDEN):
        weight = constant(f"w{i}", (width, units), width**-0.5)
        product = node("MatMul", x, weight, output=f"product{i}")
        x = node("Relu", node("Add", product, constant(f"b{i}", (units,), 0.1), output=f"sum{i}"), output=f"hidden{i}")
        width = units
    scaled = node("Mul", x, constant("heads", (members, width), width**-0.5), output="scaled")
    answers = node("ReduceSum", scaled, "two", output="answers", keepdims=0)
    node("ReduceMean", answers, "one", output="value", keepdims=1)
    node("Abs", node("ReduceMax", answers, "one", output="largest", keepdims=1), output="raw_spread")
    weights.append(numpy_helper.from_array(np.array(0.1, np.float32), "least"))
    node("Add", "raw_spread", "least", output="spread")
    graph = helper.make_graph(
        nodes,
        "tabm",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", N_FEATURES])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("value", "spread")],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

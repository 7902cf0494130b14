"""Small whole artifacts for tests and benchmarks: an ONNX graph written by hand, no training, no TensorFlow.

The graph is what training exports in small: medians stand in for missing numbers beside a flag, categories go through
an embedding, then an MLP with a value and a spread for each target.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact import manifest as files
from artifact.intervals.calibration import Calibration
from artifact.lineage import Lineage
from artifact.manifest import Coverage, Manifest, Verdict
from artifact.predictor import Predictor
from artifact.profile import Profile
from artifact.registry.base import Reference
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.runtimes import OnnxRuntime

HOUSE_FEATURES = (
    Feature(name="age", kind="number", unit="years", minimum=0, maximum=100, example=30.0),
    Feature(name="income", kind="number", unit="EUR", minimum=0, maximum=9e4, missing="impute", example=4.1e4),
    Feature(name="rooms", kind="integer", minimum=1, maximum=12, out_of_range="refuse", example=5),
    Feature(name="garden", kind="boolean", minimum=0, maximum=1, missing="impute", example=True),
    Feature(name="town", kind="category", categories=("Leeds", "York"), missing="impute", example="Leeds"),
    Feature(name="heating", kind="category", categories=("gas", "oil", "heat pump"), unseen="refuse", example="gas"),
    Feature(
        name="sold",
        kind="datetime",
        minimum=1.5e9,
        maximum=1.7e9,
        offset=1.6e9,
        parts=("days", "season_sin", "season_cos"),
        missing="impute",
        example="2021-05-01T00:00:00Z",
    ),
)


def plain_features(n: int = 13) -> tuple[Feature, ...]:
    """``n`` numbers between -3 and 3, never missing."""
    return tuple(Feature(name=f"f{i}", kind="number", minimum=-3, maximum=3, example=i / 10) for i in range(n))


def build_schema(features: Sequence[Feature] = HOUSE_FEATURES, targets: Sequence[str] = ("price",)) -> FeatureSchema:
    return FeatureSchema(
        features=tuple(features),
        targets=tuple(Target(name=name, unit="EUR", minimum=-50, maximum=50, std=10) for name in targets),
    )


def sample_rows(schema: FeatureSchema, n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as a request would hold them, every value legal, some missing where the schema imputes."""
    rng = np.random.default_rng(seed)
    return [{f.name: _value(f, rng) for f in schema.features} for _ in range(n)]


def _value(feature: Feature, rng: np.random.Generator) -> Any:
    if feature.missing == "impute" and rng.random() < 0.1:
        return None
    if feature.kind == "category":
        return str(rng.choice(feature.categories))
    if feature.kind == "boolean":
        return bool(rng.random() < 0.5)
    low, high = feature.minimum or 0.0, feature.maximum or 1.0
    if feature.kind == "integer":
        return int(rng.integers(int(low), int(high) + 1))
    number = float(rng.uniform(low, high))
    if feature.kind == "datetime":
        return datetime.fromtimestamp(number, UTC).isoformat()
    return number


def build_graph(schema: FeatureSchema, *, hidden: Sequence[int] = (16, 16), seed: int = 0, spread: bool = True) -> Any:
    """The network as an ONNX model: inputs ``numeric`` and ``categorical``, outputs ``value`` and ``spread``."""
    rng = np.random.default_rng(seed)
    nodes: list[Any] = []
    weights: list[Any] = []

    def constant(name: str, values: Any, dtype: Any = np.float32) -> str:
        weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def dense(x: str, name: str, n_in: int, n_out: int) -> str:
        w = constant(f"{name}_w", rng.normal(size=(n_in, n_out)) / np.sqrt(n_in))
        return node("Gemm", [x, w, constant(f"{name}_b", rng.normal(size=n_out) / 10)], name)

    parts, width, inputs = [], 0, []
    k = len(schema.numeric_columns)
    if k:
        inputs.append(helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", k]))
        low, high = (np.array([_end(c, schema, end) for c in schema.numeric_columns]) for end in (0, 1))
        missing = node("IsNaN", ["numeric"], "missing")
        filled = node("Where", [missing, constant("median", (low + high) / 2), "numeric"], "filled")
        centred = node("Sub", [filled, constant("centre", (low + high) / 2)], "centred")
        scaled = node("Div", [centred, constant("scale", np.maximum(high - low, 1e-6) / 2)], "scaled")
        # 1e30 is a legal number: without a limit the graph would answer infinity.
        bounded = node("Clip", [scaled, constant("least", -8.0), constant("most", 8.0)], "bounded")
        parts += [bounded, node("Cast", [missing], "flag", to=TensorProto.FLOAT)]
        width += 2 * k
    if schema.categorical:
        inputs.append(helper.make_tensor_value_info("categorical", TensorProto.INT32, ["n", len(schema.categorical)]))
    for j, cardinality in enumerate(schema.cardinalities):
        codes = node("Gather", ["categorical", constant(f"at{j}", j, np.int64)], f"codes{j}", axis=1)
        parts.append(node("Gather", [constant(f"table{j}", rng.normal(size=(cardinality, 4))), codes], f"embedded{j}"))
        width += 4
    x = node("Concat", parts, "features", axis=1)
    for i, units in enumerate(hidden):
        x = node("Relu", [dense(x, f"dense{i}", width, units)], f"hidden{i}")
        width = units
    t = len(schema.targets)
    node("Mul", [dense(x, "head", width, t), constant("std", [target.std for target in schema.targets])], "value")
    outputs = [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n", t])]
    if spread:
        node("Softplus", [dense(x, "spread_head", width, t)], "spread")
        outputs.append(helper.make_tensor_value_info("spread", TensorProto.FLOAT, ["n", t]))
    graph = helper.make_graph(nodes, "network", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _end(column: Any, schema: FeatureSchema, end: int) -> float:
    if column.part is not None:
        return (-1200.0, 1200.0)[end] if column.part == "days" else (-1.0, 1.0)[end]
    feature = schema.feature(column.feature)
    return float((feature.minimum or 0.0, feature.maximum or 1.0)[end]) - feature.offset


def build_manifest(
    schema: FeatureSchema, name: str, version: str, *, beats_mean: bool = True, note: str = ""
) -> Manifest:
    """A manifest as training would write it."""
    metrics = {t: {"rmse": 4.2, "mae": 3.1, "r2": 0.81} for t in schema.target_names}
    return Manifest(
        model_name=name,
        model_version=version,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        family="mlp",
        objective="gaussian",
        note=note,
        parameters=1234,
        schema_digest=schema.digest(),
        metrics=metrics,
        baselines={"mean": {t: {"rmse": 9.9} for t in schema.target_names}},
        verdict=Verdict(
            worth_it="yes" if beats_mean else "no",
            beats_mean=beats_mean,
            best_baseline="ridge",
            ratio=0.8 if beats_mean else 1.2,
            low=0.7,
            high=0.9,
            sentence="The network's error is 20% below ridge's.",
        ),
        coverage=Coverage(level=0.9, covered=dict.fromkeys(schema.target_names, 0.91), mean_width={"price": 12.0}),
        lineage=Lineage(
            data="houses.csv",
            data_fingerprint="0" * 64,
            rows=500,
            columns=len(schema.features) + len(schema.targets),
            parts={"train": 300, "validation": 50, "calibration": 100, "test": 50},
            seed=0,
            git_commit=None,
            packages={"bentoml": "1.4.39", "python": "3.11"},
            config={"hidden": [16, 16]},
            seconds=1.0,
            backend="tensorflow",
            device="cpu",
        ),
    )


def write_version(
    folder: Path,
    version: str,
    *,
    name: str = "houses",
    schema: FeatureSchema | None = None,
    hidden: Sequence[int] = (16, 16),
    seed: int = 0,
    spread: bool = True,
    beats_mean: bool = True,
    graph: Any = None,
) -> Manifest:
    """Write the files of one version into an empty folder; ``graph`` stands in for the network."""
    schema = schema or build_schema()
    graph = graph or build_graph(schema, hidden=hidden, seed=seed, spread=spread)
    onnx.save(graph, folder / files.ONNX_MODEL)
    scores = np.abs(np.random.default_rng(seed).normal(size=(200, len(schema.targets)))).astype(np.float32)
    ones = np.ones_like(scores) if spread else None
    calibration = Calibration.fit(scores, np.zeros_like(scores), ones)
    manifest = build_manifest(schema, name, version, beats_mean=beats_mean)
    predictor = Predictor(schema, OnnxRuntime(folder / files.ONNX_MODEL), calibration, manifest)
    encoded = Encoder(schema).encode_rows(sample_rows(schema, 300, seed=seed))
    value = predictor.predict(encoded).value
    profile = Profile.fit(schema, encoded, {t: value[:, j] for j, t in enumerate(schema.target_names)})
    for file, model in (
        (files.SCHEMA, schema),
        (files.CALIBRATION, calibration),
        (files.PROFILE, profile),
        (files.GOLDEN, predictor.golden(sample_rows(schema, 256, seed=seed + 1))),
    ):
        (folder / file).write_text(model.model_dump_json(), encoding="utf-8")
    return manifest.write(folder)


def build_version(registry: LocalRegistry, *, name: str = "houses", promote: bool = False, **options: Any) -> Reference:
    """A whole version in the registry; the options are :func:`write_version`'s."""
    with registry.create(name) as (version, folder):
        write_version(folder, version, name=name, **options)
    reference = registry.resolve(f"{name}:{version}")
    if promote:
        registry.promote(f"{name}:{version}", statement=Statement(forced=("verdict",)))
    return reference

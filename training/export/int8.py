"""Writes ``model.int8.onnx``, a copy of the network in 8-bit integers, and keeps it only if it answers as well."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError
from artifact.golden import Golden
from artifact.manifest import INT8_MODEL, ONNX_MODEL, Int8
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded
from artifact.runtimes import OnnxRuntime
from artifact.runtimes.chunks import chunks

# The largest difference at a golden row, in standard deviations of a target; usual rows differ by a tenth of it.
# Loading a version checks it. The export allows a fifth less, for a processor that rounds an activation differently.
TOLERANCE = 0.1
_AT_EXPORT = 0.8 * TOLERANCE
# The RMSE on the validation rows may be 1% above the network's.
RMSE_LIMIT = 1.01
# A product with a smaller weight costs less time than turning its input into integers.
_LEAST_WIDTH = 64
_ROWS_OF_RANGES = 4096
_CHUNK = 256
# Weights have 7 bits: processors without VNNI add two products in 16 bits, and weights of 8 bits would overflow these.
_LARGEST_WEIGHT = 63
_DOMAIN = "com.microsoft"
# The names of weights that belong to no hidden layer begin like this; training.export.onnx_graph gives them.
_NO_LAYER = ("embedding", "head")


def write_int8(
    folder: Path, predictor: Predictor, golden: Golden, ranges: Encoded, X: Encoded, y: npt.NDArray[np.float64]
) -> tuple[Int8 | None, str | None]:
    """Write the copy beside ``model.onnx``, and keep it if its answers are near the network's.

    Args:
        folder: folder of the version.
        predictor: predictor on the network itself.
        golden: its answers to the golden rows.
        ranges: training rows; these and the golden rows give the range of every activation.
        X, y: validation rows; float64 (n_samples, n_targets), offsets subtracted.

    Returns:
        The copy's errors, or None; and a sentence for the manifest's notes that says why the copy was not kept, or
        None.
    """
    if not (folder / ONNX_MODEL).is_file():
        return None, f"{INT8_MODEL} was left out: the version has no {ONNX_MODEL}."
    path = folder / INT8_MODEL
    rows = [_first(ranges, _ROWS_OF_RANGES), predictor.encoder.encode_rows(golden.rows)]
    failed: tuple[float, float] | None = None
    for skip in itertools.count():
        # Each try leaves one more of the first products in float32, until the answers are near enough or none is left.
        if not quantise(folder / ONNX_MODEL, path, rows, skip=skip):
            break
        copy = Predictor(
            predictor.schema, OnnxRuntime(path, name="onnx-int8"), predictor.calibration, predictor.manifest
        )
        difference = max(copy.differences(golden).values())
        ratio = _rmse_ratio(copy, predictor, X, y)
        if difference <= _AT_EXPORT and ratio <= RMSE_LIMIT:
            return Int8(tolerance=TOLERANCE, difference=difference, rmse_ratio=ratio, rmse_limit=RMSE_LIMIT), None
        path.unlink()
        failed = difference, ratio
    if failed is None:
        return None, (
            f"{INT8_MODEL} was left out: no product between hidden layers is {_LEAST_WIDTH} x {_LEAST_WIDTH} or larger."
        )
    return None, (
        f"{INT8_MODEL} was left out: expected answers within {_AT_EXPORT:g} deviations and an RMSE of at most "
        f"{RMSE_LIMIT:g} times the network's. Received: {failed[0]:.3g} and {failed[1]:.4g}."
    )


def quantise(source: Path, target: Path, ranges: list[Encoded], *, skip: int = 0) -> bool:
    """Put the products between hidden layers into 8-bit integers; without such products return False and write no file.

    The range of every activation is fixed here and not taken from each batch: an answer must not depend on the rows
    beside it. Each output column of each network has a scale for its weights. The sums are exact and become float32 at
    once: nothing else is rounded.

    Args:
        source: a model of float32.
        target: file to write.
        ranges: encoded rows that show the range of every activation.
        skip: number of the first products that stay in float32. Defaults to 0.

    Raises:
        TruelineError: ONNX Runtime could not compute the model.
    """
    import onnx

    model = onnx.load(source)
    products = hidden_products(model)[skip:]
    if not products:
        return False
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    activations = sorted({node.input[0] for node in products})
    activation_ranges = dict(zip(activations, ranges_of(model, activations, ranges), strict=True))
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes += _in_integers(model, node, activation_ranges, weights) if node in products else [node]
    used = {name for node in nodes for name in node.input}
    initializers = [w for w in model.graph.initializer if w.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(initializers)
    # ONNX Runtime has an operation of its own for a product of integers with scales.
    if not any(opset.domain == _DOMAIN for opset in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
    onnx.save(model, target)
    return True


def _in_integers(
    model: Any, node: Any, ranges: dict[str, tuple[float, float]], weights: dict[str, npt.NDArray[np.float32]]
) -> list[Any]:
    """The nodes that replace a product; their constants are added to the graph."""
    import onnx

    activation, weight, output = node.input[0], weights[node.input[1]], node.output[0]
    low, high = ranges[activation]
    scale = np.float32(max(high - low, 1e-30) / 255)
    largest = np.abs(weight).max(axis=-2, keepdims=True)
    scales = (np.where(largest > 0, largest, 1) / _LARGEST_WEIGHT).astype(np.float32)
    constants = {
        "scale": scale,
        "zero": np.uint8(np.clip(round(-low / float(scale)), 0, 255)),
        "weight": np.rint(weight / scales).astype(np.int8),
        "scales": scales if weight.ndim > 2 else scales[0],
    }
    names = {key: f"{output}:{key}" for key in constants}
    for key, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), names[key]))
    integers = f"{output}:integers"
    return [
        onnx.helper.make_node("QuantizeLinear", [activation, names["scale"], names["zero"]], [integers]),
        onnx.helper.make_node(
            "MatMulIntegerToFloat",
            [integers, names["weight"], names["scale"], names["scales"], names["zero"]],
            [output],
            domain=_DOMAIN,
        ),
    ]


def ranges_of(model: Any, names: list[str], ranges: list[Encoded]) -> list[tuple[float, float]]:
    """The smallest and largest value of each tensor over the rows; 0 always lies between them."""
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    try:
        session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
        inputs = [tensor.name for tensor in session.get_inputs()]
        extremes = [(0.0, 0.0)] * len(names)
        for rows in ranges:
            for chunk in chunks(len(rows), _CHUNK):
                part = {name: getattr(rows, name)[chunk] for name in inputs}
                values = session.run(names, part)
                extremes = [
                    (min(low, float(v.min())), max(high, float(v.max())))
                    for (low, high), v in zip(extremes, values, strict=True)
                ]
    except Exception as error:  # its errors share no base below Exception
        raise TruelineError(f"Expected {ONNX_MODEL} to compute. Received: {error!r}.") from error
    return extremes


def hidden_products(model: Any) -> list[Any]:
    """Nodes that multiply the result of an earlier product by a large constant weight, in the graph's order.

    A weight is (width, units), or (n_networks, width, units). Embeddings and heads are left out, by their names or by
    their fourth axis.

    The first layer stays in float32: its inputs are features of different ranges, so it would cost the most accuracy
    and save the least time.
    """
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    behind: set[str] = set()
    nodes = []
    # A graph's nodes are in the order of computation: a node comes after those that compute its inputs.
    for node in model.graph.node:
        name = next((name for name in node.input if name in weights), "")
        weight = () if name.startswith(_NO_LAYER) else weights.get(name, ())
        dense = node.op_type in ("MatMul", "Gemm") and len(weight) in (2, 3)
        follows = not behind.isdisjoint(node.input)
        if dense and follows and node.op_type == "MatMul" and min(weight[-2:]) >= _LEAST_WIDTH:
            nodes.append(node)
        if dense or follows:
            behind.update(node.output)
    return nodes


def _first(X: Encoded, n_rows: int) -> Encoded:
    return Encoded(X.numeric[:n_rows], X.categorical[:n_rows], [])


def _rmse_ratio(copy: Predictor, predictor: Predictor, X: Encoded, y: npt.NDArray[np.float64]) -> float:
    """The copy's RMSE over the network's, for the worst target."""
    ours, theirs = (
        np.sqrt(np.mean(np.square(p.run(X.numeric, X.categorical).value - y), axis=0)) for p in (copy, predictor)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(ours == theirs, 1.0, ours / theirs)))

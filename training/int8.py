"""Writes ``model.int8.onnx``, a copy of the network in 8-bit integers, and keeps it only where it answers as well."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.encoding import Encoded
from artifact.errors import TruelineError
from artifact.golden import Golden
from artifact.manifest import INT8_MODEL, ONNX_MODEL, Int8
from artifact.predictor import Predictor
from artifact.runtimes import OnnxRuntime

# In standard deviations of a target, at the worst of the golden rows; usual rows differ by a tenth of it. A served
# version is held to it. At export a fifth of it is kept in hand, for a processor that rounds an activation otherwise.
TOLERANCE = 0.1
_AT_EXPORT = 0.8 * TOLERANCE
# The RMSE on the validation rows may be 1% above the network's.
RMSE_LIMIT = 1.01
# Products with a smaller weight cost less than turning their input into integers.
_LEAST_WIDTH = 64
_ROWS_OF_RANGES = 4096


def write_int8(
    folder: Path, predictor: Predictor, golden: Golden, ranges: Encoded, X: Encoded, y: npt.NDArray[np.float64]
) -> tuple[Int8 | None, str | None]:
    """Write the copy beside ``model.onnx`` and keep it if it answers nearly as the network does.

    Args:
        folder: of the version.
        predictor: on the network itself.
        golden: its answers to the golden rows.
        ranges: training rows, from which the range of every activation is taken, and from the golden rows.
        X, y: validation rows; float64 (n_samples, n_targets), offsets subtracted.

    Returns:
        What the copy costs, None where it was not kept; then why not, one sentence for the manifest's notes.
    """
    if not (folder / ONNX_MODEL).is_file():
        return None, f"{INT8_MODEL} was left out: the version has no {ONNX_MODEL}."
    path = folder / INT8_MODEL
    rows = [_first(ranges, _ROWS_OF_RANGES), predictor.encoder.encode_rows(golden.rows)]
    failed: tuple[float, float] | None = None
    for skip in itertools.count():
        # Each try leaves one more of the first products as it is, until the rest is near enough or none is left.
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
    """Put the products between hidden layers into 8-bit integers; False, and no file, where there is none.

    The range of every activation is fixed here and not taken from each batch: an answer must not depend on the rows
    beside it. Weights have 7 bits: processors without VNNI add two products in 16 bits, which 8 would overflow.

    Args:
        source: a model of float32.
        target: file to write.
        ranges: encoded rows that show the range of every activation.
        skip: how many of the first products stay as they are. Defaults to none.

    Raises:
        TruelineError: ONNX Runtime could not quantise it.
    """
    import onnx
    from onnxruntime import quantization

    model = onnx.load(source)
    for node in model.graph.node:
        # A product is told by its name.
        node.name = node.name or node.output[0]
    names = hidden_products(model)[skip:]
    if not names:
        return False
    # Says that the graph needs no further preparation, of which quantize_static would warn.
    mark = model.metadata_props.add()
    mark.key, mark.value = "onnx.quant.pre_process", "onnxruntime.quant"
    inputs = [tensor.name for tensor in model.graph.input]
    feeds: Iterator[dict[str, Any]] = ({name: getattr(rows, name) for name in inputs} for rows in ranges)

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, Any] | None:
            return next(feeds, None)

    try:
        quantization.quantize_static(
            model,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=names,
        )
    except Exception as error:  # its errors share no base below Exception
        raise TruelineError(f"Expected {source.name} to be quantised. Received: {error!r}.") from error
    return True


def hidden_products(model: Any) -> list[str]:
    """Names of the products with a large constant weight whose input comes from another such product.

    The first layer stays as it is: its input is features side by side, whose ranges differ, and it costs the most
    accuracy and saves the least time.
    """
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    behind: set[str] = set()
    found = []
    # Nodes of a graph stand in the order of computation, so what feeds a node is known when its turn comes.
    for node in model.graph.node:
        weight = next((weights[name] for name in node.input if name in weights), ())
        dense = node.op_type in ("MatMul", "Gemm") and len(weight) == 2
        follows = not behind.isdisjoint(node.input)
        if dense and follows and min(weight) >= _LEAST_WIDTH:
            found.append(node.name)
        if dense or follows:
            behind.update(node.output)
    return found


def _first(X: Encoded, n_rows: int) -> Encoded:
    return Encoded(X.numeric[:n_rows], X.categorical[:n_rows], [])


def _rmse_ratio(copy: Predictor, predictor: Predictor, X: Encoded, y: npt.NDArray[np.float64]) -> float:
    """RMSE of the copy over the network's, of the worst target."""
    ours, theirs = (
        np.sqrt(np.mean(np.square(p.run(X.numeric, X.categorical).value - y), axis=0)) for p in (copy, predictor)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(ours == theirs, 1.0, ours / theirs)))

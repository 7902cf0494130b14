"""The interface of every runtime: names, the network's inputs and outputs, and how far answers may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
RuntimeName = Literal["auto", "onnx", "onnx-int8", "keras"]
Device = Literal["auto", "cpu", "cuda"]
# Named arrays, and a call that was compiled for one number of rows.
Arrays = Mapping[str, npt.NDArray[Any]]
Call = Callable[[Arrays], Arrays]

NUMERIC_INPUT = "numeric"
CATEGORICAL_INPUT = "categorical"
VALUE_OUTPUT = "value"
SPREAD_OUTPUT = "spread"
QUANTILES_OUTPUT = "quantiles"

# How far an answer may be from the one at training, in its target's standard deviations. ONNX Runtime may
# sum in another order here than on the machine that trained; Keras and a GPU also compute exponentials in another way.
GOLDEN_TOLERANCE = 1e-5
OTHER_TOLERANCE = 1e-4


class Outputs(NamedTuple):
    """The network's answers, without the target's offset, which is added later.

    Attributes:
        value: float32 (n_samples, n_targets).
        spread: float32 (n_samples, n_targets) above 0, or None where the network predicts no spread.
        quantiles: float32 (n_samples, n_targets, n_quantiles) ascending, the middle one is ``value``; or None.
    """

    value: Float32
    spread: Float32 | None = None
    quantiles: Float32 | None = None


class Runtime(Protocol):
    """Computes the network on encoded rows; several threads may call it at once.

    Attributes:
        name: ``onnx``, ``onnx-int8`` or ``keras``.
        device: ``cpu`` or ``cuda``.
    """

    name: str
    device: str

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """Answer rows: their numbers, float32 (n_samples, n_numeric), and codes, int32 (n_samples, n_categorical)."""
        ...

    def computed_rows(self, n_rows: int) -> int:
        """The number of rows that a call of ``n_rows`` computes, padding included; the cost depends on it."""
        ...

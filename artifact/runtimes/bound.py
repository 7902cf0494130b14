"""Runs of few rows by ONNX Runtime over buffers that are used again.

A call of ``session.run`` with NumPy arrays costs more than the usual network's own work on one row: arrays are wrapped,
outputs allocated, results wrapped again. Once buffers are bound to the session, a run is one call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Above this the network's work outweighs the call, and buffers are not worth their memory.
BOUND_ROWS = 64


class BoundRuns:
    """Runs of up to ``BOUND_ROWS`` rows of one session on the CPU; any number of threads may call at once.

    Args:
        session: a session of ONNX Runtime.
        inputs: for the name of each input an array that the session has taken; only its width and dtype count.
        outputs: for the name of each output an array that the session has given; only its width and dtype count.
        multiple: the number of rows of each run is a multiple of this.
    """

    def __init__(
        self,
        session: Any,
        inputs: Mapping[str, npt.NDArray[Any]],
        outputs: Mapping[str, npt.NDArray[Any]],
        *,
        multiple: int,
    ) -> None:
        self._session = session
        self._inputs = {name: (array.shape[1:], array.dtype) for name, array in inputs.items()}
        self._outputs = {name: (array.shape[1:], array.dtype) for name, array in outputs.items()}
        self._multiple = multiple
        # The runs that nobody uses now, by number of rows; pop and append of a list are atomic between threads.
        self._free: defaultdict[int, list[_Run]] = defaultdict(list)

    def run(self, arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The outputs for ``arrays``, which are in the order of the inputs and of 1 to ``BOUND_ROWS`` rows each."""
        n = len(arrays[0])
        size = n + -n % self._multiple
        free = self._free[size]
        try:
            run = free.pop()
        except IndexError:
            run = _Run(self._session, size, self._inputs, self._outputs)
        # Rows of an earlier run fill up to the multiple. They do no harm: no row's answer depends on another row.
        for buffer, array in zip(run.inputs, arrays, strict=True):
            buffer[:n] = array
        run.call(run.binding, None)
        answers = [buffer[:n].copy() for buffer in run.outputs]
        free.append(run)
        return answers


class _Run:
    """Buffers of one size, and the session's binding to them."""

    __slots__ = ("binding", "call", "inputs", "outputs")

    def __init__(
        self,
        session: Any,
        size: int,
        inputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
        outputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
    ) -> None:
        self.inputs = [np.zeros((size, *shape), dtype) for shape, dtype in inputs.values()]
        self.outputs = [np.zeros((size, *shape), dtype) for shape, dtype in outputs.values()]
        binding = session.io_binding()
        for name, buffer in zip(inputs, self.inputs, strict=True):
            binding.bind_input(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)
        for name, buffer in zip(outputs, self.outputs, strict=True):
            binding.bind_output(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)
        # session.run_with_iobinding() calls this; here the layer around it is left out.
        self.binding, self.call = binding._iobinding, session._sess.run_with_iobinding

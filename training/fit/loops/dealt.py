"""Deals networks to the processor's cores: each share has a loop of its own, run by a thread of its own.

A step of small networks is too little work to be cut up operation by operation: on two cores it takes as long as on
one. Networks share no weight, so shares of them need not wait for each other before the steps of a call are done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from training.devices.threads import usable_cores
from training.fit.loops.problem import Problem, Table
from training.fit.loops.some import State, some_of
from training.fit.loops.tensorflow import TensorFlowLoop, on_device

# Shares are traced and compiled one after another: more of them than this cost more time than they save.
_MOST_SHARES = 8


def n_shares(problem: Problem) -> int:
    """How many shares the networks of a problem are dealt to; 1: they stay together.

    They stay together in short runs, on GPUs, and with augmentation, which draws for all networks at once.
    """
    on_gpu = any(device.is_gpu for device in problem.hardware.devices)
    if on_gpu or problem.augment is not None or not problem.pays_compiling:
        return 1
    return min(usable_cores(), problem.networks, _MOST_SHARES)


class DealtLoop:
    """See :class:`training.fit.loops.Loop`. Each network learns the same as in one loop, but for rounding.

    Args:
        problem: what to train. Its core gets weights by :meth:`set_weights` only; its optimizer is not used.
        shares: number of shares, at most the number of networks.
    """

    def __init__(self, problem: Problem, shares: int) -> None:
        self.problem = problem
        self._variables = problem.core.trainable_variables
        ends = [round(i * problem.networks / shares) for i in range(shares + 1)]
        self._shares = [slice(start, end) for start, end in pairwise(ends)]
        table = on_device(problem)
        of_shares = (some_of(problem, range(share.start, share.stop)) for share in self._shares)
        self._loops = [TensorFlowLoop(part, table) for part in of_shares]
        self._threads = ThreadPoolExecutor(shares, "networks")

    def run(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        return np.concatenate(self._of_each(lambda loop, share: loop.run(rows[:, share])), axis=1)

    def outputs(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        for loop in self._loops:
            loop.prepare_outputs()
        return np.concatenate(self._of_each(lambda loop, share: loop.outputs(rows[share])))

    def replace(self, table: Table) -> None:
        # All loops have the same tensors.
        self._loops[0].replace(table)

    def weights(self) -> list[npt.NDArray[Any]]:
        return [np.concatenate(parts) for parts in zip(*(loop.weights() for loop in self._loops), strict=True)]

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        for loop, share in zip(self._loops, self._shares, strict=True):
            loop.set_weights([values[share] for values in weights])
        for variable, values in zip(self._variables, weights, strict=True):
            variable.assign(values)

    def state(self) -> State:
        return State.joined([loop.state() for loop in self._loops])

    def set_state(self, state: State) -> None:
        for loop, share in zip(self._loops, self._shares, strict=True):
            loop.set_state(state.some(share))

    def _of_each(self, call: Callable[[TensorFlowLoop, slice], Any]) -> Sequence[Any]:
        return list(self._threads.map(call, self._loops, self._shares))

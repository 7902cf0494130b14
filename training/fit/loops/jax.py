"""The loop on JAX: a ``lax.scan`` over steps inside one compiled function, shared among devices if there are several.

Only the function's arguments are laid out on the devices; XLA cuts every operation to match, and adds up across devices
where it must.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import numpy.typing as npt

from training.devices.distribution import BATCH, NETWORKS
from training.devices.precision import layers_in, products_in
from training.fit.augmentation import Batch
from training.fit.loops.problem import Problem, Table, chunks, evaluated
from training.fit.loops.some import State


class JaxLoop:
    """See :class:`training.fit.loops.Loop`.

    Args:
        problem: what to train; its optimizer is built here.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self._precision, self._distribution = problem, problem.precision, problem.distribution
        core, optimizer = problem.core, problem.update.optimizer
        optimizer.build(core.trainable_variables)
        self.replace(problem.table)
        self._drawing = [] if problem.augment is None else problem.augment.state
        # The state is copied: the first call reuses the memory of its arguments, and Keras's variables need theirs.
        self._state: Any = tuple(
            [self._put(jnp.array(v.value, copy=True), *self._cut(v.shape)) for v in group]
            for group in (core.trainable_variables, core.non_trainable_variables, optimizer.variables, self._drawing)
        )
        # The state must come out as it went in, or the second call would be compiled anew.
        shared: dict[str, Any] = {}
        if self._distribution.axis:
            shared["out_shardings"] = (jax.tree.map(lambda value: value.sharding, self._state), None)
        self._run = jax.jit(self._steps, donate_argnums=0, **shared)
        self._answer = jax.jit(self._forward)

    def run(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        with products_in(self._precision):
            self._state, losses = self._run(self._state, self._put(rows, None, NETWORKS, BATCH), self._table)
        return np.asarray(losses)

    def outputs(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        size = chunks(rows.shape[1], self.problem.networks, self.problem.members)
        # Each device must get the same number of rows.
        size = -(-size // self._distribution.n_devices) * self._distribution.n_devices
        return evaluated(
            lambda part: self._answer(self._state, self._put(part, NETWORKS, BATCH), self._table), rows, size
        )

    def replace(self, table: Table) -> None:
        # The compiled function takes the table as an argument, not as a constant, so another table of the same shapes
        # can replace it.
        self._table = jax.tree.map(self._put, table)

    def weights(self) -> list[npt.NDArray[Any]]:
        return [np.array(value) for value in self._state[0]]

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        self._state = ([self._put(w, *self._cut(w.shape)) for w in weights], *self._state[1:])
        for variable, value in zip(self.problem.core.trainable_variables, weights, strict=True):
            variable.assign(value)

    def state(self) -> State:
        return State(*([np.array(value) for value in group] for group in self._state))

    def set_state(self, state: State) -> None:
        self._state = tuple([self._put(value, *self._cut(value.shape)) for value in group] for group in state)

    def _put(self, values: Any, *axes: str | None) -> Any:
        """Put values on the device. Several devices share them, cut along the axes; without axes each has a copy."""
        layout = self._distribution.layout(*axes)
        return jnp.asarray(values) if layout is None else jax.device_put(values, layout)

    def _cut(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The axes to cut by: the networks are the leading axis of each weight and of the optimiser's slots for it."""
        return (NETWORKS,) if shape and shape[0] == self.problem.networks and len(shape) > 1 else ()

    def _steps(self, state: Any, rows: Any, table: Table) -> Any:
        state, losses = jax.lax.scan(lambda state, some: self._step(state, _gathered(some, table)), state, rows)
        return state, losses.mean(axis=0)

    def _step(self, state: Any, rows: Table) -> Any:
        trainable, others, slots, draws = state
        batch, draws = self._batch(draws, rows)
        gradient = jax.value_and_grad(self._loss, has_aux=True)
        (_, (losses, others)), gradients = gradient(trainable, others, batch)
        trainable, slots = self.problem.update.optimizer.stateless_apply(
            slots, self.problem.clipped(gradients), trainable
        )
        return (trainable, others, slots, draws), losses

    def _batch(self, draws: Any, rows: Table) -> tuple[Batch, Any]:
        batch = Batch(*rows)
        if self.problem.augment is None:
            return batch, draws
        with keras.StatelessScope(state_mapping=list(zip(self._drawing, draws, strict=True))) as scope:
            # The barrier makes XLA compute the rest as it does without augmentation, to the bit.
            batch = jax.lax.optimization_barrier(self.problem.augment(batch))
        return batch, [scope.get_current_value(variable) for variable in self._drawing]

    def _loss(self, trainable: Any, others: Any, batch: Batch) -> Any:
        problem = self.problem
        with layers_in(problem.core, self._precision):
            outputs, others = problem.core.stateless_call(trainable, others, batch.features, training=True)
        losses = problem.losses(batch.y, batch.weight, outputs)
        total = losses[0].sum()
        if problem.update.penalty is not None:
            total += problem.update.penalty(trainable)
        return total, (losses, others)

    def _forward(self, state: Any, rows: Any, table: Table) -> Any:
        features = _gathered(rows, table).features
        outputs, _ = self.problem.core.stateless_call(state[0], state[1], features, training=False)
        return self.problem.by_member(outputs)


def _gathered(rows: Any, table: Table) -> Table:
    batch: Table = jax.tree.map(lambda values: values[rows], table)
    return batch

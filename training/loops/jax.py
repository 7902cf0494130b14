"""The loop on JAX: a ``lax.scan`` over steps inside one compiled function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from training.loops.problem import Problem, Table, chunks, evaluated


class JaxLoop:
    """See :class:`training.loops.Loop`.

    Args:
        problem: what to train; its optimizer is built here.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        core, optimizer = problem.core, problem.optimizer
        optimizer.build(core.trainable_variables)
        self.replace(problem.table)
        # Copies: the first call donates them, and Keras's variables must keep theirs.
        self._state: Any = tuple(
            [jnp.array(v.value, copy=True) for v in group]
            for group in (core.trainable_variables, core.non_trainable_variables, optimizer.variables)
        )
        self._run = jax.jit(self._steps, donate_argnums=0)
        self._answer = jax.jit(self._forward)

    def run(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        self._state, losses = self._run(self._state, jnp.asarray(rows), self._table)
        return np.asarray(losses)

    def outputs(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        size = chunks(rows.shape[1], self._problem.networks, self._problem.members)
        return evaluated(lambda part: self._answer(self._state, jnp.asarray(part), self._table), rows, size)

    def replace(self, table: Table) -> None:
        # An argument of what is compiled, and no constant of it: another table of its shapes can take its place.
        self._table = jax.tree.map(jnp.asarray, table)

    def weights(self) -> list[npt.NDArray[Any]]:
        return [np.array(value) for value in self._state[0]]

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        self._state = ([jnp.asarray(w) for w in weights], *self._state[1:])
        for variable, value in zip(self._problem.core.trainable_variables, weights, strict=True):
            variable.assign(value)

    def _steps(self, state: Any, rows: Any, table: Table) -> Any:
        state, losses = jax.lax.scan(lambda state, some: self._step(state, _gathered(some, table)), state, rows)
        return state, losses.mean(axis=0)

    def _step(self, state: Any, rows: Table) -> Any:
        trainable, others, slots = state
        gradient = jax.value_and_grad(self._loss, has_aux=True)
        (_, (losses, others)), gradients = gradient(trainable, others, rows)
        trainable, slots = self._problem.optimizer.stateless_apply(slots, self._problem.clipped(gradients), trainable)
        return (trainable, others, slots), losses

    def _loss(self, trainable: Any, others: Any, rows: Table) -> Any:
        problem = self._problem
        outputs, others = problem.core.stateless_call(trainable, others, rows.features, training=True)
        losses = problem.losses(rows.y, rows.weight, outputs)
        total = losses[0].sum()
        if problem.penalty is not None:
            total += problem.penalty(trainable)
        return total, (losses, others)

    def _forward(self, state: Any, rows: Any, table: Table) -> Any:
        features = _gathered(rows, table).features
        outputs, _ = self._problem.core.stateless_call(state[0], state[1], features, training=False)
        return self._problem.by_member(outputs)


def _gathered(rows: Any, table: Table) -> Table:
    found: Table = jax.tree.map(lambda values: values[rows], table)
    return found

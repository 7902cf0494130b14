"""The loop on TensorFlow: a ``tf.while_loop`` over steps in one graph, compiled by XLA where there is much to do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.devices.precision import layers_in, products_in
from training.fit.augmentation import Batch
from training.fit.loops.problem import Problem, Table, chunks, evaluated
from training.fit.loops.some import State


class DeviceTable(NamedTuple):
    """A :class:`Table` on the device: tensors, or variables where the rows will be replaced."""

    features: dict[str, Any]
    y: Any
    weight: Any


class TensorFlowLoop:
    """See :class:`training.fit.loops.Loop`.

    Args:
        problem: what to train; its optimizer is built here.
        table: its rows, from :func:`on_device`, where several loops share them. Defaults to its own.
    """

    def __init__(self, problem: Problem, table: DeviceTable | None = None) -> None:
        self.problem = problem
        self._precision = problem.precision
        self._variables = problem.core.trainable_variables
        problem.update.optimizer.build(self._variables)
        self._features, self._y, self._weight = on_device(problem) if table is None else table
        # This is not inlined, so that the graph's optimiser computes the rest as without augmentation, to the bit.
        self._augmented = (
            tf.function(problem.augment, autograph=False, experimental_attributes={"_noinline": True})
            if problem.augment is not None
            else None
        )
        rows = tf.TensorSpec((None, problem.networks, None), tf.int32)
        # The steps are traced here, once. Otherwise TensorFlow would take several loops for one that is traced again,
        # and warn. AutoGraph would take half a second to rewrite the source, and this loop is written for a graph
        # already.
        steps = tf.function(self._steps, input_signature=[rows], autograph=False, jit_compile=problem.pays_compiling)
        self._run = steps.get_concrete_function()
        self._answer: Any = None

    def run(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        with products_in(self._precision):
            return np.asarray(self._run(tf.constant(rows)).numpy() / len(rows), np.float32)

    def outputs(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        self.prepare_outputs()
        size = chunks(rows.shape[1], self.problem.networks, self.problem.members)
        return evaluated(lambda part: self._answer(tf.constant(part)), rows, size)

    def prepare_outputs(self) -> None:
        """Trace :meth:`outputs`, which Keras cannot do in several threads at once."""
        if self._answer is None:
            rows = tf.TensorSpec((self.problem.networks, None), tf.int32)
            answer = tf.function(self._forward, autograph=False, input_signature=[rows])
            self._answer = answer.get_concrete_function()

    def replace(self, table: Table) -> None:
        for name, variable in self._features.items():
            variable.assign(table.features[name])
        self._y.assign(table.y)
        if self._weight is not None:
            self._weight.assign(table.weight)

    def weights(self) -> list[npt.NDArray[Any]]:
        return [np.array(variable.numpy()) for variable in self._variables]

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)

    def state(self) -> State:
        return State(*([np.array(variable.numpy()) for variable in group] for group in self._state))

    def set_state(self, state: State) -> None:
        for group, values in zip(self._state, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    @property
    def _state(self) -> tuple[list[Any], ...]:
        core, optimizer, augment = self.problem.core, self.problem.update.optimizer, self.problem.augment
        drawing = [] if augment is None else augment.state
        return self._variables, core.non_trainable_variables, optimizer.variables, drawing

    def _steps(self, rows: Any) -> Any:
        def step(i: Any, total: Any) -> tuple[Any, Any]:
            return i + 1, total + self._step(rows[i])

        start = tf.constant(0), tf.zeros((2, self.problem.networks))
        return tf.while_loop(lambda i, _: i < tf.shape(rows)[0], step, start)[1]

    def _step(self, rows: Any) -> Any:
        problem = self.problem
        weight = None if self._weight is None else tf.gather(self._weight, rows)
        batch = Batch(self._gathered(rows), tf.gather(self._y, rows), weight)
        if self._augmented is not None:
            batch = self._augmented(batch)
        with tf.GradientTape() as tape, layers_in(problem.core, self._precision):
            outputs = problem.core(batch.features, training=True)
            losses = problem.losses(batch.y, batch.weight, outputs)
            # The networks share no weight, so the gradient of the sum is each network's own.
            total = tf.reduce_sum(losses[0])
            if problem.update.penalty is not None:
                total += problem.update.penalty(self._variables)
        gradients = tape.gradient(total, [v.value for v in self._variables])
        problem.update.optimizer.apply(problem.clipped(gradients), self._variables)
        return losses

    def _forward(self, rows: Any) -> Any:
        return self.problem.by_member(self.problem.core(self._gathered(rows), training=False))

    def _gathered(self, rows: Any) -> dict[str, Any]:
        return {name: tf.gather(values, rows) for name, values in self._features.items()}


def on_device(problem: Problem) -> DeviceTable:
    """The problem's rows on the device, for one loop or several."""
    place = _replaceable if problem.streamed else tf.constant
    features, y, weight = problem.table
    device_features = {name: place(values) for name, values in features.items()}
    return DeviceTable(device_features, place(y), None if weight is None else place(weight))


def _replaceable(values: npt.NDArray[Any]) -> Any:
    # TensorFlow keeps variables of int32 in the host's memory, where a step that is compiled for a GPU cannot read.
    wide = values.astype(np.int64) if values.dtype == np.int32 else values
    return tf.Variable(wide, trainable=False)

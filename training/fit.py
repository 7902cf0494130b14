"""Fits networks side by side: the epoch of each chosen on rows it has not seen, its weights of that epoch kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.encoding import Encoded
from artifact.errors import TruelineError
from artifact.layers import TargetScaling
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from artifact.schema import FeatureSchema
from training.config import TrainConfig
from training.folds import Fold
from training.loops import Loop, open_loop
from training.loops.problem import Problem
from training.models import FAMILIES
from training.models.inputs import Inputs, Preprocessed, heads
from training.objectives import OBJECTIVES, Objective
from training.optimizers import build_optimizer

Float32 = npt.NDArray[np.float32]
Progress = Callable[[int, int, float], None]
# Row numbers of one compiled call; more of them save nothing measurable.
_INDICES_A_CALL = 2_000_000

logger = logging.getLogger("trueline.training")


@dataclass(frozen=True, slots=True)
class Fitted:
    """Fitted networks, as one model.

    Attributes:
        model: Keras model, ``{"numeric", "categorical"}`` -> ``{"value", "spread"}`` in target units, the mean of the
            networks.
        best_epochs: of each network, the 1-based epoch whose weights it holds.
        epochs: epochs that ran.
        history: training and validation error by epoch, in squared target deviations, means over the networks.
        unseen: of each network, its answers to its validation rows, ``(value, spread)``, each float64
            (n_rows, n_targets) in target units, offsets subtracted.
    """

    model: Any
    best_epochs: tuple[int, ...]
    epochs: int
    history: dict[str, list[float]]
    unseen: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]


def fit(
    schema: FeatureSchema,
    X: Encoded,
    y: npt.NDArray[np.float64],
    folds: Sequence[Fold],
    config: TrainConfig,
    progress: Progress | None = None,
    *,
    stop_at: int | None = None,
) -> Fitted:
    """Fit one network a fold, all in the same compiled steps.

    Args:
        schema: of the rows.
        X: encoded rows.
        y: float64 (n_samples, n_targets), offsets subtracted.
        folds: rows that train each network, and rows that choose its epoch.
        config: resolved settings.
        progress: called after each epoch with epoch, epochs and the validation RMSE in target deviations.
        stop_at: take the weights of this epoch, whatever the validation rows say. Defaults to None.

    Raises:
        TruelineError: the loss was not a number.
    """
    make_deterministic(config.seed)
    family, objective = FAMILIES[config.required("model")], OBJECTIVES["mse"]
    n_targets, networks, members = y.shape[1], len(folds), config.required("members")
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    rows = Preprocessed.of(schema, X, fitted_on=trained, squeeze=family.squeeze)
    mean, std = y[trained].mean(axis=0), y[trained].std(axis=0)
    n_values, n_spreads = objective.n_values(n_targets), objective.n_spreads(n_targets)
    inputs = Inputs.of(schema, rows, networks, n_values + n_spreads, config.seed)
    hidden = family.build(inputs, config)
    core = keras.Model(
        inputs.tensors, heads(hidden, networks, members, n_values, n_spreads, ntk=family.ntk), name=config.model
    )
    fewest = min(len(fold.train) for fold in folds)
    batch = min(config.required("batch_size"), fewest)
    steps = fewest // batch
    problem = Problem(
        core=core,
        networks=networks,
        members=members,
        features=rows.features,
        y=((y - mean) / std).astype(np.float32),
        weight=None,
        loss=objective.loss,
        error=objective.error,
        optimizer=build_optimizer(config, steps * config.required("epochs"), family.factor),
        clip_norm=config.clip_norm or None,
        penalty=_penalty(config, core),
    )
    loop = open_loop(problem)
    run = _Run(loop, problem, objective, folds, config, (steps, batch))
    run.to_the_end(progress, stop_at)
    # A network's answers stay within what it has seen; a line is asked to go on.
    seen = y[trained]
    bounds = {"minimum": seen.min(axis=0).tolist(), "maximum": seen.max(axis=0).tolist()} if family.bounded else {}
    scaling = TargetScaling(mean.tolist(), std.tolist(), **bounds, name="target")
    return Fitted(
        model=_whole(schema, rows, core, scaling),
        best_epochs=tuple(int(e) for e in run.best_epochs),
        epochs=len(run.history["train"]),
        history=run.history,
        unseen=[_in_units(scaling, outputs) for outputs in run.unseen()],
    )


class _Run:
    """The epochs of one fit; one of them is ``epoch``, steps and batch size."""

    def __init__(
        self,
        loop: Loop,
        problem: Problem,
        objective: Objective,
        folds: Sequence[Fold],
        config: TrainConfig,
        epoch: tuple[int, int],
    ) -> None:
        self._loop, self._problem, self._objective, self._folds = loop, problem, objective, folds
        self._steps, self._batch = epoch
        self._epochs, self._patience = config.required("epochs"), config.required("patience")
        self._rng = np.random.default_rng(config.seed)
        n = len(folds)
        longest = max((len(fold.validation) for fold in folds), default=0)
        self._validation = np.stack([np.resize(f.validation, longest) for f in folds]).astype(np.int32)
        self.best_epochs = np.zeros(n, np.int64)
        self._best = np.full(n, np.inf)
        self._kept: list[npt.NDArray[Any]] = []
        self.history: dict[str, list[float]] = {"train": [], "validation": []}

    def to_the_end(self, progress: Progress | None, stop_at: int | None) -> None:
        """All epochs, or until none of the networks has become better for ``patience`` of them."""
        for epoch in range(1, (stop_at or self._epochs) + 1):
            loss, error = self._epoch()
            if not np.isfinite(loss).all():
                raise TruelineError(
                    f"Expected a finite loss. Received: NaN in epoch {epoch}. "
                    "Lower --set learning_rate, or look for extreme values in the table."
                )
            self.history["train"].append(float(error.mean()))
            if stop_at is None:
                errors = self._errors()
                self.history["validation"].append(float(errors.mean()))
                self._keep(epoch, errors)
            if progress is not None:
                progress(epoch, self._epochs, math.sqrt(max(0.0, (self.history["validation"] or [math.nan])[-1])))
            if stop_at is None and epoch - self.best_epochs.max() >= self._patience:
                break
        if stop_at is None:
            self._loop.set_weights(self._kept)
        else:
            self.best_epochs[:] = stop_at
            self._loop.set_weights(self._loop.weights())

    def unseen(self) -> list[Float32]:
        """Each network's outputs for its validation rows, float32 (n_members, n_rows, n_outputs)."""
        if not self._validation.shape[1]:
            return []
        outputs = self._loop.outputs(self._validation)
        return [outputs[i, :, : len(fold.validation)] for i, fold in enumerate(self._folds)]

    def _epoch(self) -> Float32:
        size = self._steps * self._batch
        drawn = [self._rng.permutation(f.train)[:size].reshape(self._steps, self._batch) for f in self._folds]
        rows = np.stack(drawn, axis=1).astype(np.int32)
        at_once = max(1, _INDICES_A_CALL // (len(self._folds) * self._batch))
        parts = [rows[start : start + at_once] for start in range(0, self._steps, at_once)]
        losses = [self._loop.run(part) * len(part) for part in parts]
        return np.asarray(sum(losses) / self._steps, np.float32)

    def _errors(self) -> npt.NDArray[np.float64]:
        return np.array(
            [
                self._objective.score(self._problem.y[fold.validation], outputs)
                for fold, outputs in zip(self._folds, self.unseen(), strict=True)
            ]
        )

    def _keep(self, epoch: int, errors: npt.NDArray[np.float64]) -> None:
        """Keep the weights of networks that became better.

        With several networks each one's epoch is chosen by the others' errors, so that the rows by which it is
        measured have not chosen its weights.
        """
        n = len(errors)
        judged = (errors.sum() - errors) / (n - 1) if n > 1 else errors
        better = judged < self._best
        if not better.any():
            return
        self._best[better] = judged[better]
        self.best_epochs[better] = epoch
        weights = self._loop.weights()
        if not self._kept:
            self._kept = weights
            return
        for kept, now in zip(self._kept, weights, strict=True):
            kept[better] = now[better]


def feed(X: Encoded, names: Any) -> dict[str, Any]:
    """Encoded rows as the named inputs of a Keras model."""
    arrays = {NUMERIC_INPUT: X.numeric, CATEGORICAL_INPUT: X.categorical}
    return {name: arrays[name] for name in names}


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and the backend; on TensorFlow, forbid operations whose result depends on scheduling."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _whole(schema: FeatureSchema, rows: Preprocessed, core: Any, scaling: TargetScaling) -> Any:
    """From a request's rows to answers: preprocessing, the same rows to every network, their mean in target units."""
    tensors: dict[str, Any] = {}
    features: dict[str, Any] = {}
    if rows.layer is not None:
        tensors[NUMERIC_INPUT] = keras.Input((rows.n_numeric,), dtype="float32", name=NUMERIC_INPUT)
        features[NUMERIC_INPUT] = _to_each(rows.layer(tensors[NUMERIC_INPUT]))
    if schema.categorical:
        tensors[CATEGORICAL_INPUT] = keras.Input((len(schema.categorical),), dtype="int32", name=CATEGORICAL_INPUT)
        features[CATEGORICAL_INPUT] = _to_each(tensors[CATEGORICAL_INPUT])
    return keras.Model(tensors, scaling(core(features)), name=core.name)


def _to_each(tensor: Any) -> Any:
    return keras.ops.expand_dims(tensor, 0)


def _in_units(scaling: TargetScaling, outputs: Float32) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    found = scaling(outputs)
    value, spread = (np.asarray(keras.ops.convert_to_numpy(found[name]), np.float64) for name in ("value", "spread"))
    return value, spread


def _penalty(config: TrainConfig, core: Any) -> Callable[[list[Any]], Any] | None:
    """L1 and L2 norms of the kernels."""
    if not (config.l1 or config.l2):
        return None
    chosen = [i for i, v in enumerate(core.trainable_variables) if v.name == "kernel"]

    def penalty(variables: list[Any]) -> Any:
        kernels = [variables[i] for i in chosen]
        l1 = sum(keras.ops.sum(keras.ops.abs(k)) for k in kernels)
        l2 = sum(keras.ops.sum(keras.ops.square(k)) for k in kernels)
        return config.l1 * l1 + config.l2 * l2

    return penalty

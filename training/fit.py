"""Fits one network: compiled loop, warm-up and cosine schedule, early stopping with the best epoch kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact.encoding import Encoded
from artifact.errors import TruelineError
from artifact.layers import TargetScaling
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from artifact.schema import FeatureSchema
from training.config import TrainConfig
from training.models import FAMILIES
from training.models.inputs import build_inputs

_MONITOR = "val_value_mse"
# Steps compiled into one call. More save nothing measurable and delay the first progress report.
_STEPS_A_CALL = 64

T = TypeVar("T")
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted network.

    Attributes:
        model: Keras model, ``{"numeric", "categorical"}`` -> ``{"value", "spread"}`` in target units.
        best_epoch: 1-based epoch whose weights it holds.
        epochs: epochs that ran.
        history: training and validation mean squared error, in squared target deviations, by epoch.
    """

    model: Any
    best_epoch: int
    epochs: int
    history: dict[str, list[float]]


def fit(
    schema: FeatureSchema,
    X: Encoded,
    y: npt.NDArray[np.float64],
    X_validation: Encoded,
    y_validation: npt.NDArray[np.float64],
    config: TrainConfig,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a family.

    Args:
        schema: of the rows.
        X: encoded training rows.
        y: float64 (n_samples, n_targets), offsets subtracted.
        X_validation, y_validation: rows that choose the epoch.
        config: resolved settings.
        progress: called after each epoch with epoch, epochs and the validation RMSE in target deviations.

    Raises:
        TruelineError: the loss was not a number.
    """
    make_deterministic(config.seed)
    n_targets = y.shape[1]
    mean, std = y.mean(axis=0), y.std(axis=0)
    inputs = build_inputs(schema, X, n_targets, squeeze=config.model != "linear", seed=config.seed)
    core = keras.Model(inputs.tensors, FAMILIES[config.model](inputs, config), name=config.model)
    steps = max(1, len(X) // _value(config.batch_size))
    core.compile(
        optimizer=_optimizer(config, steps),
        loss=Loss(n_targets),
        metrics=[_value_mse(n_targets)],
        steps_per_execution=min(steps, _STEPS_A_CALL),
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    stopping = keras.callbacks.EarlyStopping(
        monitor=_MONITOR, mode="min", patience=_value(config.patience), restore_best_weights=True
    )
    Z, Z_validation = (((part - mean) / std).astype(np.float32) for part in (y, y_validation))
    history = core.fit(
        feed(X, inputs.tensors),
        Z,
        validation_data=(feed(X_validation, inputs.tensors), Z_validation),
        batch_size=config.batch_size,
        validation_batch_size=4096,
        epochs=_value(config.epochs),
        shuffle=True,
        verbose=0,
        callbacks=[stopping, _Report(progress)],
    ).history
    if not np.isfinite(history["loss"]).all():
        raise TruelineError(
            f"Expected a finite loss. Received: NaN in epoch {len(history['loss'])}. "
            "Lower --set learning_rate, or look for extreme values in the table."
        )
    # A network's answers stay within what it has seen; a line is asked to go on.
    bounds = {} if config.model == "linear" else {"minimum": y.min(axis=0).tolist(), "maximum": y.max(axis=0).tolist()}
    scaling = TargetScaling(mean.tolist(), std.tolist(), **bounds, name="target")
    return Fitted(
        model=keras.Model(inputs.tensors, scaling(core.output), name=config.model),
        best_epoch=stopping.best_epoch + 1,
        epochs=len(history["loss"]),
        history={"train": history["value_mse"], "validation": history[_MONITOR]},
    )


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


@keras.saving.register_keras_serializable(package="trueline")
class Loss(keras.losses.Loss):
    """Squared error of the value plus the Laplace likelihood of the spread.

    The spread ``s`` of an answer minimises ``|y - value| / s + log s``, so it learns the mean absolute error as a
    function of the row, which is what conformal scores are divided by (Lei et al. 2018).

    Args:
        n_targets: the prediction holds that many standardised values, then as many log spreads.
    """

    def __init__(self, n_targets: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_targets = n_targets

    def call(self, y_true: Any, y_pred: Any) -> Any:
        value, log_spread = y_pred[:, : self.n_targets], y_pred[:, self.n_targets :]
        squared = ops.mean(ops.square(y_true - value), axis=-1)
        log_spread = ops.clip(log_spread, -7.0, 4.0)
        residual = ops.stop_gradient(ops.abs(y_true - value))
        return squared + ops.mean(residual * ops.exp(-log_spread) + log_spread, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n_targets": self.n_targets}


def _value_mse(n_targets: int) -> Any:
    def value_mse(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred[:, :n_targets]), axis=-1)

    return keras.metrics.MeanMetricWrapper(value_mse, name="value_mse")


def _optimizer(config: TrainConfig, steps: int) -> Any:
    rate, total = _value(config.learning_rate), steps * _value(config.epochs)
    warmup = round(total * config.warmup)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate * 0.05 if warmup else rate,
        max(1, total - warmup),
        alpha=0.01,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, global_clipnorm=config.clip_norm)
    # Biases and embeddings carry no scale that decay should pull to 0.
    optimizer.exclude_from_weight_decay(var_names=["bias", "table", "slope"])
    return optimizer


class _Report(keras.callbacks.Callback):
    """Hands each epoch to ``progress`` and stops at a loss that is not a number."""

    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self._progress = progress

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if not math.isfinite(logs.get("loss", 0.0)):
            logging.getLogger("trueline.training").warning("The loss is not a number in epoch %d.", epoch + 1)
            self.model.stop_training = True
        if self._progress is not None:
            self._progress(epoch + 1, self.params["epochs"], math.sqrt(logs.get(_MONITOR, math.nan)))


def _value(setting: T | None) -> T:
    """A resolved setting; None means that :meth:`TrainConfig.resolved` was not called."""
    if setting is None:
        raise TypeError("Expected resolved settings. Received: None.")
    return setting

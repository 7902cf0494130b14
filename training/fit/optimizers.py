"""Optimisers and learning-rate schedules by their usual names; a factor of the rate for each weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from training.settings.config import TrainConfig

# Weight decay does not pull these weights to 0: biases, embeddings and learned scales need not be small.
NO_DECAY = ("bias", "table", "slope", "scale", "factor", "mix", "phase", "frequency")


def build_optimizer(
    config: TrainConfig,
    n_steps: int,
    factors: Callable[[str], float] | None = None,
    rates: Sequence[float] | None = None,
    decays: Sequence[float] | None = None,
) -> Any:
    """The optimiser that the settings name.

    Args:
        config: resolved.
        n_steps: steps that the schedule spans.
        factors: factor of the learning rate by a weight's path, ``layer/name``. Defaults to 1 for every weight.
        rates: peak learning rate of each network. Defaults to the setting's for all.
        decays: weight decay of each network. Defaults to the setting's for all.
    """
    peaks = np.asarray(rates if rates is not None else [_one(config.required("learning_rate"))], np.float32)
    peak = float(peaks.max())
    rate = RateSchedule(peak, max(1, n_steps), config.required("schedule"), config.required("warmup"))
    name = config.optimizer
    kinds: dict[str, tuple[type[Any], dict[str, Any]]] = {
        "sgd": (keras.optimizers.SGD, {}),
        "momentum": (keras.optimizers.SGD, {"momentum": config.momentum, "nesterov": True}),
        "rmsprop": (keras.optimizers.RMSprop, {}),
        "adam": (keras.optimizers.Adam, {"beta_1": config.momentum, "beta_2": config.beta_2}),
        "adamw": (keras.optimizers.AdamW, {"beta_1": config.momentum, "beta_2": config.beta_2}),
        "nadam": (keras.optimizers.Nadam, {"beta_1": config.momentum, "beta_2": config.beta_2}),
        "lion": (keras.optimizers.Lion, {}),
        "muon": (keras.optimizers.Muon, {"exclude_embeddings": False}),
    }
    kind, arguments = kinds[name]
    # As these names are commonly used, "adam" takes no weight decay and "adamw" does.
    each_decay = np.asarray([config.weight_decay or 0.0] if decays is None else decays, np.float32)
    decay = (config.weight_decay or 0.0) if decays is None else max(decays)
    if name != "adam" and decay:
        arguments["weight_decay"] = decay
    elif name == "adamw":
        arguments["weight_decay"] = 0.0
    optimizer = type(f"Scaled{kind.__name__}", (_Scaled, kind), {})(learning_rate=rate, **arguments)
    optimizer.factors = factors
    optimizer.shares = None if (peaks == peak).all() else peaks / peak
    optimizer.decays = None if (each_decay == each_decay[0]).all() else each_decay / each_decay.max()
    _spare_from_decay(optimizer)
    return optimizer


def optimizer_of_some(optimizer: Any, networks: Sequence[int]) -> Any:
    """The same optimiser, not built yet, for some of the networks.

    Args:
        optimizer: that of all networks: one of Keras's, or from :func:`build_optimizer`.
        networks: numbers of these networks.
    """
    part = type(optimizer).from_config(optimizer.get_config())
    if isinstance(optimizer, _Scaled):
        numbers = list(networks)
        part.factors = optimizer.factors
        part.shares = None if optimizer.shares is None else optimizer.shares[numbers]
        part.decays = None if optimizer.decays is None else optimizer.decays[numbers]
        _spare_from_decay(part)
    return part


def _spare_from_decay(optimizer: Any) -> None:
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(NO_DECAY))


class _Scaled:
    """Mixed into a Keras optimiser: multiplies the learning rate by each weight's factor and each network's share.

    Attributes:
        factors: factor of the learning rate by a weight's path.
        shares: each network's share of the learning rate, float32 (n_networks,); None: 1.
        decays: each network's share of the weight decay, likewise.
    """

    factors: Callable[[str], float] | None = None
    shares: npt.NDArray[np.float32] | None = None
    decays: npt.NDArray[np.float32] | None = None

    def build(self, variables: list[Any]) -> None:
        super().build(variables)  # type: ignore[misc]
        self._factor_of = [1.0 if self.factors is None else self.factors(v.path) for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        factor = self._factor_of[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        if factor != 1.0:
            learning_rate = learning_rate * factor
        if self.shares is not None:
            # Every weight has the networks as its leading axis.
            learning_rate = learning_rate * np.reshape(self.shares, (-1,) + (1,) * (len(variable.shape) - 1))
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        if self.decays is None:
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        rate, decay = self.learning_rate, self.weight_decay  # type: ignore[attr-defined]
        for variable in variables:
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                of_each = np.reshape(self.decays, (-1,) + (1,) * (len(variable.shape) - 1))
                self.assign_sub(variable, variable * (of_each * decay) * rate)  # type: ignore[attr-defined]


def _one(rate: float | tuple[float, ...]) -> float:
    return max(rate) if isinstance(rate, tuple) else rate


@keras.saving.register_keras_serializable(package="trueline")
class RateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate as a function of ``t``, the share of the steps that are done; it rises linearly at first.

    Args:
        rate: the highest learning rate.
        n_steps: steps that the schedule spans; later steps keep its last rate.
        kind: ``constant``; ``linear`` to 0; ``cosine`` to 0; ``exponential`` to a hundredth; ``step``: a tenth after
            half of the steps, a hundredth after three quarters; ``coslog4``:
            ``(1 - cos(2 pi log2(1 + 15 t))) / 2``, four cycles, each twice as long (RealMLP, Holzmueller et al. 2024).
        warmup: share of the steps over which the rate rises from 0.
    """

    def __init__(self, rate: float, n_steps: int, kind: str = "cosine", warmup: float = 0.0) -> None:
        super().__init__()
        if kind not in SCHEDULES:
            raise ValueError(f"Expected 'kind' among {', '.join(SCHEDULES)}. Received: kind={kind!r}.")
        self.rate = float(rate)
        self.n_steps = int(n_steps)
        self.kind = kind
        self.warmup = float(warmup)

    def __call__(self, step: Any) -> Any:
        rising = max(1.0, self.warmup * self.n_steps)
        steps = ops.cast(step, "float32")
        t = (
            ops.clip((steps - rising) / max(1.0, self.n_steps - rising), 0.0, 1.0)
            if self.warmup
            else steps / self.n_steps
        )
        factor = SCHEDULES[self.kind](ops.clip(t, 0.0, 1.0))
        if self.warmup:
            factor = factor * ops.minimum(1.0, (steps + 1.0) / rising)
        return self.rate * factor

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "n_steps": self.n_steps, "kind": self.kind, "warmup": self.warmup}


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "constant": lambda t: 0.0 * t + 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: 0.5 * (1.0 + ops.cos(math.pi * t)),
    "exponential": lambda t: ops.exp(t * math.log(0.01)),
    "step": lambda t: ops.where(t < 0.5, 1.0, ops.where(t < 0.75, 0.1, 0.01)),
    "coslog4": lambda t: 0.5 * (1.0 - ops.cos(2 * math.pi * ops.log2(1.0 + 15.0 * t))),
}

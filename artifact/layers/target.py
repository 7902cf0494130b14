"""Turns the outputs of all networks and members into one answer in the target's unit, inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

# Spreads are kept within e^-7 and e^4 standard deviations: an answer needs a width that is above 0 and finite.
LOG_SPREAD = (-7.0, 4.0)
# Limits of a rate's logarithm and of a probability, in the loss and in the answer: float32 cannot tell values beyond
# these apart.
LOG_RATE = (-15.0, 15.0)
PROBABILITY = (1e-5, 1 - 1e-5)
# Smallest gap between neighbouring quantiles, in standard deviations: float32 still keeps it when the mean is added.
_LEAST_GAP = 1e-4
LINKS = ("identity", "normal", "log", "logistic", "quantile")


def ascending(raw: Any, n_quantiles: int) -> Any:
    """Quantiles that cannot cross: the median, plus or minus sums of gaps above 0 (softplus).

    **Shape**: (..., n_targets * n_quantiles) -> (..., n_targets, n_quantiles).
    """
    # A reshape can infer one unknown size only; the other unknown sizes come from the tensor.
    unknown = [i for i, size in enumerate(raw.shape[:-1]) if size is None]
    lead = [-1 if [i] == unknown[-1:] else size for i, size in enumerate(ops.shape(raw)[:-1])]
    raw = ops.reshape(raw, (*lead, int(raw.shape[-1]) // n_quantiles, n_quantiles))
    middle = n_quantiles // 2
    # A matrix product in place of a cumulated sum: every runtime has it, and it works in both directions.
    outwards = np.zeros((n_quantiles, n_quantiles), np.float32)
    for k in range(n_quantiles):
        outwards[middle + 1 : k + 1, k] = 1.0
        outwards[k:middle, k] = -1.0
    return raw[..., middle : middle + 1] + ops.matmul(ops.softplus(raw) + _LEAST_GAP, outwards)


@keras.saving.register_keras_serializable(package="trueline")
class TargetScaling(keras.layers.Layer):
    """Average over networks and members, apply the link, and undo the standardisation of the target.

    The meaning of the outputs, by ``link``:

    - ``identity``: values, then log spreads; the answers are their means.
    - ``normal``: means, then log standard deviations, of normal distributions. The answer is mean and standard
      deviation of their mixture (Lakshminarayanan et al. 2017): the spread includes the members' disagreement. The
      variance is corrected to ``spread_scale * (variance + spread_floor)``.
    - ``log``: logarithms of rates, then log spreads.
    - ``logistic``: log odds. With probability p the spread is 2 p (1 - p), the mean distance of a 0 or 1 from p.
    - ``quantile``: ``n_quantiles`` numbers for each target, which :func:`ascending` turns into quantiles. The value is
      the middle one.

    **Shape**: float32 (n_networks * n_members, n_samples, n_outputs) -> ``{"value", "spread"}``, each float32
    (n_samples, n_targets) in the target's unit, its offset not yet added; for ``quantile`` ``{"value", "quantiles"}``,
    the latter (n_samples, n_targets, n_quantiles).

    Args:
        mean, std: the mean that was subtracted from each target and the deviation that divided it, (n_targets,).
        minimum, maximum: values are kept within these, (n_targets,), offset subtracted; None for no bounds.
        link: see above. Defaults to ``identity``.
        n_quantiles: number of quantiles of each target, odd. Defaults to 0.
        spread_scale, spread_floor: see ``normal`` above, of each target; the floor in squares of ``std``. Defaults to
            no correction.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        minimum: Sequence[float] | None = None,
        maximum: Sequence[float] | None = None,
        link: str = "identity",
        n_quantiles: int = 0,
        spread_scale: Sequence[float] | None = None,
        spread_floor: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if link not in LINKS:
            raise ValueError(f"Expected 'link' to be one of {', '.join(LINKS)}. Received: link={link!r}.")
        self.mean = [float(v) for v in mean]
        self.std = [float(v) for v in std]
        self.minimum = None if minimum is None else [float(v) for v in minimum]
        self.maximum = None if maximum is None else [float(v) for v in maximum]
        self.link = link
        self.n_quantiles = int(n_quantiles)
        self.spread_scale = [1.0] * len(self.mean) if spread_scale is None else [float(v) for v in spread_scale]
        self.spread_floor = [0.0] * len(self.mean) if spread_floor is None else [float(v) for v in spread_floor]

    def call(self, inputs: Any) -> dict[str, Any]:
        if self.link == "quantile":
            return self._quantiles(inputs)
        n_targets = len(self.mean)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        values = inputs[:, :, :n_targets]
        if self.link == "logistic":
            value = ops.clip(ops.mean(ops.sigmoid(values), axis=0), *PROBABILITY)
            return {"value": value, "spread": 2.0 * value * (1.0 - value)}
        spreads = ops.exp(ops.clip(inputs[:, :, n_targets:], *LOG_SPREAD))
        if self.link == "log":
            values = ops.exp(ops.clip(values, *LOG_RATE))
        value = ops.mean(values, axis=0)
        if self.link == "normal":
            disagreement = ops.mean(ops.square(values - value), axis=0)
            variance = ops.mean(ops.square(spreads), axis=0) + disagreement
            scale, floor = np.asarray(self.spread_scale, np.float32), np.asarray(self.spread_floor, np.float32)
            spread = ops.sqrt(scale * (variance + floor))
        else:
            spread = ops.mean(spreads, axis=0)
        return {"value": self._bounded(value * std + mean), "spread": spread * std}

    def _quantiles(self, inputs: Any) -> dict[str, Any]:
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        quantiles = ops.mean(ascending(inputs, self.n_quantiles), axis=0) * std[:, None] + mean[:, None]
        middle = self.n_quantiles // 2
        value = self._bounded(quantiles[:, :, middle])
        # All quantiles move with the median, so that an interval keeps its width.
        return {"value": value, "quantiles": quantiles + ops.expand_dims(value - quantiles[:, :, middle], -1)}

    def _bounded(self, value: Any) -> Any:
        if self.minimum is None or self.maximum is None:
            return value
        return ops.clip(value, np.asarray(self.minimum, np.float32), np.asarray(self.maximum, np.float32))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        shape = (input_shape[1], len(self.mean))
        if self.link == "quantile":
            return {"value": shape, "quantiles": (*shape, self.n_quantiles)}
        return {"value": shape, "spread": shape}

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(mean=self.mean, std=self.std, minimum=self.minimum, maximum=self.maximum)
        config.update(link=self.link, n_quantiles=self.n_quantiles)
        config.update(spread_scale=self.spread_scale, spread_floor=self.spread_floor)
        return config

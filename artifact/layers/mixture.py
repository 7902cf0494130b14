"""One answer from those of several models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

ANSWERS = ("value", "spread", "quantiles")


@keras.saving.register_keras_serializable(package="trueline")
class Mixture(keras.layers.Layer):
    """The weighted mean of several models' answers.

    Models that answer with a value alone, as trees do, have no part in spreads and quantiles. Where spreads are
    standard deviations, the answer is that of a mixture of normal distributions, which includes how far the models
    disagree (Lakshminarayanan et al. 2017).

    **Shape**: list of ``{"value", "spread" or "quantiles"}``, float32 (n_samples, n_targets) and (n_samples, n_targets,
    n_quantiles) -> one of the same form.

    Args:
        weights: weight of each model, above 0; their sum is 1.
        normal: spreads are standard deviations. Defaults to False.
    """

    def __init__(self, weights: Sequence[float], normal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weights_of = [float(w) for w in weights]
        if min(self.weights_of) <= 0 or abs(sum(self.weights_of) - 1) > 1e-6:
            raise ValueError(f"Expected weights above 0 whose sum is 1. Received: {self.weights_of}.")
        self.normal = bool(normal)

    def call(self, inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        weights = self.weights_of
        answer = {"value": _sum([a["value"] for a in inputs], weights)}
        for name in ANSWERS[1:]:
            answers = [(a, w) for a, w in zip(inputs, weights, strict=True) if name in a]
            if not answers:
                continue
            total = sum(w for _, w in answers)
            shares = [w / total for _, w in answers]
            if name == "spread" and self.normal:
                # A model without a spread is given the spread of the others, around its own value.
                variance = _sum([ops.square(a[name]) for a, _ in answers], shares)
                apart = _sum([ops.square(a["value"] - answer["value"]) for a in inputs], weights)
                answer[name] = ops.sqrt(variance + apart)
            else:
                answer[name] = _sum([a[name] for a, _ in answers], shares)
        return answer

    def compute_output_shape(self, input_shape: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return max(input_shape, key=len)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(weights=self.weights_of, normal=self.normal)
        return config


def _sum(parts: Sequence[Any], weights: Sequence[float]) -> Any:
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = total + part * weight
    return total

"""Multi-layer perceptron on piecewise-linear embeddings of its numbers."""

from __future__ import annotations

from typing import Any

import keras

from artifact.layers import PiecewiseLinearEmbedding
from training.config import TrainConfig
from training.models.inputs import Inputs, heads


def build(inputs: Inputs, config: TrainConfig) -> Any:
    """Embed, then ``hidden`` dense layers with dropout, then the heads."""
    numeric: tuple[Any, ...] = ()
    if inputs.scaled is not None and config.embedding_bins:
        embedding = PiecewiseLinearEmbedding.adapted(
            inputs.Z, config.embedding_bins, dim=config.embedding_dim, name="embedding"
        )
        numeric = (embedding(inputs.scaled),)
    x = inputs.joined(*numeric)
    for i, width in enumerate(config.hidden):
        x = keras.layers.Dense(width, activation=config.activation, kernel_initializer="he_normal", name=f"hidden_{i}")(
            x
        )
        if config.dropout:
            x = keras.layers.Dropout(config.dropout, seed=config.seed + i, name=f"dropout_{i}")(x)
    return heads(x, inputs.n_targets)

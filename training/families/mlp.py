"""Multi-layer perceptron on piecewise-linear embeddings of its numbers."""

from __future__ import annotations

from typing import Any

from artifact.layers import MemberScale, PiecewiseLinearEmbedding, StackedDense, StackedDropout
from training.networks.inputs import Inputs
from training.settings.config import TrainConfig


def build(inputs: Inputs, config: TrainConfig) -> Any:
    """Embed, then ``hidden`` dense layers with dropout; of several members, each on its own view of the features.

    Returns:
        (n_networks, n_members * n_samples, width of the last layer).
    """
    bins, dim, members = config.required("embedding_bins"), config.required("embedding_dim"), config.required("members")
    x, widths = inputs.joined(), inputs.all_widths()
    if inputs.scaled is not None and bins:
        embedding = PiecewiseLinearEmbedding.adapted(
            inputs.networks,
            inputs.Z,
            bins,
            known=inputs.edges,
            dim=dim,
            activation=config.embedding_activation,
            name="embedding",
        )
        x, widths = inputs.joined(embedding(inputs.scaled)), inputs.all_widths(dim)
    if members > 1:
        x = MemberScale(inputs.networks, members, widths, name="members")(x)
    for i, width in enumerate(config.required("hidden")):
        layer = StackedDense(inputs.networks, width, config.activation, config.initializer, name=f"hidden_{i}")
        x = layer(x)
        x = StackedDropout(inputs.of_each(config.dropout), seed=config.seed + i, name=f"dropout_{i}")(x)
    return x

"""RealMLP: a plain perceptron made strong by its details (Holzmueller et al. 2024, "Better by Default")."""

from __future__ import annotations

from typing import Any

from artifact.layers import DiagonalScale, PeriodicEmbedding, StackedDense, StackedDropout
from training.networks.inputs import Inputs
from training.settings.config import TrainConfig

# Learning rates of single weights, as shares of the network's.
_FACTORS = {
    "factor": 6.0,
    "bias": 0.1,
    "mix": 0.1,
    "frequency": 0.1,
    "phase": 0.1,
    "embedding_kernel": 0.1,
    "embedding_bias": 0.1,
}
# The paper has no spread. At its learning rate the logarithm would move by some units a step, and stay at its bound.
_SPREAD_FACTOR = 0.02


def build(inputs: Inputs, config: TrainConfig) -> Any:
    """PBLD embeddings, a learned scale a column, then ``hidden`` layers in the neural tangent parametrisation.

    Returns:
        (n_networks, n_samples, width of the last layer).

    NOTE[DIFF]: categories are embedded where the paper encodes few of them as one-hot.
    """
    networks, dim = inputs.networks, config.required("embedding_dim")
    numeric = None
    if inputs.scaled is not None and dim > 1:
        numeric = PeriodicEmbedding(networks, dim=dim, name="embedding")(inputs.scaled)
    x = DiagonalScale(networks, name="selection")(inputs.joined(numeric))
    for i, width in enumerate(config.required("hidden")):
        x = StackedDense(networks, width, config.activation, ntk=True, name=f"hidden_{i}")(x)
        x = StackedDropout(inputs.of_each(config.dropout), seed=config.seed + i, name=f"dropout_{i}")(x)
    return x


def factor(path: str) -> float:
    """Factor of the learning rate of a weight, ``layer/name``."""
    layer, _, name = path.rpartition("/")
    return _FACTORS.get(name, 1.0) * (_SPREAD_FACTOR if layer.endswith("log_spreads") else 1.0)

"""RealMLP: a plain perceptron made strong by its details (Holzmueller et al. 2024, "Better by Default")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.families.family import Effort, Family
from training.families.settings import Settings

if TYPE_CHECKING:
    from training.networks.inputs import Inputs

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
# The paper has no spread. At its learning rate, the spread's logarithm would move by several units in each step, and
# stay at its bound.
_SPREAD_FACTOR = 0.02


def build(inputs: Inputs, config: Settings) -> Any:
    """PBLD embeddings, a scale that each column learns, then ``hidden`` layers in the neural tangent parametrisation.

    Returns:
        (n_networks, n_samples, width of the last layer).

    NOTE[DIFF]: categories are embedded where the paper encodes few of them as one-hot.
    """
    from artifact.layers import DiagonalScale, PeriodicEmbedding, StackedDense, StackedDropout

    networks, dim = inputs.networks, config.required("embedding_dim")
    numeric = None
    if inputs.scaled is not None and dim > 1:
        numeric = PeriodicEmbedding(networks, dim=dim, name="embedding")(inputs.scaled)
    x = DiagonalScale(networks, name="selection")(inputs.joined(numeric))
    for i, width in enumerate(config.required("hidden")):
        x = StackedDense(networks, width, config.activation, ntk=True, name=f"hidden_{i}")(x)
        x = StackedDropout(inputs.dropout, seed=config.seed + i, name=f"dropout_{i}")(x)
    return x


def factor(path: str) -> float:
    """Factor of the learning rate of a weight, ``layer/name``."""
    layer, _, name = path.rpartition("/")
    return _FACTORS.get(name, 1.0) * (_SPREAD_FACTOR if layer.endswith("log_spreads") else 1.0)


FAMILY = Family(
    name="realmlp",
    summary="A plain network made strong by its details (Holzmüller et al. 2024): periodic embeddings, a learned scale "
    "for each column, the neural tangent parametrisation, a learning rate in four cycles.",
    rank=20,
    build=build,
    ntk=True,
    factor=factor,
    defaults={
        "hidden": (256, 256, 256),
        "activation": "parametric_mish",
        "dropout": 0.15,
        "members": 1,
        "learning_rate": 0.2,
        "momentum": 0.9,
        "beta_2": 0.95,
        "schedule": "coslog4",
        "warmup": 0.0,
        "weight_decay": 0.0,
        "embedding_dim": 4,
        "clip_norm": 0.0,
    },
    # The family has bounds of its own: with more passes over the rows, it learns them by heart. One network for each
    # fold is work enough.
    effort=Effort(least_batch=128, most_passes=256, most_repeats=1),
    settings=("hidden", "activation", "dropout", "embedding_dim"),
)

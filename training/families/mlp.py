"""Multi-layer perceptron on piecewise-linear embeddings of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.families.family import Family
from training.families.settings import Settings, Size

if TYPE_CHECKING:
    from training.networks.inputs import Inputs

# The bins of all numbers together, and the fewest bins of one number. With finer bins a step costs more, and the
# network learns more from values that only a few rows have.
_ALL_BINS, _LEAST_BINS = 640, 48
# In a table with at most this many numbers, these few must tell all rows apart: their embeddings are finer and wider.
_FEW_NUMBERS, _FEW_BINS, _FEW_DIM = 4, 256, 32
# The repeats take the dropouts in turn, and the repeats that suit the table are served.
DEFAULTS: dict[str, Any] = {
    "hidden": (128, 128),
    "activation": "silu",
    "embedding_activation": "relu",
    "embedding_dim": 16,
    "row_weight": "spread",
    "dropout": (0.1, 0.0, 0.2),
}
# Which settings suit a table differs most among small tables, and their networks cost least: each repeat tries others.
_FEW: dict[str, Any] = {
    "embedding_activation": None,
    "embedding_bins": 32,
    "embedding_dim": 8,
    "dropout": (0.1, 0.0, 0.1, 0.0),
    "learning_rate": (4e-3, 2e-2, 1e-2, 8e-3),
}
# These learning rates suit tables with up to this many numbers. With more numbers a step changes a hidden unit more,
# since the unit adds up all of them. So the rates fall with the square root of their count.
_USUAL_NUMBERS = 32
# The settings with which networks train and answer fastest; they are for tables of up to many rows. If bins and first
# layer are small, one product computes them for all networks. Tables with few numbers need larger ones.
_QUICK: dict[str, Any] = {"hidden": (64, 32), "embedding_activation": None, "embedding_dim": 4, "embedding_bins": 40}
SETTINGS = ("hidden", "activation", "initializer", "dropout", "embedding_bins", "embedding_dim", "embedding_activation")


def build(inputs: Inputs, config: Settings) -> Any:
    """Embed numbers, then apply ``hidden`` dense layers with dropout; several members scale the features differently.

    Returns:
        (n_networks, n_members * n_samples, width of the last layer).
    """
    from artifact.layers import MemberScale, PiecewiseLinearEmbedding, StackedDense, StackedDropout

    bins, dim, members = config.required("embedding_bins"), config.required("embedding_dim"), config.required("members")
    x, widths = inputs.joined(), inputs.all_widths()
    if inputs.scaled is not None and bins:
        embedding = PiecewiseLinearEmbedding.adapted(
            inputs.networks,
            inputs.Z,
            bins,
            known_edges=inputs.edges,
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
        x = StackedDropout(inputs.dropout, seed=config.seed + i, name=f"dropout_{i}")(x)
    return x


def by_size(size: Size) -> Mapping[str, Any]:
    """Embeddings for the table's number of columns, and the settings for few rows."""
    return {**_embeddings(size.n_numeric), **(_of_few(size.n_numeric) if size.few else {})}


def _quick_or_by_size(size: Size) -> Mapping[str, Any]:
    quick = size.preset == "fast" and not (size.few or size.many or 0 < size.n_numeric <= _FEW_NUMBERS)
    return {**_embeddings(size.n_numeric), **_QUICK} if quick else by_size(size)


def _embeddings(n_numeric: int) -> dict[str, int]:
    """Bins and width of each number's embedding, in a table of ``n_numeric`` numbers; 0: not known."""
    if 0 < n_numeric <= _FEW_NUMBERS:
        return {"embedding_bins": _FEW_BINS, "embedding_dim": _FEW_DIM}
    return {"embedding_bins": max(_LEAST_BINS, _ALL_BINS // n_numeric if n_numeric else 0)}


def _of_few(n_numeric: int) -> dict[str, Any]:
    """Settings for few rows of ``n_numeric`` numbers; 0: not known."""
    factor = math.sqrt(_USUAL_NUMBERS / max(_USUAL_NUMBERS, n_numeric))
    return {**_FEW, "learning_rate": tuple(float(f"{factor * rate:.2g}") for rate in _FEW["learning_rate"])}


FAMILY = Family(
    name="mlp",
    summary="A plain network on piecewise-linear embeddings of its numbers.",
    rank=30,
    build=build,
    defaults={**DEFAULTS, "members": 1, "learning_rate": 1.6e-2},
    sized=_quick_or_by_size,
    settings=SETTINGS,
    shape="mlp",
)

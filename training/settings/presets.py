"""The presets: settings by preset, family and number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.families import FAMILIES, Size
from training.families.settings import FEW_ROWS, MANY_ROWS

__all__ = ["FEW_ROWS", "MANY_ROWS", "MOST_REPEATS", "resolved"]

# The family for few rows, and for more.
_FAMILY = {"fast": ("mlp", "mlp"), "balanced": ("mlp", "tabm"), "best": ("mlp", "tabm")}
# The families of a mix for few rows, for up to MANY_ROWS, and for more. A mix leaves out families that cannot minimise
# the objective.
_MIX = {"best": (("mlp", "ridge", "trees"), ("tabm", "trees"), ("tabm", "trees"))}
# Settings for families that have no defaults of their own.
_COMMON: dict[str, Any] = {
    "embedding_bins": 48,
    "embedding_dim": 8,
    "momentum": 0.9,
    "beta_2": 0.999,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 1e-2,
    "clip_norm": 1.0,
    "row_weight": "equal",
}
# For each preset: folds and repeats for few rows; folds and repeats for up to MANY_ROWS; and for more rows, which have
# no folds, the number of networks.
_NETWORKS = {
    "fast": ((4, 2), (4, 1), 1),
    "balanced": ((5, 4), (4, 2), 2),
    "best": ((5, 4), (5, 2), 4),
}
# The largest value of ``served_repeats``: with it all repeats are served.
MOST_REPEATS = 20
# The most repeats that are served, for the same three numbers of rows. The other repeats only help to choose.
_SERVED = {"best": (4, 1, 4)}
# For each preset: how many steps of one network are enough, for few rows and for more; and the most passes over its
# rows.
_EFFORT = {"fast": (3_000, 1_600, 150), "balanced": (10_000, 4_400, 400), "best": (20_000, 6_000, 800)}
# The fewest passes for tables below each number of rows. Above them one pass is enough: it has as many steps as the
# whole training on a small table.
_FEWEST_PASSES = ((500_000, 8), (2_000_000, 2))


def resolved(
    preset: str,
    family: str | None,
    n_rows: int,
    *,
    mix: Sequence[str] | None = None,
    objective: str = "mse",
    n_numeric: int = 0,
) -> dict[str, Any]:
    """Every setting that a preset decides.

    Args:
        preset: ``fast``, ``balanced`` or ``best``.
        family: as the user named it, or None for the preset's.
        n_rows: rows of the table.
        mix: families as the user named them, or None for the preset's where no family is named. Defaults to None.
        n_numeric: columns of numbers, which share the bins; 0: not known. Defaults to 0.
        objective: what is minimised; a preset's mix leaves out families that cannot minimise it. Defaults to ``mse``.
    """
    size = Size(preset, n_rows, n_numeric)
    of_rows = 0 if size.few else 2 if size.many else 1
    if mix is None:
        mix = () if family else _MIX.get(preset, ((), (), ()))[of_rows]
        mix = tuple(name for name in mix if FAMILIES[name].way(objective) is not None)
    model = family or (mix[0] if mix else _FAMILY[preset][0 if size.few else 1])
    own = FAMILIES[model]
    of_few, of_some, of_many = _NETWORKS[preset]
    folds, repeats = (of_few, of_some, (1, of_many))[of_rows]
    steps_of_few, steps, most = _EFFORT[preset]
    batch_size = _by_rows(n_rows, ((FEW_ROWS, 32), (MANY_ROWS, 256), (500_000, 512)), 1024)
    batch_size = max(batch_size, own.effort.least_batch)
    most, repeats = min(most, own.effort.most_passes or most), min(repeats, own.effort.most_repeats or repeats)
    a_pass = max(1, n_rows // batch_size)
    epochs = min(most, max(_by_rows(n_rows, _FEWEST_PASSES, 1), round((steps_of_few if size.few else steps) / a_pass)))
    served = _SERVED[preset][of_rows] if preset in _SERVED else MOST_REPEATS
    return {
        **_COMMON,
        **own.defaults,
        **own.sized(size),
        "model": model,
        "mix": tuple(mix),
        "distil": False,
        "served_repeats": served,
        "folds": folds,
        "repeats": repeats,
        "refit": n_rows < MANY_ROWS,
        "batch_size": min(batch_size, n_rows),
        "epochs": epochs,
        "patience": max(8, epochs // 2),
    }


def _by_rows(n_rows: int, steps: tuple[tuple[int, int], ...], last: int) -> int:
    return next((value for limit, value in steps if n_rows < limit), last)

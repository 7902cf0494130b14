"""What the presets stand for: settings by preset, family and number of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# From this many rows on held-out parts cost little and folds cost much.
MANY_ROWS = 50_000
# Bins of all numbers together, and of each at least: the finer, the more a step costs, and the more of what only few
# values share is learnt. So few numbers are all that a network has to tell rows apart: theirs are finer and wider.
_ALL_BINS, _LEAST_BINS = 640, 48
_FEW_NUMBERS, _FEW_BINS, _FEW_DIM = 4, 256, 32
# Below this many rows a batch is small and the rows are seen often.
FEW_ROWS = 3_000

# For few rows, and for more.
_FAMILY = {"fast": ("mlp", "mlp"), "balanced": ("mlp", "tabm"), "best": ("mlp", "tabm")}
# What is mixed, for few rows, up to MANY_ROWS, and more; solved families for the squared error alone.
_MIX = {"best": (("mlp", "ridge", "trees"), ("tabm", "trees"), ("tabm", "trees"))}
SOLVED = ("ridge", "lasso", "elastic-net", "polynomial", "stepwise")
_EMBEDDED: dict[str, Any] = {
    "hidden": (128, 128),
    "activation": "silu",
    "embedding_activation": "relu",
    "embedding_dim": 16,
    "row_weight": "spread",
}
# Of dropout, the repeats take one after another: those that suit the table are served.
_FAMILIES: dict[str, dict[str, Any]] = {
    "mlp": {**_EMBEDDED, "dropout": (0.1, 0.0, 0.2), "members": 1, "learning_rate": 1.6e-2},
    "tabm": {**_EMBEDDED, "dropout": (0.1, 0.0, 0.2), "members": 4, "learning_rate": 1.2e-2},
    "realmlp": {
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
    "linear": {"hidden": (1,), "activation": "relu", "dropout": 0.0, "members": 1, "learning_rate": 1e-2},
}
# Few rows differ most in what suits them, and networks on them cost least: each repeat is another try.
_FEW: dict[str, Any] = {
    "embedding_activation": None,
    "embedding_bins": 32,
    "embedding_dim": 8,
    "dropout": (0.1, 0.0, 0.1, 0.0),
    "learning_rate": (4e-3, 2e-2, 1e-2, 8e-3),
}
# Those rates suit up to so many numbers. A step moves what a unit adds up from all of them: beyond, rates fall as the
# root of their number grows.
_USUAL_NUMBERS = 32
# What is fitted and answers soonest, up to MANY_ROWS: the bins of small networks make one product with the first layer,
# of all networks at once. Few numbers need more.
_QUICK: dict[str, Any] = {"hidden": (64, 32), "embedding_activation": None, "embedding_dim": 4, "embedding_bins": 40}
# Solved, not trained: these settings mean nothing to them.
_FAMILIES |= dict.fromkeys(SOLVED, _FAMILIES["linear"])
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
# Folds and repeats by preset: for few rows, up to MANY_ROWS, and networks without folds for more.
_NETWORKS = {
    "fast": ((4, 2), (4, 1), 1),
    "balanced": ((5, 4), (4, 2), 2),
    "best": ((5, 4), (5, 2), 4),
}
# The setting's own bound: all that there are.
MOST_REPEATS = 20
# Repeats that are served at most, likewise; others only helped to choose.
_SERVED = {"best": (4, 1, 4)}
# Steps of one network that are enough, for few rows and for more, and how often it may see its rows at most.
_EFFORT = {"fast": (3_000, 1_600, 150), "balanced": (10_000, 4_400, 400), "best": (20_000, 6_000, 800)}
# RealMLP's own batch of few rows, and passes: beyond them it learns its rows by heart. One network of it is work enough
# for a fold.
_REALMLP_BATCH, _REALMLP_EPOCHS, _REALMLP_REPEATS = 128, 256, 1


# Passes that are the fewest: of many rows each has as many steps as small tables get in all.
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
        n_rows: of the table.
        mix: families as the user named them, or None for the preset's where no family is named. Defaults to None.
        n_numeric: columns of numbers, among which bins are shared out; 0: not known. Defaults to 0.
        objective: of solved families only ``mse`` is asked. Defaults to ``mse``.
    """
    few = n_rows < FEW_ROWS
    of_rows = 0 if few else 1 if n_rows < MANY_ROWS else 2
    if mix is None:
        mix = () if family else _MIX.get(preset, ((), (), ()))[of_rows]
        mix = tuple(name for name in mix if objective == "mse" or name not in SOLVED)
    model = family or (mix[0] if mix else _FAMILY[preset][0 if few else 1])
    of_few, of_some, of_many = _NETWORKS[preset]
    folds, repeats = of_few if few else of_some if n_rows < MANY_ROWS else (1, of_many)
    batch_size = _by_rows(n_rows, ((FEW_ROWS, 32), (MANY_ROWS, 256), (500_000, 512)), 1024)
    quick = preset == "fast" and of_rows == 1 and model == "mlp" and not 0 < n_numeric <= _FEW_NUMBERS
    steps_of_few, steps, most = _EFFORT[preset]
    a_pass = max(1, n_rows // batch_size)
    if model == "realmlp":
        batch_size, most, repeats = max(batch_size, _REALMLP_BATCH), min(most, _REALMLP_EPOCHS), _REALMLP_REPEATS
        a_pass = max(1, n_rows // batch_size)
    epochs = min(most, max(_by_rows(n_rows, _FEWEST_PASSES, 1), round((steps_of_few if few else steps) / a_pass)))
    served = _SERVED[preset][of_rows] if preset in _SERVED else MOST_REPEATS
    return {
        **_COMMON,
        **_FAMILIES[model],
        **(_embeddings(n_numeric) if model in ("mlp", "tabm") else {}),
        **(_QUICK if quick else {}),
        **(_of_few(n_numeric) if few and model in ("mlp", "tabm") else {}),
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


def _embeddings(n_numeric: int) -> dict[str, int]:
    """Bins and width of each number's embedding where ``n_numeric`` share the work; 0: not known."""
    if 0 < n_numeric <= _FEW_NUMBERS:
        return {"embedding_bins": _FEW_BINS, "embedding_dim": _FEW_DIM}
    return {"embedding_bins": max(_LEAST_BINS, _ALL_BINS // n_numeric if n_numeric else 0)}


def _of_few(n_numeric: int) -> dict[str, Any]:
    """What few rows of ``n_numeric`` numbers ask for; 0: not known."""
    factor = math.sqrt(_USUAL_NUMBERS / max(_USUAL_NUMBERS, n_numeric))
    return {**_FEW, "learning_rate": tuple(float(f"{factor * rate:.2g}") for rate in _FEW["learning_rate"])}


def _by_rows(n_rows: int, steps: tuple[tuple[int, int], ...], last: int) -> int:
    return next((value for limit, value in steps if n_rows < limit), last)

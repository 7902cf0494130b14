"""What the presets stand for: settings by preset, family and number of rows."""

from __future__ import annotations

from typing import Any

# From this many rows on held-out parts cost little and folds cost much.
MANY_ROWS = 50_000
# Below this many rows a batch is small and the rows are seen often.
FEW_ROWS = 3_000

# For few rows, and for more.
_FAMILY = {"fast": ("mlp", "mlp"), "balanced": ("mlp", "tabm"), "best": ("mlp", "tabm")}
_EMBEDDED: dict[str, Any] = {
    "hidden": (128, 128),
    "activation": "silu",
    "embedding_activation": "relu",
    "embedding_bins": 48,
    "embedding_dim": 16,
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
# Solved, not trained: these settings mean nothing to them.
_FAMILIES |= dict.fromkeys(("ridge", "lasso", "elastic-net", "polynomial", "stepwise"), _FAMILIES["linear"])
_COMMON: dict[str, Any] = {
    "embedding_bins": 32,
    "embedding_dim": 8,
    "momentum": 0.9,
    "beta_2": 0.999,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 1e-2,
    "clip_norm": 1.0,
}
# Folds and repeats by preset: for few rows, up to MANY_ROWS, and networks without folds for more.
_NETWORKS = {
    "fast": ((4, 2), (4, 1), 1),
    "balanced": ((5, 4), (4, 2), 2),
    "best": ((8, 4), (5, 3), 4),
}
# Steps of one network that are enough, for few rows and for more, and how often it may see its rows at most.
_EFFORT = {"fast": (3_000, 1_600, 150), "balanced": (10_000, 2_600, 400), "best": (16_000, 5_000, 600)}


def resolved(preset: str, family: str | None, n_rows: int) -> dict[str, Any]:
    """Every setting that a preset decides.

    Args:
        preset: ``fast``, ``balanced`` or ``best``.
        family: as the user named it, or None for the preset's.
        n_rows: of the table.
    """
    few = n_rows < FEW_ROWS
    model = family or _FAMILY[preset][0 if few else 1]
    of_few, of_some, of_many = _NETWORKS[preset]
    folds, repeats = of_few if few else of_some if n_rows < MANY_ROWS else (1, of_many)
    batch_size = _by_rows(n_rows, ((FEW_ROWS, 32), (MANY_ROWS, 256), (500_000, 512)), 1024)
    steps_of_few, steps, most = _EFFORT[preset]
    a_pass = max(1, n_rows // batch_size)
    epochs = min(most, max(8, round((steps_of_few if few else steps) / a_pass)))
    return {
        **_COMMON,
        **_FAMILIES[model],
        **(_FEW if few and model in ("mlp", "tabm") else {}),
        "model": model,
        "distil": False,
        "folds": folds,
        "repeats": repeats,
        "refit": n_rows < MANY_ROWS,
        "batch_size": min(batch_size, n_rows),
        "epochs": epochs,
        "patience": max(8, epochs // 2),
    }


def _by_rows(n_rows: int, steps: tuple[tuple[int, int], ...], last: int) -> int:
    return next((value for limit, value in steps if n_rows < limit), last)

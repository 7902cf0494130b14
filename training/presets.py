"""What the presets stand for: settings by preset, family and number of rows."""

from __future__ import annotations

from typing import Any

# From this many rows on held-out parts cost little and folds cost much.
_MANY_ROWS = 50_000

_FAMILY = {"fast": "mlp", "balanced": "tabm", "best": "tabm"}
_FOLDS = {"fast": 4, "balanced": 5, "best": 8}
_FAMILIES: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": (128, 128), "activation": "silu", "dropout": 0.1, "members": 1, "learning_rate": 2e-3},
    "tabm": {"hidden": (128, 128), "activation": "silu", "dropout": 0.1, "members": 4, "learning_rate": 4e-3},
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
# Solved, not trained: these settings mean nothing to them.
_FAMILIES |= {name: _FAMILIES["linear"] for name in ("ridge", "lasso", "elastic-net", "polynomial", "stepwise")}
_COMMON: dict[str, Any] = {
    "repeats": 1,
    "embedding_bins": 32,
    "embedding_dim": 8,
    "momentum": 0.9,
    "beta_2": 0.999,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 1e-2,
    "clip_norm": 1.0,
}
# Steps of one network that are enough; small tables repeat their rows at most as often as the last number.
_EFFORT = {"fast": (4_000, 150), "balanced": (8_000, 300), "best": (12_000, 400)}


def resolved(preset: str, family: str | None, n_rows: int) -> dict[str, Any]:
    """Every setting that a preset decides.

    Args:
        preset: ``fast``, ``balanced`` or ``best``.
        family: as the user named it, or None for the preset's.
        n_rows: of the table.
    """
    model = family or _FAMILY[preset]
    folds = _FOLDS[preset] if n_rows < _MANY_ROWS else 1
    batch_size = _by_rows(n_rows, ((2_000, 32), (_MANY_ROWS, 128), (500_000, 512)), 1024)
    steps, most = _EFFORT[preset]
    epochs = min(most, max(8, round(steps / max(1, n_rows // batch_size))))
    return {
        **_COMMON,
        **_FAMILIES[model],
        "model": model,
        "folds": folds,
        "refit": n_rows < _MANY_ROWS,
        "batch_size": min(batch_size, n_rows),
        "epochs": epochs,
        "patience": max(8, epochs // 3),
    }


def _by_rows(n_rows: int, steps: tuple[tuple[int, int], ...], last: int) -> int:
    return next((value for limit, value in steps if n_rows < limit), last)

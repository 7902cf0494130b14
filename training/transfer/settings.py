"""Settings of a run that starts from an earlier version: the version's settings of layers, and a lower rate."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from artifact.errors import DataError
from artifact.registry.base import Registry
from artifact.words.settings import setting_sentence
from training.families import FAMILIES
from training.objectives.kinds import meaning
from training.settings.config import TrainConfig
from training.transfer.earlier import Earlier, can_start

# The share of the usual learning rate, which is for random weights; decision 15 has the measurement.
RATE_FACTOR = 0.3

_EMBEDDED = ("hidden", "activation", "embedding_bins", "embedding_dim", "embedding_activation")


def settings_from(earlier: Earlier, user_config: TrainConfig, n_rows: int) -> TrainConfig:
    """Resolved settings: the user's, else the earlier version's where they shape the network, else the preset's.

    Args:
        earlier: the version to start from.
        user_config: the user's settings; only those that were set count.
        n_rows: rows of the table.

    Raises:
        DataError: the family is solved for, or settings do not go together.
    """
    if user_config.mix:
        raise DataError(
            f"Expected one family with --init. Received: mix={', '.join(user_config.mix)}. Leave 'mix' out, or --init."
        )
    inherited = inherited_settings(earlier, user_config)
    try:
        merged = TrainConfig.model_validate({**user_config.model_dump(exclude_unset=True), **inherited})
    except ValidationError as error:
        raise DataError(setting_sentence(error)) from error
    if merged.model is not None and not FAMILIES[merged.model].can_start(merged.objective):
        raise DataError(
            f"Expected --model among {', '.join(can_start(merged.objective))} with --init. "
            f"Received: {merged.model}, which has one solution wherever it starts. "
            "Leave --init out, or --model."
        )
    resolved = merged.resolved(n_rows)
    # None is a value here: the earlier version's embeddings may have no activation.
    update = {name: getattr(merged, name) for name in inherited}
    if user_config.learning_rate is None:
        update["learning_rate"] = _lower(resolved.required("learning_rate"))
    return resolved.model_copy(update=update)


def inherited_settings(earlier: Earlier, user_config: TrainConfig) -> dict[str, Any]:
    """Settings that the user left open, from the earlier version: the meaning of answers, and the network's shape."""
    names = meaning()
    if user_config.model is None or user_config.model == earlier.manifest.family:
        names = (*names, "model", "members", *_EMBEDDED)
    elif FAMILIES[user_config.model].alike(FAMILIES[earlier.manifest.family]):
        names = (*names, *_EMBEDDED)
    set_by_user = {
        name for name in user_config.model_fields_set if name in meaning() or getattr(user_config, name) is not None
    }
    return {name: earlier.config[name] for name in names if name not in set_by_user and name in earlier.config}


def objective_of_run(registry: Registry, init: str | None, user_config: TrainConfig) -> str:
    """The objective of a run, before its table is read.

    Raises:
        NotFoundError: no such earlier version; the message lists those that exist.
    """
    if init is None or "objective" in user_config.model_fields_set:
        return user_config.objective
    version = registry.resolve(init)
    return registry.manifest(version.name, version.version).objective


def _lower(rate: float | tuple[float, ...]) -> float | tuple[float, ...]:
    return tuple(RATE_FACTOR * r for r in rate) if isinstance(rate, tuple) else RATE_FACTOR * rate

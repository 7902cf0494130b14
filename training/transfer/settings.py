"""Settings of a run that starts from an earlier version: the network's are the earlier's, its rate is lower."""

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

# Of the learning rate that a start from nothing takes. Measured: decision 15.
RATE_FACTOR = 0.3

_EMBEDDED = ("hidden", "activation", "embedding_bins", "embedding_dim", "embedding_activation")


def settings_from(earlier: Earlier, given: TrainConfig, n_rows: int) -> TrainConfig:
    """Resolved settings: as given, else the earlier version's where they shape the network, else the preset's.

    Args:
        earlier: to start from.
        given: what was asked for; only what was set counts.
        n_rows: of the table.

    Raises:
        DataError: a family that is solved for, or settings that do not go together.
    """
    if given.mix:
        raise DataError(
            f"Expected one family with --init. Received: mix={', '.join(given.mix)}. Leave 'mix' out, or --init."
        )
    kept = kept_settings(earlier, given)
    try:
        merged = TrainConfig.model_validate({**given.model_dump(exclude_unset=True), **kept})
    except ValidationError as error:
        raise DataError(setting_sentence(error)) from error
    if merged.model is not None and not FAMILIES[merged.model].can_start(merged.objective):
        raise DataError(
            f"Expected --model among {', '.join(can_start(merged.objective))} with --init. "
            f"Received: {merged.model}, whose one solution does not depend on where it starts. "
            "Leave --init out, or --model."
        )
    resolved = merged.resolved(n_rows)
    # None is a choice here: an earlier version without an activation of its embeddings has none.
    update = {name: getattr(merged, name) for name in kept}
    if given.learning_rate is None:
        update["learning_rate"] = _lower(resolved.required("learning_rate"))
    return resolved.model_copy(update=update)


def kept_settings(earlier: Earlier, given: TrainConfig) -> dict[str, Any]:
    """Settings of the earlier version that were left open: what an answer means, and the shape of the network."""
    names = meaning()
    if given.model is None or given.model == earlier.manifest.family:
        names = (*names, "model", "members", *_EMBEDDED)
    elif FAMILIES[given.model].alike(FAMILIES[earlier.manifest.family]):
        names = (*names, *_EMBEDDED)
    given_names = {name for name in given.model_fields_set if name in meaning() or getattr(given, name) is not None}
    return {name: earlier.config[name] for name in names if name not in given_names and name in earlier.config}


def objective_of_run(registry: Registry, init: str | None, given: TrainConfig) -> str:
    """What a run minimises, before its table is read.

    Raises:
        NotFoundError: no such earlier version; the message lists those there are.
    """
    if init is None or "objective" in given.model_fields_set:
        return given.objective
    found = registry.resolve(init)
    return registry.manifest(found.name, found.version).objective


def _lower(rate: float | tuple[float, ...]) -> float | tuple[float, ...]:
    return tuple(RATE_FACTOR * r for r in rate) if isinstance(rate, tuple) else RATE_FACTOR * rate

"""Fits once more at a lower learning rate where the loss was not a number, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from artifact.errors import TruelineError
from training.evaluation.measure import with_noise
from training.fit.epochs import DivergedError, Progress
from training.fit.fit import fit
from training.networks.inputs import of_each
from training.networks.model import Fitted
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig
from training.table.folds import Fold, Plan

# Of the rate that diverged.
FACTOR = 0.1

Tell = Callable[[str], None]


def fit_or_retry(prepared: Prepared, progress: Progress, tell: Tell) -> tuple[Prepared, Fitted]:
    """Fit the networks of the plan; where that diverges, once more at a tenth of the learning rate.

    Args:
        prepared: rows, plan and settings.
        progress: as :func:`training.fit.fit` calls it.
        tell: called with a sentence if it is tried again.

    Returns:
        What was prepared, with the learning rate that was used and a note of it, and the networks.

    Raises:
        TruelineError: it diverged both times.
    """
    repeats = prepared.plan.repeats or len(prepared.plan.folds)
    try:
        return prepared, with_noise(prepared, _fit(prepared, prepared.plan.folds, progress, repeats=repeats))
    except DivergedError as error:
        given, epoch = prepared.config.required("learning_rate"), error.epoch
    rate = max(given) if isinstance(given, tuple) else given
    lower = FACTOR * rate
    note = f"The loss was not a number in epoch {epoch}; trained again at a learning rate of {lower:g}, not {rate:g}."
    tell(note)
    config = prepared.config.model_copy(update={"learning_rate": lower})
    again = replace(prepared, config=config, notes=[*prepared.notes, note])
    try:
        return again, with_noise(again, _fit(again, prepared.plan.folds, progress, repeats=repeats))
    except DivergedError as error:
        raise TruelineError(
            f"Expected a finite loss at a learning rate of {rate:g}, or at {lower:g}. Received: NaN in epoch {epoch}, "
            f"then in epoch {error.epoch}. No version was written. Look for extreme values in the table, or try "
            f"--set learning_rate={FACTOR * lower:g}, --set clip_norm=1 or --set optimizer=adamw."
        ) from error


def refit_or_keep(
    prepared: Prepared, fitted: Fitted, all_rows: tuple[Fold, ...], progress: Progress, tell: Tell
) -> tuple[Prepared, Fitted]:
    """Train once more on all rows for as many epochs; where that diverges, the network that was measured stays.

    Args:
        prepared: see :func:`fit_or_retry`.
        fitted: what it gave.
        all_rows: one fold of all rows.
        progress: as :func:`training.fit.fit` calls it.
        tell: called with a sentence if the measured network stays.
    """
    try:
        alone = replace(prepared, config=for_networks(prepared.config, fitted, prepared.plan))
        again = _fit(
            alone,
            all_rows,
            progress,
            repeats=len(all_rows),
            stop_at=fitted.best_epochs[0],
            networks_of_start=fitted.networks,
        )
    except DivergedError as error:
        note = (
            f"Training on all rows diverged in epoch {error.epoch}; "
            "the network that was measured is stored, which has not seen the test rows."
        )
        tell(note)
        return replace(prepared, notes=[*prepared.notes, note]), fitted
    if fitted.noise is not None:
        fitted.noise.into(again.model.get_layer("target"))
    return prepared, replace(fitted, model=again.model)


def for_networks(config: TrainConfig, fitted: Fitted, plan: Plan) -> TrainConfig:
    """The settings of the networks that were chosen, one of each in their order."""
    n = len(plan.folds)
    chosen = fitted.networks or tuple(range(n))
    update = {}
    for name in ("dropout", "learning_rate", *config.augment):
        values = of_each(config.required(name), n, plan.repeats or n)
        update[name] = tuple(values[i] for i in chosen)
    return config.model_copy(update=update)


def _fit(
    prepared: Prepared,
    folds: tuple[Fold, ...],
    progress: Progress,
    *,
    repeats: int = 1,
    stop_at: int | None = None,
    networks_of_start: tuple[int, ...] = (),
) -> Fitted:
    return fit(
        prepared.schema,
        prepared.X,
        prepared.y,
        folds,
        prepared.config,
        progress,
        repeats=repeats,
        stop_at=stop_at,
        weight=prepared.weight,
        earlier=prepared.earlier,
        networks_of_start=networks_of_start,
        stream=prepared.stream,
    )

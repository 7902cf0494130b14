"""The fitter of networks that are trained by epochs; if the loss diverges, it retries at a lower learning rate."""

from __future__ import annotations

from dataclasses import replace

from artifact.errors import TruelineError
from artifact.facts import Retry
from artifact.runtimes import Outputs
from training.fit.epochs import DivergedError
from training.fit.fit import fit
from training.fit.fitter import Model
from training.fit.observer import Observer
from training.fit.population import Population
from training.networks.unseen import judging_answers, with_noise
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig
from training.table.folds import all_rows
from training.transfer.sentence import sentence

# The second try takes this share of the rate that diverged.
FACTOR = 0.1


class Trained:
    """See :class:`training.fit.fitter.Fitter`."""

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Fit the networks of the plan; if the loss diverges, retry once at a tenth of the learning rate.

        Returns:
            The model; its settings have the learning rate that was used, and a note says why.

        Raises:
            TruelineError: it diverged both times.
        """
        try:
            model = _fit(prepared, observer)
        except DivergedError as error:
            model = _again(prepared, observer, error.epoch)
        if model.fitted.init is not None:
            observer.note(sentence(model.fitted.init))
        return model

    def refit(self, model: Model, observer: Observer) -> Model:
        """Train once more on all rows, for as many epochs; if that diverges, keep the networks that were measured."""
        prepared, fitted = model.prepared, model.fitted
        population = population_of(prepared)
        again = population.some(fitted.networks) if fitted.networks else population
        try:
            on_all = fit(prepared, again.on(all_rows(len(prepared.y))), observer.epoch, stop_at=fitted.best_epochs[0])
        except DivergedError as error:
            retry = Retry(epoch=error.epoch, learning_rate=_rate(prepared.config), lower=None)
            observer.note(retry.sentence)
            return replace(model, prepared=prepared.noting(retry))
        if fitted.noise is not None:
            fitted.noise.into(on_all.model.get_layer("target"))
        return replace(model, fitted=replace(fitted, model=on_all.model))

    def judging_answers(self, model: Model) -> Outputs:
        """Answers out of fold, or the model's answers to the validation rows."""
        return judging_answers(model.prepared, model.fitted)


def population_of(prepared: Prepared) -> Population:
    """The networks of a plan."""
    plan = prepared.plan
    return Population.of(prepared.config, plan.folds, plan.repeats or len(plan.folds))


def _fit(prepared: Prepared, observer: Observer) -> Model:
    return Model(prepared, with_noise(prepared, fit(prepared, population_of(prepared), observer.epoch)))


def _again(prepared: Prepared, observer: Observer, epoch: int) -> Model:
    """Fit at a tenth of the learning rate, after training diverged in ``epoch``."""
    rate = _rate(prepared.config)
    lower = FACTOR * rate
    retry = Retry(epoch=epoch, learning_rate=rate, lower=lower)
    observer.note(retry.sentence)
    config = prepared.config.model_copy(update={"learning_rate": lower})
    try:
        return _fit(replace(prepared.noting(retry), config=config), observer)
    except DivergedError as error:
        raise TruelineError(
            f"Expected a finite loss at a learning rate of {rate:g}, or at {lower:g}. Received: NaN in epoch {epoch}, "
            f"then in epoch {error.epoch}. No version was written. Look for extreme values in the table, or try "
            f"--set learning_rate={FACTOR * lower:g}, --set clip_norm=1 or --set optimizer=adamw."
        ) from error


def _rate(config: TrainConfig) -> float:
    """The highest learning rate of the networks."""
    rate = config.required("learning_rate")
    return float(max(rate) if isinstance(rate, tuple) else rate)

"""Mix: several families are fitted on the same folds and weighted by their errors on rows that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.facts import Mixed
from artifact.layers import Mixture
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import Outputs
from training.ensemble.weights import choose_weights, errors_of, mean_of
from training.families import FAMILIES
from training.fit.fitter import Model
from training.fit.fitters import fitter_of
from training.fit.observer import Observer
from training.networks.inputs import request_inputs
from training.networks.unseen import judging_answers, judging_rows, rows_of
from training.objectives.kinds import KINDS
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig
from training.table.folds import Plan


@dataclass(frozen=True, slots=True)
class Mix:
    """Fits a mix of families, see :class:`training.fit.fitter.Fitter`.

    Attributes:
        user_config: settings as the user gave them; each family has defaults of its own for the settings left open.
    """

    user_config: TrainConfig

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Fit each family of ``mix``, one after another, and weigh them.

        With folds, the mix answers a row with weights that were chosen without its fold, so no figure of the mix
        depends on a row that chose the weights. The served mix has the weights that all rows choose.

        Raises:
            TruelineError: a family diverged twice.
        """
        config = prepared.config
        names = [n for n in config.mix or () if FAMILIES[n].mixes(config.objective)]
        parts, answers = [], []
        for name in names:
            fitter = fitter_of(name, config.objective)
            part = fitter.fit(self._for_family(prepared, name), observer)
            parts.append(part)
            answers.append(fitter.judging_answers(part))
        rows = judging_rows(prepared)
        judged = _Judged(answers, prepared.y[rows], config, prepared.weights(rows))
        shares = judged.shares(np.arange(len(rows)))
        served = [(part, float(share)) for part, share in zip(parts, shares, strict=True) if share > 0]
        mix = _joined(prepared, tuple(part for part, _ in served), tuple(share for _, share in served))
        unseen = _unseen_answers(prepared, judged, shares)
        mixed = judged.mixed(names, shares)
        notes = (mixed.sentence, *(note for part, _ in served for note in part.fitted.notes))
        facts = (mixed, *(fact for part, _ in served for fact in part.fitted.facts))
        networks = tuple(range(len(unseen))) if len(unseen) > 1 else ()
        return replace(
            mix,
            prepared=prepared.noting(*(fact for part in parts for fact in part.prepared.facts)),
            fitted=replace(mix.fitted, unseen=unseen, notes=notes, facts=facts, networks=networks),
        )

    def refit(self, model: Model, observer: Observer) -> Model:
        """Fit each part once more on all rows; their shares stay."""
        prepared, parts = model.prepared, []
        for part in model.parts:
            again = fitter_of(part.family, prepared.objective).refit(part, observer)
            prepared = prepared.noting(*again.prepared.facts)
            parts.append(again)
        mix = _joined(prepared, tuple(parts), model.shares)
        return replace(mix, fitted=replace(model.fitted, model=mix.fitted.model))

    def judging_answers(self, model: Model) -> Outputs:
        """Answers out of fold, with shares that the fold did not choose, or the model's answers to validation rows."""
        return judging_answers(model.prepared, model.fitted)

    def _for_family(self, prepared: Prepared, name: str) -> Prepared:
        """The rows for one family, with its own settings and number of repeats."""
        if not FAMILIES[name].alone:
            return prepared
        config = _settings(prepared, self.user_config, name)
        return replace(prepared, config=config, plan=_with_own_repeats(prepared.plan, config))


@dataclass(frozen=True, slots=True)
class _Judged:
    """The answers of a mix's parts to the rows that judge them.

    Attributes:
        answers: the answers of each part.
        y: float64 (n_rows, n_targets), the true values.
        config: settings, whose objective gives the error.
        weight: float64 (n_rows,), each row's weight, or None.
    """

    answers: list[Outputs]
    y: npt.NDArray[np.float64]
    config: TrainConfig
    weight: npt.NDArray[np.float64] | None

    @property
    def normal(self) -> bool:
        """Whether spreads are standard deviations."""
        return KINDS[self.config.objective].link == "normal"

    def of(self, rows: npt.NDArray[np.int64]) -> list[Outputs]:
        """The answers of each part to some of the rows."""
        return [rows_of(answers, rows) for answers in self.answers]

    def shares(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """The weights of the parts that some of the rows choose, float64 (n_parts,), with a sum of 1."""
        return choose_weights(
            self.of(rows), self.y[rows], self.config, None if self.weight is None else self.weight[rows]
        )

    def mixed(self, names: Sequence[str], shares: npt.NDArray[np.float64]) -> Mixed:
        """A record of the mix: each part's weight, and its error as a multiple of the mix's error."""
        plain = self.config.model_copy(update={"objective": "mse"}) if self.normal else self.config
        kind = KINDS[plain.objective]

        def error(answers: Outputs) -> float:
            size = float(np.average(errors_of(answers, self.y, plain), weights=self.weight))
            return float(np.sqrt(size)) if kind.metric == "rmse" else size

        together = error(mean_of(self.answers, shares, normal=self.normal))
        return Mixed(
            weights={name: float(share) for name, share in zip(names, shares, strict=True)},
            alone={name: error(answers) / together for name, answers in zip(names, self.answers, strict=True)},
            plain=kind.judged_by,
        )


def _unseen_answers(prepared: Prepared, judged: _Judged, shares: npt.NDArray[np.float64]) -> list[Outputs]:
    """The mix's answers to the rows that judge it, fold by fold, with shares that the other folds chose."""
    if prepared.plan.parts is not None:
        return [mean_of(judged.answers, shares, normal=judged.normal)]
    unseen = []
    for fold in prepared.plan.first_cut:
        others = np.setdiff1d(np.arange(len(judged.y)), fold.validation)
        unseen.append(mean_of(judged.of(fold.validation), judged.shares(others), normal=judged.normal))
    return unseen


def _joined(prepared: Prepared, parts: tuple[Model, ...], shares: tuple[float, ...]) -> Model:
    """Parts as one model; the history of epochs is that of the first part that has one."""
    first = next(part.fitted for part in parts if part.fitted.history)
    normal = KINDS[prepared.objective].link == "normal"
    model = _model(prepared.schema, [part.fitted.model for part in parts], shares, normal=normal)
    return Model(prepared, replace(first, model=model, noise=None), parts, shares)


def _settings(prepared: Prepared, user_config: TrainConfig, name: str) -> TrainConfig:
    """The settings of one family: those that the user set, and the family's own defaults for the others."""
    if name == prepared.config.model:
        return prepared.config.model_copy(update={"mix": ()})
    family = user_config.model_copy(update={"model": name, "mix": ()})
    return family.resolved(prepared.n_rows, len(prepared.schema.numeric_columns))


def _with_own_repeats(plan: Plan, config: TrainConfig) -> Plan:
    """The plan with as many repeats as a family has."""
    repeats = config.required("repeats")
    if plan.parts is not None:
        return plan._replace(folds=plan.folds[:repeats])
    repeats = min(repeats, plan.repeats)
    return Plan(plan.folds[: plan.per_cut * repeats], repeats, None)


def _model(schema: FeatureSchema, models: Sequence[Any], weights: Sequence[float], *, normal: bool) -> Any:
    """One Keras model of several; a single one stays as it is."""
    if len(models) == 1:
        return models[0]
    tensors = request_inputs(schema)
    answers = [model(tensors) for model in models]
    return keras.Model(tensors, Mixture(weights, normal, name="mixture")(answers), name="mix")

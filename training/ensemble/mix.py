"""Several families fitted on the same folds, and mixed by their errors on rows that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.layers import Mixture
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import Outputs
from training.ensemble.weights import choose_weights, errors_of, mean_of
from training.evaluation.measure import answers, final_fold, joint_unseen, rows_of
from training.families import FAMILIES
from training.families.trees.forest import Grown
from training.fit.epochs import Progress
from training.fit.retry import fit_or_retry, refit_or_keep
from training.networks.inputs import request_inputs
from training.networks.model import Fitted
from training.objectives.kinds import KINDS
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig
from training.table.folds import Fold, Plan

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One family of a mix.

    Attributes:
        name: of the family.
        model: Keras model of its answers.
        unseen: its answers to the rows that choose the weights, by what did not see them.
        fitted: its networks; None for trees.
        prepared: what they were fitted on.
    """

    name: str
    model: Any
    unseen: Outputs
    fitted: Fitted | None
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Mixed:
    """Families and their weights.

    Attributes:
        prepared: the rows, with notes on what was done.
        fitted: the mix as one model, for all that comes after.
        parts: those that have a weight.
        weights: of each, their sum 1.
    """

    prepared: Prepared
    fitted: Fitted
    parts: tuple[Part, ...]
    weights: tuple[float, ...]


def fit_mix(prepared: Prepared, given: TrainConfig, progress: Progress, tell: Tell) -> Mixed:
    """Fit each family of ``mix``, one after another, and weigh them.

    With folds, a row is answered by weights that were chosen without its fold: the figures of the mix are those of a
    model that had not seen the row in any way. The served mix has the weights that all rows choose.

    Args:
        prepared: rows, plan and settings.
        given: settings as the user gave them; what is left open is each family's own.
        progress: as :func:`training.fit.fit` calls it.
        tell: called with a sentence where something was tried again.

    Raises:
        TruelineError: a family diverged twice.
    """
    names = [n for n in prepared.config.mix or () if FAMILIES[n].mixes(prepared.config.objective)]
    parts = [_part(prepared, given, name, progress, tell) for name in names]
    rows, blocks = _judging(prepared)
    y, weight = prepared.y[rows], prepared.weights(rows)
    outputs = [part.unseen for part in parts]
    chosen = choose_weights(outputs, y, prepared.config, weight)
    normal = KINDS[prepared.config.objective].link == "normal"
    unseen = []
    for block in blocks:
        others = np.setdiff1d(np.arange(len(rows)), block)
        of_block = chosen
        if len(blocks) > 1:
            known = [rows_of(found, others) for found in outputs]
            of_block = choose_weights(known, y[others], prepared.config, None if weight is None else weight[others])
        unseen.append(mean_of([rows_of(found, block) for found in outputs], of_block, normal=normal))
    note = _sentence(names, chosen, outputs, y, prepared.config, weight)
    served = [(part, float(w)) for part, w in zip(parts, chosen, strict=True) if w > 0]
    first = next(part.fitted for part, _ in served if part.fitted is not None)
    fitted = replace(
        first,
        model=_model(prepared.schema, [part.model for part, _ in served], [w for _, w in served], normal=normal),
        unseen=unseen,
        notes=(note, *(n for part, _ in served if part.fitted for n in part.fitted.notes)),
        networks=tuple(range(len(blocks))) if len(blocks) > 1 else (),
        noise=None,
    )
    retried = [n for part in parts for n in part.prepared.notes if n not in prepared.notes]
    told = replace(prepared, notes=[*prepared.notes, *dict.fromkeys(retried)])
    return Mixed(told, fitted, tuple(part for part, _ in served), tuple(w for _, w in served))


def refit_mix(mixed: Mixed, progress: Progress, tell: Tell) -> tuple[Prepared, Fitted]:
    """Train each part once more on all rows after they were measured on held-out ones."""
    prepared, models = mixed.prepared, []
    for part in mixed.parts:
        if part.fitted is None:
            everything = np.arange(len(prepared.y))
            fold = prepared.plan.folds[0]
            models.append(_grown(prepared, part.name, (fold,), everything).model)
            continue
        after, fitted = refit_or_keep(part.prepared, part.fitted, final_fold(prepared, part.fitted), progress, tell)
        new = [n for n in after.notes if n not in prepared.notes]
        prepared = replace(prepared, notes=[*prepared.notes, *new])
        models.append(fitted.model)
    normal = KINDS[prepared.config.objective].link == "normal"
    return prepared, replace(mixed.fitted, model=_model(prepared.schema, models, mixed.weights, normal=normal))


def _part(prepared: Prepared, given: TrainConfig, name: str, progress: Progress, tell: Tell) -> Part:
    plan = prepared.plan
    if FAMILIES[name].grow is not None:
        folds = plan.first_cut
        everything = np.arange(len(prepared.y)) if plan.parts is None else folds[0].train
        grown = _grown(prepared, name, folds, everything)
        value = np.zeros_like(prepared.y, np.float32)
        for fold, found in zip(folds, grown.unseen, strict=True):
            value[fold.validation] = found
        rows, _ = _judging(prepared)
        return Part(name, grown.model, Outputs(value[rows]), None, prepared)
    config = _settings(prepared, given, name)
    own = replace(prepared, config=config, plan=_fewer(plan, config))
    own, fitted = fit_or_retry(own, progress, tell)
    if plan.parts is None:
        return Part(name, fitted.model, joint_unseen(own, fitted), fitted, own)
    X, _ = prepared.rows(plan.folds[0].validation)
    return Part(name, fitted.model, answers(fitted.model, X), fitted, own)


def _settings(prepared: Prepared, given: TrainConfig, name: str) -> TrainConfig:
    """A family's own, for what was left open."""
    if name == prepared.config.model:
        return prepared.config.model_copy(update={"mix": ()})
    family = given.model_copy(update={"model": name, "mix": ()})
    return family.resolved(prepared.n_rows, len(prepared.schema.numeric_columns))


def _grown(prepared: Prepared, name: str, folds: Sequence[Fold], everything: npt.NDArray[np.int64]) -> Grown:
    rows = prepared.schema, prepared.X, prepared.y, folds, everything, prepared.config, prepared.weight
    return FAMILIES[name].grown(*rows)


def _fewer(plan: Plan, config: TrainConfig) -> Plan:
    """The plan with as many repeats as a family has."""
    repeats = config.required("repeats")
    if plan.parts is not None:
        return plan._replace(folds=plan.folds[:repeats])
    repeats = min(repeats, plan.repeats)
    return Plan(plan.folds[: plan.per_cut * repeats], repeats, None)


def _judging(prepared: Prepared) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
    """The rows that choose the weights, and positions among them that are answered by weights of the others."""
    plan = prepared.plan
    if plan.parts is not None:
        rows = plan.folds[0].validation
        return rows, [np.arange(len(rows))]
    return np.arange(len(prepared.y)), [fold.validation for fold in plan.first_cut]


def _model(schema: FeatureSchema, models: Sequence[Any], weights: Sequence[float], *, normal: bool) -> Any:
    """One model of several; a single one is as it is."""
    if len(models) == 1:
        return models[0]
    tensors = request_inputs(schema)
    found = [model(tensors) for model in models]
    return keras.Model(tensors, Mixture(weights, normal, name="mixture")(found), name="mix")


def _sentence(
    names: Sequence[str],
    weights: npt.NDArray[np.float64],
    outputs: Sequence[Outputs],
    y: npt.NDArray[np.float64],
    config: TrainConfig,
    weight: npt.NDArray[np.float64] | None,
) -> str:
    """What was mixed, and how each part does alone, its error over the mix's."""
    normal = KINDS[config.objective].link == "normal"
    kind = KINDS[config.objective]
    plain = config.model_copy(update={"objective": "mse"}) if normal else config

    def error(found: Outputs) -> float:
        size = float(np.average(errors_of(found, y, plain), weights=weight))
        return float(np.sqrt(size)) if kind.metric == "rmse" else size

    together = error(mean_of(outputs, weights, normal=normal))
    told = []
    for name, share, found in zip(names, weights, outputs, strict=True):
        told.append(f"{name} {share:.0%} ({error(found) / together - 1:+.1%} alone)")
    return f"Mixed by errors on unseen rows: {', '.join(told)}; in brackets its {kind.plain} against that of the mix."

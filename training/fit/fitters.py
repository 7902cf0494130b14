"""The fitters of single families, by name: trained, solved, or grown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from artifact.runtimes import Outputs
from training.families import FAMILIES
from training.families.solvers.network import solve
from training.families.trees.forest import Grown as Trees
from training.fit.fitter import Fitter, Model
from training.fit.observer import Observer
from training.fit.trained import Trained
from training.networks.model import Fitted
from training.networks.unseen import judging_answers
from training.prepare.in_memory import Prepared
from training.table.folds import Fold, all_rows
from training.table.split import Indices


def fitter_of(family: str, objective: str) -> Fitter:
    """The fitter of a single family.

    Args:
        family: its name.
        objective: what is minimised; some families are solved for with one objective and trained with another.
    """
    way = FAMILIES[family].way(objective)
    if way == "grown":
        return Grown(family)
    return Solved() if way == "solved" else Trained()


class Solved:
    """Fits a family whose weights are solved for, see :class:`training.fit.fitter.Fitter`."""

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Solve for the weights of the plan's networks.

        With held-out rows each repeat would be the same network, so only one is solved for. The solver would also
        mistake several repeats for the folds of a cross-validation.
        """
        plan = prepared.plan
        return Model(prepared, _solved(prepared, plan.folds if plan.parts is None else plan.first_cut, observer))

    def refit(self, model: Model, observer: Observer) -> Model:
        """Solve once more, for all rows."""
        again = _solved(model.prepared, [all_rows(len(model.prepared.y))], observer)
        return replace(model, fitted=replace(model.fitted, model=again.model))

    def judging_answers(self, model: Model) -> Outputs:
        """Answers out of fold, or the model's answers to the validation rows."""
        return judging_answers(model.prepared, model.fitted)


@dataclass(frozen=True, slots=True)
class Grown:
    """Fits trees, see :class:`training.fit.fitter.Fitter`.

    Attributes:
        family: its name.
    """

    family: str

    def fit(self, prepared: Prepared, observer: Observer) -> Model:  # noqa: ARG002 - trees have no epochs
        """Grow trees on each fold of the first repeat. The final trees grow on all rows, or on the part that trains."""
        plan, folds = prepared.plan, prepared.plan.first_cut
        trees = self._grow(prepared, folds, np.arange(len(prepared.y)) if plan.parts is None else folds[0].train)
        unseen = [Outputs(value) for value in trees.unseen]
        return Model(prepared, Fitted(trees.model, (), 0, {}, unseen, networks=tuple(range(len(folds)))))

    def refit(self, model: Model, observer: Observer) -> Model:  # noqa: ARG002 - trees have no epochs
        """Grow the same number of trees again, on all rows."""
        prepared = model.prepared
        again = self._grow(prepared, prepared.plan.folds[:1], np.arange(len(prepared.y)))
        return replace(model, fitted=replace(model.fitted, model=again.model))

    def judging_answers(self, model: Model) -> Outputs:
        """Answers by trees that did not see the rows; scikit-learn's trees, in its precision, answer held-out rows."""
        if model.prepared.plan.parts is not None:
            return model.fitted.unseen[0]
        return judging_answers(model.prepared, model.fitted)

    def _grow(self, prepared: Prepared, folds: Sequence[Fold], rows: Indices) -> Trees:
        return FAMILIES[self.family].grown(prepared.samples, folds, rows)


def _solved(prepared: Prepared, folds: Sequence[Fold], observer: Observer) -> Fitted:
    return solve(prepared.samples, folds, observer.epoch)

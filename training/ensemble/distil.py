"""One small network in place of an ensemble, taught by its answers, and what that costs on rows that neither saw.

Bucila et al. 2006, "Model compression"; Hinton et al. 2015, "Distilling the knowledge in a neural network".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact import facts
from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from artifact.runtimes.chunks import chunks
from training.ensemble.logits import raw_of
from training.ensemble.students import Students, Teacher
from training.families import FAMILIES
from training.fit.epochs import Progress
from training.fit.fitter import Fitter, Model
from training.fit.observer import Observer
from training.networks.model import Fitted, feed, in_units, make_deterministic
from training.networks.unseen import judging_answers, judging_rows
from training.objectives import objective_of
from training.prepare.in_memory import Prepared

Float32 = npt.NDArray[np.float32]
# Rows that a teacher answers at once.
_CHUNK = 4_096
# ``distil=auto`` serves the student if its error on unseen rows is at most so many times the ensemble's.
MOST_COST = 1.01


@dataclass(frozen=True, slots=True)
class Distilled:
    """Fits an ensemble, then one small network in its place, see :class:`training.fit.fitter.Fitter`.

    Attributes:
        ensemble: fits what teaches.
    """

    ensemble: Fitter

    def fit(self, prepared: Prepared, observer: Observer) -> Model:
        """Fit the ensemble and its student; serve the student where its error is near enough, see :func:`distil`."""
        teacher = self.ensemble.fit(prepared, observer)
        observer.stage("distil")
        student = distil(teacher.prepared, teacher.fitted, progress=observer.epoch)
        served = student.model is not teacher.fitted.model
        return replace(teacher, fitted=student, parts=(teacher,) if served else ())

    def refit(self, model: Model, observer: Observer) -> Model:
        """Fit the ensemble once more; what held-out rows chose stays chosen, and these rows teach a student too."""
        if not model.parts:
            return self.ensemble.refit(model, observer)
        teacher = self.ensemble.refit(model.parts[0], observer)
        student = distil(teacher.prepared, teacher.fitted, progress=observer.epoch, measured=True)
        return Model(teacher.prepared, replace(student, notes=model.fitted.notes, facts=model.fitted.facts), (teacher,))

    def judging_answers(self, model: Model) -> Outputs:
        """Out of fold by students that never heard of the fold, or by the model to the validation rows."""
        return judging_answers(model.prepared, model.fitted)


def distil(
    prepared: Prepared,
    fitted: Fitted,
    teacher: Teacher | None = None,
    progress: Progress | None = None,
    *,
    measured: bool = False,
) -> Fitted:
    """Teach one small network what an ensemble answers; serve it where its error is near enough.

    With folds, a student of each fold is taught only by the networks that did not see the fold, on the other folds'
    rows and rows made of these, and answers the fold: neither it nor its teacher has seen what measures it. One more,
    taught by all networks on all rows, is what is served. All are trained side by side. With held-out rows there is one
    student, compared on those that chose the epoch.

    Args:
        prepared: rows, plan and settings, ``distil`` among them.
        fitted: the ensemble.
        teacher: answers for it. Defaults to the networks of ``fitted``, of each fold those of the first repeat.
        progress: called after each of the steps' tenths with its number, ten and the error in target deviations.
        measured: whether the held-out rows, where there are some, have done their work and may teach too; a student is
            then served without being compared.

    Returns:
        The student, with a note of what it costs; or ``fitted`` with a note where it costs too much, or as it is where
        there is no ensemble.
    """
    if not is_ensemble(prepared, fitted):
        return fitted
    make_deterministic(prepared.config.seed)
    students = Students.of(prepared, fitted, teacher or networks_of(prepared, fitted), measured)
    students.train(progress)
    student = students.fitted()
    sizes = [sum(int(np.prod(w.shape)) for w in f.model.trainable_weights) for f in (student, fitted)]
    distilled = facts.Distilled(
        served=True,
        parameters=sizes[0],
        ensemble=_count(prepared, fitted),
        ensemble_parameters=sizes[1],
        held_out=prepared.plan.parts is not None,
    )
    if measured:
        return _with(student, fitted, distilled)
    ours, theirs = (_error(prepared, f, students.scaling) for f in (student, fitted))
    cost = ours / theirs if min(ours, theirs) > 0 else 1 + (ours - theirs)
    allowed = MOST_COST if prepared.config.distil == "auto" else None
    is_near = allowed is None or cost <= allowed
    shown = objective_of(prepared.config).kind.shown
    distilled = distilled.model_copy(
        update={"served": is_near, "error": ours, "error_is": shown, "cost": cost, "allowed": allowed}
    )
    return _with(student if is_near else fitted, fitted, distilled)


def _with(served: Fitted, ensemble: Fitted, distilled: facts.Distilled) -> Fitted:
    """What is served, with what is said of the ensemble and of distilling it."""
    notes = (*ensemble.notes, distilled.sentence)
    return replace(served, notes=notes, facts=(*ensemble.facts, distilled))


def is_ensemble(prepared: Prepared, fitted: Fitted) -> bool:
    """Whether there is more than one network or member to put a student in the place of."""
    config = prepared.config
    solved = FAMILIES[config.required("model")].is_solved(config.objective)
    return not solved and (_networks(prepared, fitted) > 1 or config.required("members") > 1)


def networks_of(prepared: Prepared, fitted: Fitted) -> Teacher:
    """The teacher of networks that were fitted side by side."""
    target = fitted.model.get_layer("target")
    raw = keras.Model(fitted.model.inputs, target.input)
    names = [tensor.name for tensor in fitted.model.inputs]
    members, folds = prepared.config.required("members"), prepared.plan.per_cut

    def by_fold(X: Encoded) -> list[Outputs]:
        parts = []
        for rows in chunks(len(X), _CHUNK):
            part = Encoded(X.numeric[rows], X.categorical[rows])
            parts.append(np.asarray(ops.convert_to_numpy(raw(feed(part, names), training=False))))
        outputs = np.concatenate(parts, axis=1)
        chosen = [outputs[k * members : (k + 1) * members] for k in range(folds)]
        return [in_units(target, raws) for raws in (*chosen, outputs)]

    return by_fold


def _error(prepared: Prepared, fitted: Fitted, scaling: Any) -> float:
    """Error on rows that did not train, as a person is shown it, in target deviations."""
    objective, rows = objective_of(prepared.config), judging_rows(prepared)
    y = (prepared.y[rows] - np.asarray(scaling.mean)) / np.asarray(scaling.std)
    outputs = raw_of(judging_answers(prepared, fitted), scaling)
    return objective.shown(objective.score(y, outputs[None], prepared.weights(rows)))


def _networks(prepared: Prepared, fitted: Fitted) -> int:
    return len(fitted.networks or prepared.plan.folds)


def _count(prepared: Prepared, fitted: Fitted) -> str:
    networks, members = _networks(prepared, fitted), prepared.config.required("members")
    return f"{networks} x {members}" if members > 1 else f"{networks}"

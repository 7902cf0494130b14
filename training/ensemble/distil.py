"""Teaches one small network the answers of an ensemble, and measures its error on rows that neither has seen.

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
# The most rows that a teacher answers at once.
_CHUNK = 4_096
# ``distil=auto`` serves the student if its error on unseen rows is at most this many times the ensemble's.
MOST_COST = 1.01


@dataclass(frozen=True, slots=True)
class Distilled:
    """Fits an ensemble, then one small network in its place, see :class:`training.fit.fitter.Fitter`.

    Attributes:
        ensemble: fits the ensemble that teaches.
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
        """Fit the ensemble once more, with the choices that held-out rows made; these rows teach a student, too."""
        if not model.parts:
            return self.ensemble.refit(model, observer)
        teacher = self.ensemble.refit(model.parts[0], observer)
        student = distil(teacher.prepared, teacher.fitted, progress=observer.epoch, use_held_out=True)
        return Model(teacher.prepared, replace(student, notes=model.fitted.notes, facts=model.fitted.facts), (teacher,))

    def judging_answers(self, model: Model) -> Outputs:
        """Answers out of fold, by students that were not taught the fold; or the model's answers to validation rows."""
        return judging_answers(model.prepared, model.fitted)


def distil(
    prepared: Prepared,
    fitted: Fitted,
    teacher: Teacher | None = None,
    progress: Progress | None = None,
    *,
    use_held_out: bool = False,
) -> Fitted:
    """Teach one small network the answers of an ensemble; serve it where its error is near enough.

    With folds there is one student for each fold. Only networks that did not see the fold teach it, on the other folds'
    rows and on rows made from these. It answers the fold's rows, which neither it nor its teacher has seen. One more
    student is taught by all networks on all rows; that one is served. All students are trained side by side. With
    held-out rows there is one student, which is compared on the rows that chose the epoch.

    Args:
        prepared: rows, plan and settings, ``distil`` among them.
        fitted: the ensemble.
        teacher: gives the ensemble's answers. Defaults to the networks of ``fitted``; for a fold, those of the first
            repeat.
        progress: called after each tenth of the steps with its number, ten and the error in target deviations.
        use_held_out: whether held-out rows, if there are any, teach too, because they have done their measuring. The
            student is then served without a comparison. Defaults to False.

    Returns:
        The student, with a note on its error; ``fitted`` with such a note, where the student's error is too large; or
        ``fitted`` as it is, where there is no ensemble.
    """
    if not is_ensemble(prepared, fitted):
        return fitted
    make_deterministic(prepared.config.seed)
    students = Students.of(prepared, fitted, teacher or networks_of(prepared, fitted), use_held_out)
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
    if use_held_out:
        return _with_record(student, fitted, distilled)
    ours, theirs = (_error(prepared, f, students.scaling) for f in (student, fitted))
    cost = ours / theirs if min(ours, theirs) > 0 else 1 + (ours - theirs)
    allowed = MOST_COST if prepared.config.distil == "auto" else None
    is_near = allowed is None or cost <= allowed
    error_name = objective_of(prepared.config).kind.shown
    distilled = distilled.model_copy(
        update={"served": is_near, "error": ours, "error_is": error_name, "cost": cost, "allowed": allowed}
    )
    return _with_record(student if is_near else fitted, fitted, distilled)


def _with_record(served: Fitted, ensemble: Fitted, distilled: facts.Distilled) -> Fitted:
    """The served model, with notes and facts on the ensemble and on distilling it."""
    notes = (*ensemble.notes, distilled.sentence)
    return replace(served, notes=notes, facts=(*ensemble.facts, distilled))


def is_ensemble(prepared: Prepared, fitted: Fitted) -> bool:
    """Whether there is more than one network or member, which a student could replace."""
    config = prepared.config
    solved = FAMILIES[config.required("model")].is_solved(config.objective)
    return not solved and (_networks(prepared, fitted) > 1 or config.required("members") > 1)


def networks_of(prepared: Prepared, fitted: Fitted) -> Teacher:
    """A teacher made of networks that were fitted side by side."""
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
        of_folds = [outputs[k * members : (k + 1) * members] for k in range(folds)]
        return [in_units(target, raws) for raws in (*of_folds, outputs)]

    return by_fold


def _error(prepared: Prepared, fitted: Fitted, scaling: Any) -> float:
    """The error on rows that did not train, in target deviations, as a person is shown it."""
    objective, rows = objective_of(prepared.config), judging_rows(prepared)
    y = (prepared.y[rows] - np.asarray(scaling.mean)) / np.asarray(scaling.std)
    outputs = raw_of(judging_answers(prepared, fitted), scaling)
    return objective.shown(objective.score(y, outputs[None], prepared.weights(rows)))


def _networks(prepared: Prepared, fitted: Fitted) -> int:
    return len(fitted.networks or prepared.plan.folds)


def _count(prepared: Prepared, fitted: Fitted) -> str:
    networks, members = _networks(prepared, fitted), prepared.config.required("members")
    return f"{networks} x {members}" if members > 1 else f"{networks}"

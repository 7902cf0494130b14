"""One small network in place of an ensemble, taught by its answers, and what that costs on rows that neither saw.

Bucila et al. 2006, "Model compression"; Hinton et al. 2015, "Distilling the knowledge in a neural network".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from training.ensemble.logits import raw_of
from training.ensemble.students import Students, Teacher
from training.evaluation.measure import answers, joint_unseen
from training.families import FAMILIES
from training.fit.epochs import Progress
from training.networks.model import Fitted, feed, in_units, make_deterministic
from training.objectives import objective_of
from training.objectives.base import Objective
from training.prepare.in_memory import Prepared, take

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
# Rows that a teacher answers at once.
_CHUNK = 4_096
# ``distil=auto`` serves the student if its error on unseen rows is at most so many times the ensemble's.
MOST_COST = 1.01


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
        The student, with a note of what it costs; or ``fitted`` with a note where it costs too much, where there is
        no ensemble of one family, or where ``distil`` is false.
    """
    wanted = prepared.config.distil
    if not wanted or prepared.config.mix or not is_ensemble(prepared, fitted):
        return fitted
    if teacher is None:
        teacher = networks_of(prepared, fitted)
    make_deterministic(prepared.config.seed)
    students = Students.of(prepared, fitted, teacher, measured)
    students.train(progress)
    found = students.fitted()
    sizes = [sum(int(np.prod(w.shape)) for w in f.model.trainable_weights) for f in (found, fitted)]
    what = f"one network of {sizes[0]:,} weights in place of {_count(prepared, fitted)} of {sizes[1]:,}"
    if measured:
        return replace(found, notes=(*fitted.notes, f"Distilled: {what}."))
    objective = objective_of(prepared.config)
    ours, theirs = (_error(prepared, f, objective, students.scaling) for f in (found, fitted))
    cost = ours / theirs if min(ours, theirs) > 0 else 1 + (ours - theirs)
    shown = objective.kind.shown
    where = "out of fold" if prepared.plan.parts is None else "on held-out rows"
    sentence = f"{shown} {where} {ours:.4g} target deviations, {abs(cost - 1):.1%} "
    sentence += f"{'above' if cost >= 1 else 'below'} the ensemble's"
    if wanted == "auto" and cost > MOST_COST:
        note = f"Not distilled: {what} would have a {sentence}; {MOST_COST - 1:.0%} is allowed."
        return replace(fitted, notes=(*fitted.notes, note))
    return replace(found, notes=(*fitted.notes, f"Distilled: {what}; {sentence}."))


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
        for start in range(0, len(X), _CHUNK):
            part = take(X, np.arange(start, min(start + _CHUNK, len(X))))
            parts.append(np.asarray(ops.convert_to_numpy(raw(feed(part, names), training=False))))
        outputs = np.concatenate(parts, axis=1)
        chosen = [outputs[k * members : (k + 1) * members] for k in range(folds)]
        return [in_units(target, found) for found in (*chosen, outputs)]

    return by_fold


def _error(prepared: Prepared, fitted: Fitted, objective: Objective, scaling: Any) -> float:
    """Error on rows that did not train, as a person is shown it, in target deviations."""
    plan, mean, std = prepared.plan, np.asarray(scaling.mean), np.asarray(scaling.std)
    rows = np.arange(len(prepared.y)) if plan.parts is None else plan.folds[0].validation
    X, y = prepared.rows(rows)
    outputs = joint_unseen(prepared, fitted) if plan.parts is None else answers(fitted.model, X)
    return objective.shown(objective.score((y - mean) / std, raw_of(outputs, scaling)[None], prepared.weights(rows)))


def _networks(prepared: Prepared, fitted: Fitted) -> int:
    return len(fitted.networks or prepared.plan.folds)


def _count(prepared: Prepared, fitted: Fitted) -> str:
    networks, members = _networks(prepared, fitted), prepared.config.required("members")
    return f"{networks} x {members}" if members > 1 else f"{networks}"

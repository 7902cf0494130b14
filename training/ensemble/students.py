"""Small networks, side by side, that are taught the answers of an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from artifact.layers import TargetScaling
from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from training.ensemble.logits import raw_of
from training.ensemble.munge import near_rows
from training.families import FAMILIES
from training.fit.epochs import Progress
from training.fit.loops import open_loop
from training.fit.loops.problem import Minimised, Problem, Steps, Table, Update
from training.fit.optimizers import build_optimizer
from training.networks.inputs import Inputs, Preprocessed, heads
from training.networks.model import Fitted, in_units, whole
from training.objectives import objective_of
from training.prepare.in_memory import Prepared, take
from training.settings.config import TrainConfig

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
# Gives the ensemble's answers to rows: for each fold those of the networks that did not see it, then those of all
# networks.
Teacher = Callable[[Encoded], list[Outputs]]
# The number of rows without labels for each row of the table, and the most of them.
_MADE, _MOST_MADE = 1, 60_000
STEPS = 1_500
_STUDENT: dict[str, Any] = {
    "model": "mlp",
    "members": 1,
    "hidden": (96, 64),
    "activation": "silu",
    "dropout": 0.0,
    "embedding_bins": 32,
    "embedding_dim": 8,
    "embedding_activation": None,
    "optimizer": "adamw",
    "momentum": 0.9,
    "beta_2": 0.999,
    "learning_rate": 3e-2,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 0.0,
    "clip_norm": 1.0,
    "l1": 0.0,
    "l2": 0.0,
}


@dataclass(frozen=True, slots=True)
class Students:
    """Students side by side: one for each fold, and last the one that is served.

    Attributes:
        prepared: rows, plan and settings.
        teacher_of: the ensemble.
        core_of: makes a core of as many networks as its argument says.
        rows: prepared rows of the table, then those made from them.
        fold_of: int64 (n_rows,), the fold that each row comes from.
        targets: float32 (n_students, n_rows, n_outputs), the outputs that each student is taught.
        scaling: the scaling of the targets.
        problem: the students' training.
        loop: the loop that trains them.
    """

    prepared: Prepared
    teacher_of: Fitted
    core_of: Callable[[int], Any]
    rows: Preprocessed
    fold_of: Int64
    targets: Float32
    scaling: Any
    problem: Problem
    loop: Any

    @classmethod
    def of(cls, prepared: Prepared, fitted: Fitted, teacher: Teacher, use_held_out: bool) -> Students:
        schema, plan, config = prepared.schema, prepared.plan, student_config(prepared.config)
        rng = np.random.default_rng(config.seed)
        teaching = np.arange(len(prepared.y)) if plan.parts is None or use_held_out else np.sort(plan.folds[0].train)
        fold_of = np.zeros(len(prepared.y), np.int64)
        for k in range(prepared.plan.per_cut):
            fold_of[plan.folds[first_of(fitted) + k].validation] = k
        real = take(prepared.X, teaching)
        scaled = Preprocessed.of(schema, real, fitted_on=np.arange(len(real)), squeeze=True)
        pool, parents = _pool(real, scaled, fold_of[teaching], rng)
        rows = Preprocessed.of(schema, pool, fitted_on=np.arange(len(real)), squeeze=True)
        # The teachers' variances are corrected already, and students are taught the corrected ones.
        uncorrected = {"spread_scale": None, "spread_floor": None}
        scaling = TargetScaling.from_config(fitted.model.get_layer("target").get_config() | uncorrected)
        targets = np.stack([raw_of(answers, scaling) for answers in teacher(pool)])
        weight = None if prepared.weight is None else prepared.weight[teaching][parents].astype(np.float32)
        students, n_targets, objective = len(targets), prepared.y.shape[1], objective_of(config)

        def core_of(networks: int) -> Any:
            inputs = Inputs.of(schema, rows, networks, config.seed)
            hidden = FAMILIES[config.required("model")].layers(inputs, config)
            values, spreads = objective.n_values(n_targets), objective.n_spreads(n_targets)
            return keras.Model(inputs.tensors, heads(hidden, networks, 1, values, spreads), name="student")

        rates = [config.required("learning_rate")] * students
        problem = Problem(
            core=core_of(students),
            members=1,
            # Each student has its own targets for the same rows, so the rows are repeated for each student.
            rows=Table(
                {name: np.tile(values, (students, 1)) for name, values in rows.features.items()},
                targets.reshape(-1, targets.shape[-1]),
                None if weight is None else np.tile(weight, students),
            ),
            minimised=Minimised(_loss, _loss),
            update=Update(build_optimizer(config, STEPS, None, rates), config.clip_norm),
            steps=Steps(min(config.required("batch_size"), len(real) // 2), STEPS // 10, STEPS),
        )
        loop = open_loop(problem)
        return cls(prepared, fitted, core_of, rows, fold_of[teaching][parents], targets, scaling, problem, loop)

    def train(self, progress: Progress | None) -> None:
        """Take the steps; each student draws its rows from outside its fold."""
        students, n = len(self.targets), self.targets.shape[1]
        rng = np.random.default_rng(self.prepared.config.seed)
        size = self.problem.steps.epoch * self.problem.steps.batch
        allowed = [np.flatnonzero(self.fold_of != k) if k < students - 1 else np.arange(n) for k in range(students)]
        for tenth in range(10):
            orders = [
                np.concatenate([rng.permutation(rows) for _ in range(-(-size // len(rows)))])[:size] + k * n
                for k, rows in enumerate(allowed)
            ]
            shape = (students, -1, self.problem.steps.batch)
            losses = self.loop.run(np.stack(orders).reshape(shape).transpose(1, 0, 2).astype(np.int32))
            if progress is not None:
                progress(tenth + 1, 10, float(np.sqrt(losses[0].mean())))
        self.loop.set_weights(self.loop.weights())

    def fitted(self) -> Fitted:
        """The last student as the model, with the other students' answers to their folds, which measure it."""
        plan, teacher_of = self.prepared.plan, self.teacher_of
        folds, n = plan.per_cut, self.targets.shape[1]
        unseen, networks = list(teacher_of.unseen), teacher_of.networks
        if folds:
            first = first_of(teacher_of)
            networks = tuple(range(first, first + folds))
            rows = [plan.folds[i].validation for i in networks]
            longest = max(map(len, rows))
            rows_asked = [np.resize(part, longest) + k * n for k, part in enumerate(rows)]
            outputs = self.loop.outputs(np.stack([*rows_asked, rows_asked[0]]).astype(np.int32))
            unseen = [in_units(self.scaling, outputs[k, :, : len(part)]) for k, part in enumerate(rows)]
        core = self.core_of(1)
        for variable, values in zip(core.trainable_variables, self.loop.weights(), strict=True):
            variable.assign(values[-1:])
        scaling = TargetScaling.from_config(self.scaling.get_config())
        model = whole(self.prepared.schema, self.rows, core, scaling)
        return replace(teacher_of, model=model, unseen=unseen, networks=networks, noise=None)


def student_config(config: TrainConfig) -> TrainConfig:
    """The settings of a student of networks with these settings."""
    return config.model_copy(update=_STUDENT)


def _pool(
    real: Encoded, scaled: Preprocessed, fold_of: Int64, rng: np.random.Generator
) -> tuple[Encoded, npt.NDArray[np.int64]]:
    """The real rows, then new rows, each made from rows of one fold; and int64, the row from which each was made."""
    count = min(_MADE * len(real), _MOST_MADE)
    parts, parents = [real], [np.arange(len(real))]
    Z = scaled.features.get("numeric", np.zeros((len(real), 0), np.float32))
    for k in np.unique(fold_of):
        rows = np.flatnonzero(fold_of == k)
        new_rows, sources = near_rows(take(real, rows), Z[rows], count * len(rows) // len(real), rng)
        parts.append(new_rows)
        parents.append(rows[sources])
    numeric, categorical = (np.concatenate([getattr(p, name) for p in parts]) for name in ("numeric", "categorical"))
    return Encoded(numeric, categorical), np.concatenate(parents)


def _loss(y: Any, outputs: Any) -> Any:
    return ops.mean(ops.square(outputs - y), axis=-1)


def first_of(fitted: Fitted) -> int:
    """Number of the first network that is served."""
    return fitted.networks[0] if fitted.networks else 0

"""Fits networks side by side. Rows that a network has not seen choose its best epoch; it keeps that epoch's weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from training.devices.devices import take_devices
from training.families import FAMILIES
from training.fit.augmentation import Augmentation
from training.fit.augmentation_effect import effect_of
from training.fit.chunks import Chunks
from training.fit.epochs import Epochs, Limits, Progress, Review
from training.fit.judging import Judge
from training.fit.loops import Loop, open_loop
from training.fit.loops.problem import Hardware, Minimised, Problem, Steps, Table, Update
from training.fit.networks import Networks
from training.fit.optimizers import build_optimizer
from training.fit.population import Population
from training.fit.repeats import choose_repeats
from training.fit.streamed_epochs import StreamedEpochs
from training.networks.model import Fitted, make_deterministic
from training.objectives.kinds import in_target_unit
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig


def fit(
    prepared: Prepared,
    population: Population,
    progress: Progress | None = None,
    *,
    stop_at: int | None = None,
    review: Review | None = None,
) -> Fitted:
    """Fit the networks of a population, all in the same compiled steps.

    Args:
        prepared: rows and their weights, a stream of further rows, and a version to start from.
        population: the networks, with the settings that they share.
        progress: called after each epoch with the epoch, the number of epochs and the validation error that a person is
            shown. With one target it has the target's unit, see :func:`training.objectives.kinds.in_target_unit`.
        stop_at: take the weights of this epoch and ignore validation errors; 0: those of the start. Defaults to
            None.
        review: says after each epoch which networks go on, see :data:`training.fit.epochs.Review`. Defaults to None:
            all do.

    Returns:
        The networks that no review dropped. With a single trial, only those of the repeats whose joint answers are
        best.

    Raises:
        DataError: the backend does not see the devices that the settings name.
        DivergedError: the loss was not a number.
        DataError: nothing in the earlier version agrees with the new table.
        ArtifactError: the earlier version's network cannot be read.
    """
    make_deterministic(population.config.seed)
    networks = Networks.of(prepared, np.unique(np.concatenate([fold.train for fold in population.folds])))
    core = networks.core(population)
    init = networks.started(core, population)
    data = _Data.of(networks, population)
    steps = data.steps(stop_at)
    problem = _problem(networks, core, data, steps)
    judge = Judge(data.population, networks.objective, data.table)
    run = data.epochs(open_loop(problem), judge, steps, has_start=init is not None)
    run.to_the_end(_as_shown(progress, networks), stop_at, review)
    going, outputs = run.networks.tolist(), run.unseen()
    survivors, unseen = population.some(going), [networks.in_units(answers) for answers in outputs]
    # These are positions among the networks that are left. The networks of several trials do not answer together: all
    # of them are served.
    served, effect = tuple(range(len(going))), None
    if stop_at is None and len(survivors.trials) == 1:
        repeats = choose_repeats(data.population.some(going), outputs, networks.objective, data.table)
        served = survivors.positions(repeats)
        effect = effect_of(survivors, unseen, prepared.y, repeats, prepared.weight)
    if len(served) < len(population):
        core = _smaller(networks, survivors.some(served), [values[list(served)] for values in run.weights()])
    return Fitted(
        model=networks.model(core),
        best_epochs=tuple(int(e) for e in run.best_epochs),
        epochs=len(run.history["train"]),
        history=run.history,
        unseen=[unseen[i] for i in served] if unseen else [],
        notes=(effect.sentence,) if effect else (),
        networks=tuple(going[i] for i in served) if len(served) < len(population) else (),
        computed=problem.computed,
        init=init,
        augmentation=effect,
    )


@dataclass(frozen=True, slots=True)
class _Data:
    """The rows that a loop trains on: all at once, or one chunk after another.

    Attributes:
        table: all rows, or those of the first chunk.
        population: the networks; their folds are rows of the table.
        chunks: where the rows are streamed, else None.
    """

    table: Table
    population: Population
    chunks: Chunks | None

    @classmethod
    def of(cls, networks: Networks, population: Population) -> Self:
        stream, table = networks.prepared.stream, networks.table
        if stream is None:
            return cls(table, population, None)
        head = population.folds[0].validation
        chunks = Chunks(stream, networks.rows.layer, table, head, networks.mean, networks.std)
        return cls(chunks.first, population.on(chunks.fold), chunks)

    def steps(self, stop_at: int | None) -> Steps:
        """Steps of each network: as many as the smallest fold has batches."""
        config = self.population.config
        fewest = min(len(fold.train) for fold in self.population.folds)
        batch = min(config.required("batch_size"), fewest)
        epoch = fewest // batch if self.chunks is None else self.chunks.steps(batch)
        return Steps(batch, epoch, epoch * (stop_at or config.required("epochs")))

    def epochs(self, loop: Loop, judge: Judge, steps: Steps, *, has_start: bool) -> Epochs:
        """The epochs of a run on these rows."""
        config = self.population.config
        limits = Limits(config.required("epochs"), config.required("patience"), steps)
        kind = Epochs if self.chunks is None else partial(StreamedEpochs, self.chunks)
        return kind(loop, judge, self.population, limits, has_start=has_start)


def _problem(networks: Networks, core: Any, data: _Data, steps: Steps) -> Problem:
    """The problem that the loop trains."""
    config, objective, prepared = data.population.config, networks.objective, networks.prepared
    span = steps.epoch * config.required("epochs")
    factors = FAMILIES[config.required("model")].factor
    optimizer = build_optimizer(config, span, factors, data.population.learning_rates, data.population.weight_decays)
    return Problem(
        core=core,
        members=config.required("members"),
        rows=data.table,
        minimised=Minimised(objective.loss, objective.error),
        update=Update(optimizer, config.clip_norm or None, _penalty(config, core)),
        steps=steps,
        hardware=Hardware(take_devices(config.device, prepared.n_rows), config.precision),
        augment=Augmentation.of(data.population, networks.rows),
        streamed=data.chunks is not None,
    )


def _smaller(networks: Networks, population: Population, weights: list[npt.NDArray[Any]]) -> Any:
    """A core of a part of the networks with these weights, each (n_networks, ...)."""
    core = networks.core(population)
    for variable, values in zip(core.trainable_variables, weights, strict=True):
        variable.assign(values)
    return core


def _as_shown(progress: Progress | None, networks: Networks) -> Progress | None:
    """A callback that takes the error that judges an epoch and passes on the error that a person is shown."""
    in_unit = in_target_unit(progress, networks.prepared.objective, networks.std)
    if in_unit is None:
        return None
    convert = networks.objective.shown
    return lambda epoch, epochs, error: in_unit(epoch, epochs, convert(error))


def _penalty(config: TrainConfig, core: Any) -> Callable[[list[Any]], Any] | None:
    """The penalty on the kernels' L1 and L2 norms, as a function of the trainable variables; None: no penalty."""
    if not (config.l1 or config.l2):
        return None
    positions = [i for i, v in enumerate(core.trainable_variables) if v.name == "kernel"]

    def penalty(variables: list[Any]) -> Any:
        kernels = [variables[i] for i in positions]
        l1 = sum(keras.ops.sum(keras.ops.abs(k)) for k in kernels)
        l2 = sum(keras.ops.sum(keras.ops.square(k)) for k in kernels)
        return config.l1 * l1 + config.l2 * l2

    return penalty

"""Fits networks side by side: the epoch of each chosen on rows it has not seen, its weights of that epoch kept."""

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
from training.objectives.kinds import told_in_unit
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
        prepared: rows, their weights, a stream of more of them, and a version to start from.
        population: the networks, with the settings that they share.
        progress: called after each epoch with epoch, epochs and the validation error, as the objective shows it; of
            one target in its unit, see :func:`training.objectives.kinds.told_in_unit`.
        stop_at: take the weights of this epoch, whatever the validation rows say; 0: those of the start. Defaults to
            None.
        review: says after each epoch which networks go on, see :data:`training.fit.epochs.Review`. Defaults to None:
            all do.

    Returns:
        The networks that went on to the end; of a single trial, those of the repeats that answer best together.

    Raises:
        DataError: the backend does not see the devices that the settings name.
        DivergedError: the loss was not a number.
        DataError: nothing of the earlier version agrees.
        ArtifactError: its network cannot be read.
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
    # Places among the survivors; several trials do not answer together, and none of their networks is left out.
    kept, effect = tuple(range(len(going))), None
    if stop_at is None and len(survivors.trials) == 1:
        repeats = choose_repeats(data.population.some(going), outputs, networks.objective, data.table)
        kept = survivors.positions(repeats)
        effect = effect_of(survivors, unseen, prepared.y, repeats, prepared.weight)
    if len(kept) < len(population):
        core = _smaller(networks, survivors.some(kept), [values[list(kept)] for values in run.weights()])
    return Fitted(
        model=networks.model(core),
        best_epochs=tuple(int(e) for e in run.best_epochs),
        epochs=len(run.history["train"]),
        history=run.history,
        unseen=[unseen[i] for i in kept] if unseen else [],
        notes=(effect.sentence,) if effect else (),
        networks=tuple(going[i] for i in kept) if len(kept) < len(population) else (),
        computed=problem.computed,
        init=init,
        augmentation=effect,
    )


@dataclass(frozen=True, slots=True)
class _Data:
    """What a loop trains on: all rows at once, or chunk after chunk of them.

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
        """As many as the fold of the fewest rows has; each network takes as many."""
        config = self.population.config
        fewest = min(len(fold.train) for fold in self.population.folds)
        batch = min(config.required("batch_size"), fewest)
        epoch = fewest // batch if self.chunks is None else self.chunks.steps(batch)
        return Steps(batch, epoch, epoch * (stop_at or config.required("epochs")))

    def epochs(self, loop: Loop, judge: Judge, steps: Steps, *, has_start: bool) -> Epochs:
        """The run of these rows."""
        config = self.population.config
        limits = Limits(config.required("epochs"), config.required("patience"), steps)
        kind = Epochs if self.chunks is None else partial(StreamedEpochs, self.chunks)
        return kind(loop, judge, self.population, limits, has_start=has_start)


def _problem(networks: Networks, core: Any, data: _Data, steps: Steps) -> Problem:
    """What the loop trains."""
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
    """A core of some of the networks, with their weights, each (n_networks, ...)."""
    core = networks.core(population)
    for variable, values in zip(core.trainable_variables, weights, strict=True):
        variable.assign(values)
    return core


def _as_shown(progress: Progress | None, networks: Networks) -> Progress | None:
    """What is called after each epoch with the error that judges it, and tells it as a person is shown it."""
    told = told_in_unit(progress, networks.prepared.objective, networks.std)
    if told is None:
        return None
    shown = networks.objective.shown
    return lambda epoch, epochs, error: told(epoch, epochs, shown(error))


def _penalty(config: TrainConfig, core: Any) -> Callable[[list[Any]], Any] | None:
    """L1 and L2 norms of the kernels."""
    if not (config.l1 or config.l2):
        return None
    chosen = [i for i, v in enumerate(core.trainable_variables) if v.name == "kernel"]

    def penalty(variables: list[Any]) -> Any:
        kernels = [variables[i] for i in chosen]
        l1 = sum(keras.ops.sum(keras.ops.abs(k)) for k in kernels)
        l2 = sum(keras.ops.sum(keras.ops.square(k)) for k in kernels)
        return config.l1 * l1 + config.l2 * l2

    return penalty

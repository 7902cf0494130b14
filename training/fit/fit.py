"""Fits networks side by side: the epoch of each chosen on rows it has not seen, its weights of that epoch kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.layers import TargetScaling
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from training.devices.devices import take_devices
from training.families import FAMILIES, Family
from training.families.solvers.network import solve
from training.fit.augmentation import Augmentation
from training.fit.augmentation_effect import effect_of
from training.fit.chunks import Chunks
from training.fit.epochs import Epochs, Progress
from training.fit.loops import open_loop
from training.fit.loops.problem import Problem, Table
from training.fit.optimizers import build_optimizer
from training.fit.repeats import choose_repeats, networks_of
from training.fit.streamed_epochs import StreamedEpochs
from training.networks.inputs import Inputs, Preprocessed, heads, of_each
from training.networks.model import Fitted, in_units, make_deterministic, whole
from training.objectives import objective_of
from training.objectives.base import Objective
from training.objectives.kinds import scale_of, told_in_unit
from training.prepare.stream import Stream
from training.settings.config import TrainConfig
from training.table.folds import Fold
from training.transfer.earlier import Earlier
from training.transfer.start import Start

Float64 = npt.NDArray[np.float64]


def fit(
    schema: FeatureSchema,
    X: Encoded,
    y: npt.NDArray[np.float64],
    folds: Sequence[Fold],
    config: TrainConfig,
    progress: Progress | None = None,
    *,
    repeats: int = 1,
    stop_at: int | None = None,
    weight: npt.NDArray[np.float64] | None = None,
    earlier: Earlier | None = None,
    networks_of_start: tuple[int, ...] = (),
    stream: Stream | None = None,
) -> Fitted:
    """Fit one network a fold, all in the same compiled steps.

    Args:
        schema: of the rows.
        X: encoded rows.
        y: float64 (n_samples, n_targets), offsets subtracted.
        folds: rows that train each network, and rows that choose its epoch.
        config: resolved settings.
        progress: called after each epoch with epoch, epochs and the validation error, as the objective shows it; of
            one target in its unit, see :func:`training.objectives.kinds.told_in_unit`.
        repeats: times that the folds cover the rows. Defaults to 1.
        stop_at: take the weights of this epoch, whatever the validation rows say; 0: those of the start. Defaults to
            None.
        weight: float64 (n_samples,) of each row, their mean 1; None for equal ones. Defaults to None.
        earlier: version whose weights training starts from, where they agree; None: from random ones. Defaults to None.
        networks_of_start: see :meth:`Start.into`. Defaults to all in order.
        stream: all rows that train, of which the folds' are a sample; None where those are all. Defaults to None.

    Raises:
        DataError: the backend does not see the devices that the settings name.
        DivergedError: the loss was not a number.
        DataError: nothing of the earlier version agrees.
        ArtifactError: its network cannot be read.
    """
    family, objective = FAMILIES[config.required("model")], objective_of(config)
    if family.is_solved(config.objective):
        return solve(schema, X, y, folds, config, progress, weight=weight)
    make_deterministic(config.seed)
    n_targets, networks, members = y.shape[1], len(folds), config.required("members")
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    start = None if earlier is None else Start.open(earlier, schema)
    keep = None if start is None else start.statistics
    rows = Preprocessed.of(schema, X, fitted_on=trained, squeeze=family.squeeze, keep=keep)
    edges = {} if start is None else start.edges(rows.layer, config)
    mean, std = scale_of(config.objective, y[trained], None if weight is None else weight[trained])
    seen = y[trained]
    if stream is not None:
        mean, std = stream.scale(config.objective)
        seen = np.stack(stream.ends())
    n_values, n_spreads = objective.n_values(n_targets), objective.n_spreads(n_targets)

    def core_of(networks: int, repeats: int) -> Any:
        inputs = Inputs.of(schema, rows, networks, config.seed, repeats=repeats, edges=edges)
        outputs = heads(family.layers(inputs, config), networks, members, n_values, n_spreads, ntk=family.ntk)
        return keras.Model(inputs.tensors, outputs, name=config.model)

    core = core_of(networks, repeats)
    scaling = _scaling(family, objective, seen, mean, std)
    init = None
    if start is not None:
        scaling = start.scaling(scaling)
        init = start.into(core, rows.layer, scaling, config, networks_of_start)
    weight32 = None if weight is None else weight.astype(np.float32)
    table = Table(rows.features, ((y - mean) / std).astype(np.float32), weight32)
    chunks = None if stream is None else Chunks(stream, rows.layer, table, folds[0].validation, mean, std)
    # Of the loop's table, which is all rows or the first chunk.
    held = list(folds) if chunks is None else [chunks.fold] * networks
    if chunks is not None:
        table = chunks.first
    fewest = min(len(fold.train) for fold in held)
    batch = min(config.required("batch_size"), fewest)
    steps = fewest // batch if chunks is None else chunks.steps(batch)
    rates = of_each(config.required("learning_rate"), networks, repeats)
    problem = Problem(
        core=core,
        networks=networks,
        members=members,
        features=table.features,
        y=table.y,
        weight=table.weight,
        loss=objective.loss,
        error=objective.error,
        optimizer=build_optimizer(config, steps * config.required("epochs"), family.factor, rates),
        clip_norm=config.clip_norm or None,
        penalty=_penalty(config, core),
        batch=batch,
        n_steps=steps * (stop_at or config.required("epochs")),
        devices=take_devices(config.device, len(X) if stream is None else stream.n_train),
        asked_precision=config.precision,
        augment=Augmentation.of(config, rows, networks, repeats),
        streamed=chunks is not None,
    )
    loop = open_loop(problem)
    run = (Epochs if chunks is None else partial(StreamedEpochs, chunks))(
        loop,
        problem,
        objective,
        held,
        repeats=repeats,
        epochs=config.required("epochs"),
        patience=config.required("patience"),
        steps=steps,
        batch=batch,
        seed=config.seed,
        has_start=init is not None,
    )
    run.to_the_end(told_in_unit(progress, config.objective, std), stop_at)
    outputs = run.unseen()
    chosen: tuple[int, ...] = tuple(range(repeats))
    kept: tuple[int, ...] = ()
    if repeats > 1 and stop_at is None:
        chosen = choose_repeats(held, repeats, outputs, problem.y, objective, problem.weight, config.served_repeats)
        if len(chosen) < repeats:
            kept = tuple(int(i) for i in networks_of(chosen, networks, repeats))
            smaller = core_of(len(kept), len(chosen))
            for variable, values in zip(smaller.trainable_variables, loop.weights(), strict=True):
                variable.assign(values[list(kept)])
            core = smaller
    unseen = [in_units(scaling, found) for found in outputs]
    effect = None
    if config.augment and stop_at is None:
        effect = effect_of(config, folds, repeats, unseen, y, chosen, weight)
    return Fitted(
        model=whole(schema, rows, core, scaling),
        best_epochs=tuple(int(e) for e in run.best_epochs),
        epochs=len(run.history["train"]),
        history=run.history,
        unseen=[unseen[i] for i in kept] if kept else unseen,
        notes=(effect.sentence,) if effect else (),
        networks=kept,
        computed=problem.computed,
        init=init,
        augmentation=effect,
    )


def _scaling(
    family: Family, objective: Objective, y: npt.NDArray[np.float64], mean: Float64, std: Float64
) -> TargetScaling:
    """From the networks' outputs to target units; a network's answers stay within ``y``, what it has seen."""
    # A line is asked to go on. An exponential that goes on is no line: rates stay within what was seen, too.
    bounded = family.bounded or objective.kind.link == "log"
    bounds = {"minimum": y.min(axis=0).tolist(), "maximum": y.max(axis=0).tolist()} if bounded else {}
    link: dict[str, Any] = {"link": objective.kind.link, "n_quantiles": objective.n_quantiles}
    return TargetScaling(mean.tolist(), std.tolist(), **bounds, **link, name="target")


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

"""Fits a family without a hidden layer: rows are reduced once, then the weights of all networks are solved for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.errors import DataError
from artifact.facts import sentences
from artifact.layers import SoftBound, StackedHeads, TargetScaling
from artifact.runtimes import NUMERIC_INPUT, Outputs
from training.families import FAMILIES
from training.families.settings import Samples
from training.families.solvers.columns import Line, columns_of, most_codes
from training.families.solvers.spread import LOG_SPREAD, log_spread
from training.families.solvers.systems import triangle
from training.families.solvers.task import Layout, Network, Solved, Task
from training.networks.inputs import Inputs, Preprocessed
from training.networks.model import Fitted, make_deterministic, whole
from training.objectives.kinds import in_target_unit
from training.table.folds import Fold
from training.table.split import Indices

Float64 = npt.NDArray[np.float64]
# A system of more columns takes gigabytes.
MOST_COLUMNS = 4_000
# The most numbers in one part of the rows, and the most rows that fit the spread.
_PART, _SPREAD_ROWS = 8_000_000, 20_000


def solve(samples: Samples, folds: Sequence[Fold], progress: Callable[[int, int, float], None] | None = None) -> Fitted:
    """Solve for the network of all rows, and for the networks that measure it, one for each fold.

    Args:
        samples: all rows, with the settings.
        folds: see :meth:`Layout.of`.
        progress: called once, with 1, 1 and the error of the final network's choice, as ``fit`` reports it.

    Returns:
        The fitted network; one epoch of its history is one step of the path that the penalty was chosen from.

    Raises:
        DataError: too many columns.
    """
    schema, y, config = samples.schema, samples.y, samples.config
    make_deterministic(config.seed)
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    mean, std = y[trained].mean(axis=0), y[trained].std(axis=0)
    std = np.where(std > 0, std, 1.0)
    net = _Net.of(samples, trained)
    rows = _Rows(net, (y - mean) / std, samples.weight)
    layout = Layout.of(folds, net.n_columns, config.seed)
    columns = columns_of(schema, net.rows, net.widths)
    # The products of a polynomial belong to no single feature of the table.
    groups = columns.of if len(columns.of) == net.n_columns else np.zeros(net.n_columns, np.int64)
    task = Task(
        triangles=np.stack([triangle(rows.parts(block)) for block in layout.blocks]),
        networks=[layout.final, *layout.measured],
        deviations=std,
        groups=groups,
        names=list(columns.features),
        config=config,
    )
    final, *others = [
        _Answering(solved, *rows.spread(_together(layout, network), solved, config.seed))
        for solved, network in zip(FAMILIES[config.required("model")].solved(task), task.networks, strict=True)
    ]
    net.take(final)
    scaling = TargetScaling(mean.tolist(), std.tolist(), name="target")
    train, validation = final.solved.errors
    progress = in_target_unit(progress, config.objective, std)
    if progress is not None:
        progress(1, 1, float(np.sqrt(max(0.0, validation[final.solved.step - 1]))))
    facts = [] if final.solved.chosen is None else [final.solved.chosen]
    if len(columns.of) == net.n_columns:
        line = Line(final.solved.weights * std, final.solved.intercept * std + mean, net.scale)
        facts += columns.coefficients(task.family, schema, net.rows.layer, line)
    return Fitted(
        model=whole(schema, net.rows, net.core, scaling),
        best_epochs=tuple(a.solved.step for a in others or [final]),
        epochs=len(train),
        history={"train": train.tolist(), "validation": validation.tolist()},
        unseen=[rows.answers(fold.validation, a, mean, std) for fold, a in zip(folds, others, strict=False)],
        notes=tuple(sentences(facts)),
        facts=tuple(facts),
    )


@dataclass(frozen=True, slots=True)
class _Answering:
    """A solved network with its spread's weights (n_columns, n_targets) and intercepts (n_targets,)."""

    solved: Solved
    spread_weights: Float64
    spread_intercepts: Float64


@dataclass(frozen=True, slots=True)
class _Net:
    """The network that takes the solved weights, and the inputs of its heads.

    Attributes:
        seen: Keras model of the heads' inputs.
        scale: divisors of the columns that are solved for, float64 (n_columns,). They standardise the missing flags as
            the numbers are, so that a penalty treats both alike.
    """

    rows: Preprocessed
    core: Any
    seen: Any
    scale: Float64
    n_bounded: int
    widths: tuple[int, ...]

    @classmethod
    def of(cls, samples: Samples, trained: Indices) -> _Net:
        schema, config, n_targets = samples.schema, samples.config, samples.y.shape[1]
        rows = Preprocessed.of(schema, samples.X, fitted_on=trained, squeeze=False, standard=True)
        inputs = Inputs.of(schema, rows, 1, config.seed, one_hot=most_codes(schema))
        plain = inputs.joined(name="plain")
        if plain.shape[-1] > MOST_COLUMNS:
            raise DataError(
                f"Expected at most {MOST_COLUMNS:,} columns for model={config.model}. Received: "
                f"{plain.shape[-1]:,}. Take --model mlp."
            )
        hidden = FAMILIES[config.required("model")].layers(inputs, config)
        # The spread must not run away where a row lies far from the others.
        bounded = SoftBound(name="bounded")(plain)
        value = StackedHeads(1, 1, n_targets, name="values")(hidden)
        spread = StackedHeads(1, 1, n_targets, stddev=0.0, name="log_spreads")(bounded)
        outputs = keras.layers.Concatenate(name="outputs")([value, spread])
        core = keras.Model(inputs.tensors, outputs, name=config.model)
        seen = keras.Model(inputs.tensors, {"hidden": hidden, "bounded": bounded})
        scale = np.ones(int(hidden.shape[-1]))
        if inputs.flags is not None and hidden.shape[-1] == plain.shape[-1]:
            flags = rows.features[NUMERIC_INPUT][trained, rows.n_numeric :].std(axis=0)
            scale[rows.n_numeric : rows.n_numeric + len(flags)] = np.where(flags > 0, flags, 1.0)
        return cls(rows, core, seen, scale, int(bounded.shape[-1]), inputs.widths)

    @property
    def n_columns(self) -> int:
        return len(self.scale)

    def features(self, rows: Indices) -> tuple[Float64, Float64]:
        """The inputs of the values' and the spreads' heads, float64 (n_rows, n_columns) and (n_rows, n_bounded)."""
        inputs = self.seen({name: values[rows][None] for name, values in self.rows.features.items()})
        hidden, bounded = (np.asarray(keras.ops.convert_to_numpy(inputs[k])[0]) for k in ("hidden", "bounded"))
        return hidden / self.scale, bounded.astype(np.float64)

    def take(self, network: _Answering) -> None:
        """Give the heads their weights."""
        for name, weights, intercepts in (
            ("values", network.solved.weights / self.scale[:, None], network.solved.intercept),
            ("log_spreads", network.spread_weights, network.spread_intercepts),
        ):
            self.core.get_layer(name).set_weights([weights[None, None], intercepts[None, None, None]])


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows as the heads see them, and the targets scaled to deviation 1."""

    net: _Net
    y: Float64
    weight: Float64 | None

    def parts(self, rows: Indices) -> Any:
        """Part by part: the columns 1, features and targets of rows, times the roots of the rows' weights."""
        for part in self._cut(rows):
            features, _ = self.net.features(part)
            columns = np.hstack([np.ones((len(part), 1)), features, self.y[part]])
            yield columns if self.weight is None else columns * np.sqrt(self.weight[part])[:, None]

    def spread(self, rows: Indices, solved: Solved, seed: int) -> tuple[Float64, Float64]:
        """Fit the logarithm of the errors' size on the rows, or on a sample: weights and intercepts."""
        if len(rows) > _SPREAD_ROWS:
            rows = np.random.default_rng(seed).choice(rows, _SPREAD_ROWS, replace=False)
        bounded, residuals = [], []
        for part in self._cut(np.sort(rows)):
            features, seen = self.net.features(part)
            bounded.append(seen)
            residuals.append(self.y[part] - features @ solved.weights - solved.intercept)
        return log_spread(np.concatenate(bounded), np.concatenate(residuals))

    def answers(self, rows: Indices, network: _Answering, mean: Float64, std: Float64) -> Outputs:
        """A network's answers in target units, (n_rows, n_targets) each."""
        values, spreads = [], []
        for part in self._cut(rows):
            features, seen = self.net.features(part)
            values.append(features @ network.solved.weights + network.solved.intercept)
            spreads.append(np.clip(seen @ network.spread_weights + network.spread_intercepts, *LOG_SPREAD))
        value, spread = np.concatenate(values) * std + mean, np.exp(np.concatenate(spreads)) * std
        return Outputs(value.astype(np.float32), spread.astype(np.float32))

    def _cut(self, rows: Indices) -> list[Indices]:
        size = max(1, _PART // (self.net.n_columns + self.net.n_bounded))
        return [rows[start : start + size] for start in range(0, len(rows), size)]


def _together(layout: Layout, network: Network) -> Indices:
    return np.concatenate([layout.blocks[b] for b in network.blocks])

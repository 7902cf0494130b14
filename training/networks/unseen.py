"""Answers of fitted networks, above all to rows that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import keras
import numpy as np
import numpy.typing as npt

from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from artifact.runtimes.chunks import chunks, join
from training.networks.model import Fitted, feed
from training.objectives.kinds import KINDS
from training.objectives.variance import Noise
from training.table.folds import Plan

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
# The most rows that a model answers at once.
_CHUNK = 16_384


class Rows(Protocol):
    """Rows, their plan and their objective, as :class:`training.prepare.in_memory.Prepared` has them."""

    @property
    def y(self) -> Float64:
        """float64 (n_samples, n_targets), offsets subtracted."""

    @property
    def plan(self) -> Plan:
        """Which rows train each network."""

    @property
    def objective(self) -> str:
        """Name of the objective."""

    def weights(self, indices: Int64) -> Float64 | None:
        """The weights of some rows, float64 (n_rows,), or None where all are equal."""

    def rows(self, indices: Int64) -> tuple[Encoded, Float64]:
        """Some rows and their targets."""


def answers(model: object, X: Encoded) -> Outputs:
    """A fitted Keras model's answers to rows, a chunk of them at a time."""
    call: Callable[..., dict[str, object]] = model  # type: ignore[assignment]
    names = [tensor.name for tensor in model.inputs]  # type: ignore[attr-defined]

    def run(part: Encoded) -> Outputs:
        tensors = call(feed(part, names), training=False)
        return Outputs(**{name: np.asarray(keras.ops.convert_to_numpy(tensor)) for name, tensor in tensors.items()})

    return join([run(Encoded(X.numeric[rows], X.categorical[rows])) for rows in chunks(len(X), _CHUNK)])


def rows_of(outputs: Outputs, rows: Int64) -> Outputs:
    """The answers to some of the rows."""
    return Outputs(*[None if values is None else values[rows] for values in outputs])  # type: ignore[arg-type]


def judging_rows(prepared: Rows) -> Int64:
    """The rows on which fitted models are compared: all rows, out of fold, or else the validation rows.

    Returns:
        int64 (n_rows,), indices into the table.
    """
    plan = prepared.plan
    return np.arange(len(prepared.y)) if plan.parts is None else plan.folds[0].validation


def judging_answers(prepared: Rows, fitted: Fitted) -> Outputs:
    """The networks' answers to :func:`judging_rows`; each row is answered by networks that did not train on it."""
    if prepared.plan.parts is None:
        return joint_unseen(prepared, fitted)
    X, _ = prepared.rows(judging_rows(prepared))
    return answers(fitted.model, X)


def joint_unseen(prepared: Rows, fitted: Fitted) -> Outputs:
    """Answers to each row by the networks that did not see it, one of each repeat, joined as in the model.

    Returns:
        float64 arrays (n_samples, ...), in target units, offsets subtracted.
    """
    plan, n = prepared.plan, len(prepared.y)
    cuts: list[dict[str, Float64]] = []
    folds = [plan.folds[i] for i in fitted.networks] if fitted.networks else plan.folds
    for start in range(0, len(folds), plan.per_cut):
        cut: dict[str, Float64] = {}
        of_cut = slice(start, start + plan.per_cut)
        for fold, outputs in zip(folds[of_cut], fitted.unseen[of_cut], strict=True):
            for name, values in outputs._asdict().items():
                if values is not None:
                    cut.setdefault(name, np.zeros((n, *values.shape[1:])))[fold.validation] = values
        cuts.append(cut)
    together = {name: np.mean([cut[name] for cut in cuts], axis=0) for name in cuts[0]}
    if KINDS[prepared.objective].link == "normal" and "spread" in together:
        variances = np.mean([np.square(cut["spread"]) for cut in cuts], axis=0)
        variances += np.var([cut["value"] for cut in cuts], axis=0)
        if fitted.noise is not None:
            variances = _corrected(prepared, prepared.y - together["value"], variances)
        together["spread"] = np.sqrt(variances)
    return Outputs(**together)


def with_noise(prepared: Rows, fitted: Fitted) -> Fitted:
    """The networks, with variances of normal distributions corrected on rows that they have not seen."""
    if KINDS[prepared.objective].link != "normal" or not fitted.unseen:
        return fitted
    rows = judging_rows(prepared)
    outputs = judging_answers(prepared, fitted)
    spread = np.asarray(outputs.spread, np.float64)
    noise = Noise.fit(prepared.y[rows] - outputs.value, np.square(spread), prepared.weights(rows))
    noise.into(fitted.model.get_layer("target"))
    return replace(fitted, noise=noise)


def _corrected(prepared: Rows, error: Float64, variance: Float64) -> Float64:
    """Variances, float64 (n_samples, n_targets), which are corrected for each fold on the rows of the others."""
    corrected, everything = np.zeros_like(variance), np.arange(len(variance))
    for fold in prepared.plan.first_cut:
        others = np.setdiff1d(everything, fold.validation)
        noise = Noise.fit(error[others], variance[others], prepared.weights(others))
        corrected[fold.validation] = noise.variance(variance[fold.validation])
    return corrected

"""Model families by name: hidden layers that are trained, weights that are solved for, and boosted trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.families import elastic_net, lasso, linear, mlp, polynomial, realmlp, ridge, stepwise
from training.families.solvers.task import Solver
from training.networks.inputs import Inputs
from training.settings.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    Attributes:
        build: from inputs and configuration to the last hidden layer,
            (n_networks, n_members * n_samples, width).
        squeeze: bound the scaled numbers softly, see :class:`artifact.layers.NumericPreprocessing`.
        bounded: keep answers within the seen targets; a line is asked to go on.
        ntk: the heads' parametrisation, see :class:`artifact.layers.StackedDense`.
        factor: of the learning rate, by a weight's path, ``layer/name``; None: 1.
        solver: finds the weights of one layer of heads on the hidden layer exactly, in place of a loop over epochs;
            the hidden layer then has no weights, numbers are standardised and categories one-hot. None: trained.
    """

    build: Callable[[Inputs, TrainConfig], Any]
    squeeze: bool = True
    bounded: bool = True
    ntk: bool = False
    factor: Callable[[str], float] | None = None
    solver: Solver | None = None


def _solved(build: Callable[[Inputs, TrainConfig], Any], solver: Solver) -> Family:
    return Family(build, squeeze=False, bounded=False, solver=solver)


FAMILIES: dict[str, Family] = {
    "tabm": Family(mlp.build),
    "mlp": Family(mlp.build),
    "realmlp": Family(realmlp.build, ntk=True, factor=realmlp.factor),
    "linear": _solved(linear.build, linear.solve),
    "ridge": _solved(linear.build, ridge.solve),
    "lasso": _solved(linear.build, lasso.solve),
    "elastic-net": _solved(linear.build, elastic_net.solve),
    "polynomial": _solved(polynomial.build, polynomial.solve),
    "stepwise": _solved(linear.build, stepwise.solve),
}

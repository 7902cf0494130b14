"""Linear regression as a network without a hidden layer, by least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.families.family import Family
from training.families.settings import Settings
from training.families.solvers.systems import Systems
from training.families.solvers.task import Choice, Float64, Solved, Solver, Task, choose

if TYPE_CHECKING:
    from training.networks.inputs import Inputs

# The settings of a loop over epochs; a solver reads none of them.
DEFAULTS: dict[str, Any] = {"hidden": (1,), "activation": "relu", "dropout": 0.0, "members": 1, "learning_rate": 1e-2}


def line(name: str, summary: str, solver: Solver, **more: Any) -> Family:
    """A family without a hidden layer; a solver minimises its squared error."""
    fields: dict[str, Any] = {"build": build, "trains": False, "defaults": DEFAULTS, "shape": "line", **more}
    return Family(name, summary, solver=solver, solves=("mse",), squeeze=False, bounded=False, **fields)


def build(inputs: Inputs, config: Settings) -> Any:  # noqa: ARG001 - the families share a signature
    """Pass the scaled numbers, flags and categories straight to the heads."""
    from artifact.layers import JoinFeatures

    return JoinFeatures(inputs.networks, name="each_network")([inputs.joined()])


def solve(task: Task) -> list[Solved]:
    """Solve as scikit-learn's LinearRegression; collinear columns get the weights of least norm."""

    def path(systems: Systems) -> tuple[Float64, Choice]:
        weights = np.stack([systems.least_squares(i) for i in range(len(systems))])
        return weights[:, None], lambda step: None  # noqa: ARG005 - there is one step

    return choose(task, path, n_steps=1)


FAMILY = line(
    "linear",
    "A line: no hidden layer, embedding or bound.",
    solve,
    rank=40,
    trains=True,
    line="linear model",
    baseline="glm",
    like="`LinearRegression`; collinear columns get the weights of least norm",
)

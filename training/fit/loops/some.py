"""Some of a loop's networks: their problem, and the state that training has brought them to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt

from training.fit.loops.problem import Problem
from training.fit.optimizers import optimizer_of_some

Arrays = list[npt.NDArray[Any]]


class State(NamedTuple):
    """All that steps change; another loop can go on from it.

    Attributes:
        weights: the trainable weights, each (n_networks, ...).
        others: variables of the core that are not trained: the states of its random draws.
        slots: variables of the optimiser: one number for all networks, or (n_networks, ...).
        draws: the states of augmentation's random draws.
    """

    weights: Arrays
    others: Arrays
    slots: Arrays
    draws: Arrays

    def some(self, networks: Sequence[int] | slice) -> Self:
        """The state of some of the networks."""
        n, numbers = len(self.weights[0]), networks if isinstance(networks, slice) else list(networks)

        def of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return values[numbers] if values.ndim > 1 and len(values) == n else values

        return type(self)(*([of(values) for values in group] for group in self))

    @classmethod
    def joined(cls, shares: Sequence[Self]) -> Self:
        """The state of all networks from those of its shares, in their order."""

        def of(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
            by_network = values[0].ndim > 1 and all(
                len(v) == len(share.weights[0]) for v, share in zip(values, shares, strict=True)
            )
            return np.concatenate(values) if by_network else values[0]

        groups = zip(*shares, strict=True)
        return cls(*([of(values) for values in zip(*group, strict=True)] for group in groups))


def some_of(problem: Problem, networks: Sequence[int]) -> Problem:
    """The problem of some of the networks. It copies their weights, keeps their draws, and is compiled if the whole is.

    Args:
        problem: the problem of all networks.
        networks: numbers of these networks, ascending.
    """
    numbers = list(networks)

    def cut(layer: Any) -> Any:
        config = layer.get_config()
        if "networks" in config:
            config["networks"] = len(numbers)
        if "rates" in config:
            config["rates"] = [config["rates"][i] for i in numbers]
        if "first" in config:
            # The draws for a network depend on its number among all networks that there were.
            config["numbers"] = [layer.numbers[i] for i in numbers]
        return type(layer).from_config(config)

    core = keras.models.clone_model(problem.core, clone_function=cut)
    for mine, of_all in zip(core.trainable_variables, problem.core.trainable_variables, strict=True):
        mine.assign(keras.ops.convert_to_numpy(of_all)[numbers])
    optimizer = optimizer_of_some(problem.update.optimizer, numbers)
    return replace(
        problem,
        core=core,
        update=problem.update._replace(optimizer=optimizer),
        hardware=problem.hardware._replace(compiled=problem.pays_compiling),
        augment=None if problem.augment is None else problem.augment.some(numbers),
    )

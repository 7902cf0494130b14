"""Compiled training loops: data on the device once, many steps a call, no Python between them. One for each backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError

if TYPE_CHECKING:
    from training.fit.loops.problem import Problem, Table
    from training.fit.loops.some import State

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
BACKENDS = ("tensorflow", "jax")


class Loop(Protocol):
    """Trains the networks of a :class:`Problem`.

    Attributes:
        problem: what it trains.
    """

    problem: Problem

    def run(self, rows: Int32) -> Float32:
        """Take steps.

        Args:
            rows: int32 (n_steps, n_networks, batch_size), the rows of each step and network.

        Returns:
            float32 (2, n_networks), loss and error, means over the steps.
        """

    def outputs(self, rows: Int32) -> Float32:
        """What each network answers to its own rows.

        Args:
            rows: int32 (n_networks, n_samples).

        Returns:
            float32 (n_networks, n_members, n_samples, n_outputs).
        """

    def replace(self, table: Table) -> None:
        """Go on with other rows in place of those of a problem that is streamed, without compiling anew.

        Args:
            table: of the same shapes; it is the loop's from now on and must not be written to.
        """

    def state(self) -> State:
        """Copies of all that steps change."""

    def set_state(self, state: State) -> None:
        """Go on from a state of another loop of the same networks."""

    def weights(self) -> list[npt.NDArray[Any]]:
        """Copies of the trainable weights, each (n_networks, ...)."""

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        """Put weights back, on the device and in the Keras model."""


def open_loop(problem: Problem) -> Loop:
    """The loop of the backend that Keras runs on.

    Raises:
        TruelineError: a backend that Trueline does not train on.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        from training.fit.loops.dealt import DealtLoop, n_shares
        from training.fit.loops.tensorflow import TensorFlowLoop

        shares = n_shares(problem)
        return DealtLoop(problem, shares) if shares > 1 else TensorFlowLoop(problem)
    if backend == "jax":
        from training.fit.loops.jax import JaxLoop

        return JaxLoop(problem)
    raise TruelineError(f"Expected KERAS_BACKEND to be one of {', '.join(BACKENDS)} for training. Received: {backend}.")


def reopened(loop: Loop, networks: Sequence[int]) -> Loop:
    """A loop that goes on with some of the networks, compiled anew for as many.

    Each learns what it would learn beside all others, but for rounding: sums of another shape may be added up in
    another order. Random draws are those that each would have.

    Args:
        loop: of all networks; it is not to be used any more.
        networks: numbers of some of them, ascending.
    """
    from training.fit.loops.some import some_of

    state = loop.state().some(networks)
    smaller = open_loop(some_of(loop.problem, networks))
    smaller.set_state(state)
    return smaller

"""Compiled training loops, one for each backend: data goes to the device once, and one call takes many steps."""

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
        problem: the networks that it trains, and how.
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
        """Each network's outputs for its own rows.

        Args:
            rows: int32 (n_networks, n_samples).

        Returns:
            float32 (n_networks, n_members, n_samples, n_outputs).
        """

    def replace(self, table: Table) -> None:
        """Replace the rows of a streamed problem, without compiling again.

        Args:
            table: rows of the same shapes; the caller must not write to them afterwards.
        """

    def state(self) -> State:
        """Copies of all that steps change."""

    def set_state(self, state: State) -> None:
        """Go on from the state of another loop of the same networks."""

    def weights(self) -> list[npt.NDArray[Any]]:
        """Copies of the trainable weights, each (n_networks, ...)."""

    def set_weights(self, weights: list[npt.NDArray[Any]]) -> None:
        """Put weights back, on the device and in the Keras model."""


def open_loop(problem: Problem) -> Loop:
    """The loop of the backend that Keras runs on.

    Raises:
        TruelineError: Trueline does not train on that backend.
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

    Each network learns the same as beside all others, but for rounding: sums of another shape may be added in another
    order. Its random draws are the same.

    Args:
        loop: the loop of all networks; it must not be used afterwards.
        networks: numbers of these networks, ascending.
    """
    from training.fit.loops.some import some_of

    state = loop.state().some(networks)
    smaller = open_loop(some_of(loop.problem, networks))
    smaller.set_state(state)
    return smaller

"""Compiled training loops: data on the device once, many steps a call, no Python between them. One for each backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError

if TYPE_CHECKING:
    from training.fit.loops.problem import Problem, Table

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
BACKENDS = ("tensorflow", "jax")


class Loop(Protocol):
    """Trains the networks of a :class:`Problem`."""

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

"""The problem that a loop trains: networks side by side, their data, loss and optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from training.devices.computed import Computed
from training.devices.devices import Device
from training.devices.distribution import Distribution
from training.devices.precision import precision_of
from training.fit.augmentation import Augmentation

# Loss of each answer: targets (n_networks, 1, n_samples, n_targets) and outputs
# (n_networks, n_members, n_samples, n_outputs) -> (n_networks, n_members, n_samples).
Loss = Callable[[Any, Any], Any]


# XLA takes 2 to 3 s to compile. That pays after this many steps of any size, since each saves about a millisecond.
# Where steps are large, it pays after this many products of weights and rows.
_MANY_STEPS = 2_500
_MANY_PRODUCTS = 100_000_000_000


class Table(NamedTuple):
    """Rows as a loop takes them.

    Attributes:
        features: by input name, (n_samples, width).
        y: float32 (n_samples, n_targets), as the loss takes them.
        weight: float32 (n_samples,), or None.
    """

    features: dict[str, npt.NDArray[Any]]
    y: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32] | None


class Minimised(NamedTuple):
    """Two losses of each answer, both with the shapes of :data:`Loss`.

    Attributes:
        loss: the loss that is minimised.
        error: the error that a person is shown.
    """

    loss: Loss
    error: Loss


class Update(NamedTuple):
    """How gradients change weights.

    Attributes:
        optimizer: an optimiser of Keras, not built yet.
        clip_norm: the gradient of each network is scaled down to this norm; None: it is not.
        penalty: function of the trainable variables whose value is added to the loss; None: nothing.
    """

    optimizer: Any
    clip_norm: float | None = None
    penalty: Callable[[list[Any]], Any] | None = None


class Steps(NamedTuple):
    """How long a run is.

    Attributes:
        batch: rows of one step and network.
        epoch: steps of one epoch.
        total: steps of the whole run.
    """

    batch: int = 0
    epoch: int = 0
    total: int = 0


class Hardware(NamedTuple):
    """The devices that compute, and how they do.

    Attributes:
        devices: the devices that compute; none for the CPU.
        precision: the setting ``precision``.
        compiled: whether TensorFlow's steps are compiled by XLA; None: where it pays.
    """

    devices: tuple[Device, ...] = ()
    precision: str = "float32"
    compiled: bool | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Networks side by side.

    Attributes:
        core: Keras model, features (n_networks, n_samples, width) by input name ->
            (n_networks * n_members, n_samples, n_outputs). Every weight has the networks as its leading axis.
        members: number of members of each network.
        rows: the rows, as the loss takes them.
        minimised: loss and error.
        update: optimiser, clipping and penalty.
        steps: number of steps, and of rows in each.
        hardware: the devices that compute.
        augment: changes the rows of a step before the networks see them; None: they stay.
        streamed: whether :meth:`training.fit.loops.Loop.replace` will be called.
    """

    core: Any
    members: int
    rows: Table
    minimised: Minimised
    update: Update
    steps: Steps = field(default_factory=Steps)
    hardware: Hardware = field(default_factory=Hardware)
    augment: Augmentation | None = None
    streamed: bool = False

    @property
    def networks(self) -> int:
        """Number of networks."""
        return int(self.core.trainable_variables[0].shape[0])

    @property
    def products(self) -> int:
        """How many products of weights and rows one step of all networks takes."""
        return self.steps.batch * self.members * sum(int(math.prod(v.shape)) for v in self.core.trainable_variables)

    @property
    def pays_compiling(self) -> bool:
        """Whether the run is so long that compiling its steps to machine code pays.

        Compiling joins all operations but the products: it saves passes over memory on a CPU, and launches of
        operations on a GPU. Sizes alone decide, not a clock, so that the same run is computed in the same way each
        time.
        """
        if self.hardware.compiled is not None:
            return self.hardware.compiled
        total, products = self.steps.total, self.products
        return products > 0 and (total >= _MANY_STEPS or total * products >= _MANY_PRODUCTS)

    @property
    def precision(self) -> str:
        return precision_of(self.hardware.precision, self.hardware.devices, self.products)

    @property
    def distribution(self) -> Distribution:
        return Distribution.of(self.hardware.devices, self.networks, self.steps.batch)

    @property
    def computed(self) -> Computed:
        """What computes the steps, for the log and the lineage."""
        shared = self.distribution
        return Computed(
            keras.backend.backend(),
            ", ".join(str(d) for d in self.hardware.devices[: shared.n_devices]) or "cpu:0",
            self.precision,
            shared.sentence(self.networks, self.steps.batch),
        )

    def losses(self, y: Any, weight: Any, outputs: Any) -> Any:
        """Mean loss, then mean error, of each network, (2, n_networks).

        A network's loss is the mean of its members' losses, never the loss of their mean.
        """
        outputs, y = self.by_member(outputs), ops.expand_dims(y, 1)
        both = ops.stack([self.minimised.loss(y, outputs), self.minimised.error(y, outputs)])
        if weight is not None:
            both = both * ops.expand_dims(weight, 1)
        return ops.mean(both, axis=(2, 3))

    def by_member(self, outputs: Any) -> Any:
        """(n_networks * n_members, n_samples, n_outputs) -> (n_networks, n_members, n_samples, n_outputs)."""
        return ops.reshape(outputs, (self.networks, self.members, -1, outputs.shape[-1]))

    def clipped(self, gradients: list[Any]) -> list[Any]:
        """Scale down the gradient of each network on its own, as if it were trained alone."""
        clip_norm = self.update.clip_norm
        if clip_norm is None:
            return gradients
        dense = [ops.convert_to_tensor(g) for g in gradients]
        squares = [ops.sum(ops.square(ops.reshape(g, (self.networks, -1))), axis=1) for g in dense]
        norm = ops.sqrt(sum(squares[1:], squares[0]))
        factor = ops.minimum(1.0, clip_norm / (norm + 1e-6))
        return [g * ops.reshape(factor, (self.networks,) + (1,) * (len(g.shape) - 1)) for g in dense]

    @property
    def table(self) -> Table:
        """The rows, with the features that the core takes."""
        return self.rows._replace(features={name: self.rows.features[name] for name in self.inputs})

    @property
    def inputs(self) -> list[str]:
        return [tensor.name for tensor in self.core.inputs]


def chunks(n_rows: int, networks: int, members: int) -> int:
    """Rows in one call of :meth:`Loop.outputs`, so that its tensors stay within some 100 MB."""
    return max(64, min(n_rows, 400_000 // max(1, networks * members)))


def evaluated(loop_outputs: Callable[[Any], Any], rows: npt.NDArray[np.int32], size: int) -> npt.NDArray[np.float32]:
    """Outputs for rows, int32 (n_networks, n_samples), in chunks; the last is filled up, so that all have one shape."""
    n = rows.shape[1]
    parts = []
    for start in range(0, n, size):
        part = rows[:, start : start + size]
        filled = np.pad(part, ((0, 0), (0, size - part.shape[1])), mode="edge") if part.shape[1] < size else part
        outputs = np.asarray(keras.ops.convert_to_numpy(loop_outputs(filled)))
        parts.append(outputs[:, :, : part.shape[1]])
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

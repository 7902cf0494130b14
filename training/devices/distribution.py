"""How several devices share the steps of training: each takes some of the networks, or some rows of each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras

from training.devices.devices import Device

# Names of the axes that a tensor may be cut along, as layouts name them.
NETWORKS, BATCH = "networks", "batch"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A way of sharing.

    Attributes:
        axis: ``networks``: every device trains networks of its own, which share no weight, so no gradient travels.
            ``batch``: Keras's data parallelism, every device takes its rows of each batch, and the gradients are added
            up at each step. Empty: one device does it all.
        handles: of the devices, as Keras names them.
    """

    axis: str
    handles: tuple[str, ...]

    @classmethod
    def of(cls, devices: Sequence[Device], networks: int, batch: int) -> Self:
        """Share as evenly as can be: the networks, or else the rows; among fewer devices where neither divides.

        Args:
            devices: that may compute.
            networks: how many train side by side.
            batch: rows of a step of each.
        """
        handles = tuple(device.handle for device in devices)
        for n in range(len(handles), 1, -1):
            for axis, size in ((NETWORKS, networks), (BATCH, batch)):
                if size and size % n == 0:
                    return cls(axis, handles[:n])
        return cls("", handles[:1])

    @property
    def n_devices(self) -> int:
        return max(1, len(self.handles))

    def sentence(self, networks: int, batch: int) -> str:
        """For the log and the lineage."""
        if self.axis == NETWORKS:
            return f"{networks} networks shared among {self.n_devices} devices"
        if self.axis == BATCH:
            return f"batches of {batch} rows shared among {self.n_devices} devices"
        return "one device"

    def layout(self, *axes: str | None) -> Any:
        """Where a tensor with these axes lies, as the backend takes it; None where one device holds everything.

        Args:
            axes: a name or None for each of the first axes; a name is cut where this distribution cuts by it.
        """
        if not self.axis:
            return None
        cut = [axis if axis == self.axis else None for axis in axes]
        return keras.distribution.TensorLayout(cut, self._mesh()).backend_layout

    def _mesh(self) -> Any:
        if self.axis == BATCH:
            return keras.distribution.DataParallel(devices=list(self.handles), auto_shard_dataset=False).device_mesh
        return keras.distribution.DeviceMesh((self.n_devices,), [self.axis], list(self.handles))

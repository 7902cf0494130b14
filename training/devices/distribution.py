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
    """How devices share the steps.

    Attributes:
        axis: ``networks``: every device trains networks of its own; these share no weight, so no gradients are
            exchanged. ``batch``: Keras's data parallelism; every device takes its rows of each batch, and the gradients
            are added up at each step. Empty: one device computes everything.
        handles: the devices, as Keras names them.
    """

    axis: str
    handles: tuple[str, ...]

    @classmethod
    def of(cls, devices: Sequence[Device], networks: int, batch: int) -> Self:
        """Share the networks evenly, or else the rows; take fewer devices where neither can be shared evenly.

        Args:
            devices: the devices that may compute.
            networks: number of networks that train side by side.
            batch: rows of a step of each network.
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
        """The distribution in words, for the log and the lineage."""
        if self.axis == NETWORKS:
            return f"{networks} networks shared among {self.n_devices} devices"
        if self.axis == BATCH:
            return f"batches of {batch} rows shared among {self.n_devices} devices"
        return "one device"

    def layout(self, *axes: str | None) -> Any:
        """The layout of a tensor with these axes, as the backend takes it; None where one device computes everything.

        Args:
            axes: a name or None for each of the first axes. An axis is cut if this distribution cuts by its name.
        """
        if not self.axis:
            return None
        cut = [axis if axis == self.axis else None for axis in axes]
        return keras.distribution.TensorLayout(cut, self._mesh()).backend_layout

    def _mesh(self) -> Any:
        if self.axis == BATCH:
            return keras.distribution.DataParallel(devices=list(self.handles), auto_shard_dataset=False).device_mesh
        return keras.distribution.DeviceMesh((self.n_devices,), [self.axis], list(self.handles))

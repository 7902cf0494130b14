"""Where a version came from: its table and settings, what computed it, and the version that it started from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

# How the lineage names a table that came from no file, by the library of its frame.
IN_MEMORY = {"polars": "a polars DataFrame", "pandas": "a pandas DataFrame", "pyarrow": "a pyarrow Table"}


class Frozen(BaseModel):
    """A record that is written once."""

    model_config = ConfigDict(frozen=True)


class Ancestor(Frozen):
    """A version from whose weights another one started, and the table that trained it."""

    model_name: str
    model_version: str
    data_fingerprint: str


class Init(Frozen):
    """The earlier version that training started from.

    Attributes:
        model_name, model_version: names of the model and version that training started from.
        agreed: names of the weights that were taken over, for all features or for some, as ``layer/weight``.
        anew: names of the weights of which no part was taken over.
        features_anew: features that the earlier version did not have, or had with other values or of another kind.
        features_left: features of the earlier version that this one does not have.
        seen: the earlier version was trained on about this share of the rows that measure this one; golden rows give
            the estimate.
        ancestors: the earlier version and those that it started from in turn, the nearest first.
    """

    model_name: str
    model_version: str
    agreed: tuple[str, ...]
    anew: tuple[str, ...]
    features_anew: tuple[str, ...] = ()
    features_left: tuple[str, ...] = ()
    seen: float = 0.0
    ancestors: tuple[Ancestor, ...] = ()


class Lineage(Frozen):
    """Where a version came from: all that is needed to train it again.

    Attributes:
        data: the path or ``dataset:`` name as it was given; for a table in memory a value of :data:`IN_MEMORY`.
        data_fingerprint: sha256 of the table's columns and values, independent of the file format.
        rows, columns: number of rows and columns of the table, as it was read.
        parts: rows of each part: ``train``, ``validation``, ``calibration``, ``test``.
        git_commit: commit of the working folder, with ``+dirty`` where it had changes; None outside a checkout.
        packages: the packages that computed the weights, name to version.
        config: the full training configuration.
        seconds: wall time of ``train``.
        backend, device: Keras's backend and the devices that it ran on; GPUs have the names that their driver gives.
        precision: precision of the products in a training step; the stored weights are float32.
        distribution: how several devices shared the work.
        init: the earlier version that training started from, or None.
        command: the words after ``trueline train``, without options that only show or promote the version; empty
            where training was started in another way.
        made_by: ``train``, or the command that made it from an earlier version, which the recipe names.
    """

    data: str
    data_fingerprint: str
    rows: int
    columns: int
    parts: dict[str, int]
    seed: int
    git_commit: str | None
    packages: dict[str, str]
    config: dict[str, Any]
    seconds: float
    backend: str
    device: str
    # Versions that were written before GPUs could be chosen do not have these.
    precision: str = "float32"
    distribution: str = "one device"
    init: Init | None = None
    command: tuple[str, ...] = ()
    made_by: Literal["train", "refit", "finetune", "recalibrate"] = "train"

    @property
    def was_in_memory(self) -> bool:
        """Whether the table came from no file, so that no command can name it."""
        return self.data in IN_MEMORY.values()

    @property
    def computed(self) -> str:
        """Backend, device and precision that computed the weights, in words."""
        several = "" if self.distribution == "one device" else f", {self.distribution}"
        return f"{self.backend} on {self.device}, {self.precision}{several}"

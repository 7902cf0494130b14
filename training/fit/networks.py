"""The networks of a population before their first step: their rows, their core and the scale of their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from artifact.layers import TargetScaling
from artifact.lineage import Init
from artifact.runtimes import Outputs
from training.families import FAMILIES
from training.fit.loops.problem import Table
from training.fit.population import Population
from training.networks.inputs import Inputs, Preprocessed, heads
from training.networks.model import in_units, whole
from training.objectives import objective_of
from training.objectives.base import Objective
from training.objectives.kinds import scale_of
from training.prepare.in_memory import Prepared
from training.table.split import Indices
from training.transfer.start import Start

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Networks:
    """The rows that a population learns from, and the parts that its networks are built from.

    Attributes:
        prepared: rows and settings.
        rows: the rows, preprocessed once, as the core takes them.
        mean, std: mean and deviation of each target, float64 (n_targets,), offsets subtracted.
        scaling: the layer from the core's outputs to target units.
        edges: bin edges that are kept from an earlier version, by column.
        start: the earlier version's network, or None.
    """

    prepared: Prepared
    rows: Preprocessed
    mean: Float64
    std: Float64
    scaling: Any
    edges: Mapping[int, Sequence[float]]
    start: Start | None

    @classmethod
    def of(cls, prepared: Prepared, trained: Indices) -> Self:
        """Take statistics of the rows that train.

        Args:
            prepared: rows and settings.
            trained: int64 (n_rows,), the rows that train some network.

        Raises:
            ArtifactError: the earlier version's network cannot be read.
        """
        config = prepared.config
        start = None if prepared.earlier is None else Start.open(prepared.earlier, prepared.schema)
        keep = None if start is None else start.statistics
        squeeze = FAMILIES[config.required("model")].squeeze
        rows = Preprocessed.of(prepared.schema, prepared.X, fitted_on=trained, squeeze=squeeze, keep=keep)
        edges = {} if start is None else start.edges(rows.layer, config)
        y, stream = prepared.y[trained], prepared.stream
        if stream is None:
            mean, std = scale_of(config.objective, y, prepared.weights(trained))
        else:
            mean, std = stream.scale(config.objective)
            y = np.stack(stream.ends())
        scaling = _scaling(prepared, y, mean, std)
        return cls(prepared, rows, mean, std, scaling if start is None else start.scaling(scaling), edges, start)

    @property
    def objective(self) -> Objective:
        """The objective that is minimised."""
        return objective_of(self.prepared.config)

    def core(self, population: Population) -> Any:
        """A Keras model of a population's networks, with random weights."""
        config, n_targets = self.prepared.config, self.prepared.y.shape[1]
        family, networks = FAMILIES[config.required("model")], len(population)
        dropout = population.dropout
        inputs = Inputs.of(self.prepared.schema, self.rows, networks, config.seed, dropout=dropout, edges=self.edges)
        n_values, n_spreads = self.objective.n_values(n_targets), self.objective.n_spreads(n_targets)
        hidden = family.layers(inputs, config)
        outputs = heads(hidden, networks, config.required("members"), n_values, n_spreads, ntk=family.ntk)
        return keras.Model(inputs.tensors, outputs, name=config.model)

    def started(self, core: Any, population: Population) -> Init | None:
        """Give a core the weights of the earlier version, if there is one.

        Returns:
            What agreed and what starts anew; None without an earlier version.

        Raises:
            DataError: nothing in the earlier version agrees with the new table.
        """
        if self.start is None:
            return None
        return self.start.into(core, self.rows.layer, self.scaling, self.prepared.config, population.numbers)

    @property
    def table(self) -> Table:
        """All rows in memory, as the loss takes them."""
        weight = self.prepared.weight
        y = ((self.prepared.y - self.mean) / self.std).astype(np.float32)
        return Table(self.rows.features, y, None if weight is None else weight.astype(np.float32))

    def in_units(self, outputs: npt.NDArray[np.float32]) -> Outputs:
        """Outputs of networks, float32 (n_members, n_samples, n_outputs), as their answers in target units."""
        return in_units(self.scaling, outputs)

    def model(self, core: Any) -> Any:
        """One Keras model that takes a request's rows and answers by all networks of a core."""
        return whole(self.prepared.schema, self.rows, core, self.scaling)


def _scaling(prepared: Prepared, y: Float64, mean: Float64, std: Float64) -> Any:
    """The layer from outputs to target units; a network's answers stay within the range of the seen ``y``."""
    objective, family = objective_of(prepared.config), FAMILIES[prepared.config.required("model")]
    # A line may extrapolate. An exponential would grow too fast: rates stay within the seen range, too.
    bounded = family.bounded or objective.kind.link == "log"
    bounds = {"minimum": y.min(axis=0).tolist(), "maximum": y.max(axis=0).tolist()} if bounded else {}
    link: dict[str, Any] = {"link": objective.kind.link, "n_quantiles": objective.n_quantiles}
    return TargetScaling(mean.tolist(), std.tolist(), **bounds, **link, name="target")

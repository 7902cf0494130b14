"""An earlier version's network, loaded so that another can start from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from artifact.errors import ArtifactError, DataError
from artifact.layers import NumericPreprocessing, TargetScaling
from artifact.lineage import Init
from artifact.manifest import KERAS_MODEL
from artifact.rows.schema import FIRST_CATEGORY_CODE, FeatureSchema
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from training.settings.config import TrainConfig
from training.transfer.carry import FIRST, HEADS, Match, carried
from training.transfer.earlier import FROM_THE_BEGINNING, Earlier
from training.transfer.features import by_name
from training.transfer.heads import Rescaled, shared_targets
from training.transfer.layout import Layout, common_columns, with_statistics_of

Float32 = npt.NDArray[np.float32]
# Links whose values are means in standard deviations of the target.
_MEANS = {"identity", "normal"}


@dataclass(frozen=True, slots=True)
class Start:
    """The earlier version's network, from which a run takes statistics, bounds and weights.

    Attributes:
        earlier: the version.
        schema: schema of the new rows.
        core: the earlier network, from features to outputs.
        preprocessing: its layer that prepares numbers, or None.
        target: its layer that scales the target.
    """

    earlier: Earlier
    schema: FeatureSchema
    core: Any
    preprocessing: Any
    target: Any

    @classmethod
    def open(cls, earlier: Earlier, schema: FeatureSchema) -> Self:
        """Load the network.

        Raises:
            ArtifactError: its file is not a model of Trueline's.
        """
        path = earlier.folder / KERAS_MODEL
        try:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise ArtifactError(f"Expected a Keras model in {path}. Received: {error}.") from error

        def layer_of(kind: type[Any]) -> Any:
            return next((layer for layer in model.layers if isinstance(layer, kind)), None)

        core, target = layer_of(keras.Model), layer_of(TargetScaling)
        if core is None or target is None:
            raise ArtifactError(f"Expected a network of Trueline's layers in {path}. Received: {model.name}.")
        return cls(earlier, schema, core, layer_of(NumericPreprocessing), target)

    def statistics(self, fresh: Any) -> Any:
        """The preprocessing of the new rows, with the earlier statistics for columns that agree."""
        return with_statistics_of(self.earlier.schema, self.preprocessing, self.schema, fresh)

    def edges(self, preprocessing: Any, config: TrainConfig) -> dict[int, list[float]]:
        """Bin edges that numbers keep, by column; none where the settings have another number of bins."""
        before = self._layer("embedding")
        if not hasattr(before, "edges") or self.earlier.config.get("embedding_bins") != config.embedding_bins:
            return {}
        return {j: before.edges[i] for j, i in self._columns(preprocessing).items()}

    def scaling(self, fresh: Any) -> Any:
        """The scaling of the new targets, which allows answers in the range that either version has seen."""
        if fresh.minimum is None or self.target.minimum is None:
            return fresh
        config = fresh.get_config()
        for target in shared_targets(self.earlier.schema, self.target, self.schema, fresh):
            j, i = target.new, target.old
            offset = self.earlier.schema.targets[i].offset - self.schema.targets[j].offset
            config["minimum"][j] = min(fresh.minimum[j], self.target.minimum[i] + offset)
            config["maximum"][j] = max(fresh.maximum[j], self.target.maximum[i] + offset)
        return type(fresh).from_config(config)

    def into(
        self,
        core: Any,
        preprocessing: Any,
        scaling: Any,
        config: TrainConfig,
        networks: tuple[int, ...] = (),
    ) -> Init:
        """Give a new core the earlier weights.

        Args:
            core: a core with random weights.
            preprocessing: the layer that prepares its numbers, from :meth:`statistics`; or None.
            scaling: the scaling of its targets.
            config: its settings, resolved.
            networks: number of each network in its trial, which says whose weights it takes. Defaults to all in order.

        Returns:
            The weights that agreed, and those that start anew.

        Raises:
            DataError: no feature or no layer agrees.
        """
        numbers = networks or tuple(range(int(core.trainable_weights[0].shape[0])))
        match = self._match(core, preprocessing, scaling, config, numbers)
        before = {layer.name: layer for layer in self.core.layers}
        agreed: list[str] = []
        anew: list[str] = []
        for layer in core.layers:
            old = before.get(layer.name)
            weights = {v.name: _weights_of(v, numbers) for v in old.trainable_weights} if old is not None else {}
            for variable in layer.trainable_weights:
                values = None
                if variable.name in weights:
                    fresh = np.asarray(keras.ops.convert_to_numpy(variable))
                    values = carried(match, layer, old, variable.name, fresh, weights)
                if values is not None:
                    variable.assign(values)
                (anew if values is None else agreed).append(f"{layer.name}/{variable.name}")
        if not agreed or not (match.columns or match.categories):
            features = ", ".join(f"'{name}'" for name in self.earlier.schema.names[:20])
            raise DataError(
                f"Expected a table and settings that agree with {self.earlier.reference}, whose features are "
                f"{features}. Received: none of its features with the same kind and similar values, or none of its "
                f"layers. {FROM_THE_BEGINNING.capitalize()}."
            )
        return self._record(match, agreed, anew)

    def _match(
        self, core: Any, preprocessing: Any, scaling: Any, config: TrainConfig, networks: tuple[int, ...]
    ) -> Match:
        columns = self._columns(preprocessing)
        names = [f.name for f in self.earlier.schema.categorical]
        categories = {j: names.index(f.name) for j, f in enumerate(self.schema.categorical) if f.name in names}
        features = {self.schema.numeric_columns[j] for j in columns} | {
            self.schema.categorical[j].name for j in categories
        }
        new = Layout.of(self.schema, core, preprocessing)
        old = Layout.of(self.earlier.schema, self.core, self.preprocessing)
        shared = new.shared(old, frozenset(features))
        values, spreads = self._targets(scaling, config)
        return Match(
            earlier=self.earlier.schema,
            schema=self.schema,
            columns=columns,
            categories=categories,
            first=frozenset(_first(core)),
            first_before=frozenset(_first(self.core)),
            shared=shared,
            widths=(new.width, old.width),
            missing=self._sums_missing([columns for _, columns in shared], old.width, networks),
            values=values,
            spreads=spreads,
            link=scaling.link,
            n_quantiles=scaling.n_quantiles,
        )

    def _columns(self, preprocessing: Any) -> dict[int, int]:
        return common_columns(self.earlier.schema, self.preprocessing, self.schema, preprocessing)

    def _targets(self, scaling: Any, config: TrainConfig) -> tuple[list[Rescaled], list[Rescaled]]:
        """Targets whose values have the same meaning, and targets whose spreads do."""
        old, new = self.target.link, scaling.link
        targets = shared_targets(self.earlier.schema, self.target, self.schema, scaling)
        if old != new:
            return (targets if {old, new} == _MEANS else []), []
        levels = list(self.earlier.config.get("quantiles", ()))
        if new == "quantile" and levels != list(config.quantiles):
            return [], []
        return targets, targets

    def _sums_missing(self, shared: list[slice], width: int, networks: tuple[int, ...]) -> dict[str, Float32]:
        """What earlier columns without a match added, on a usual row, to the sums of layers that take the features.

        In a usual row each number is at its centre, none is missing, and each category is the most frequent one. So a
        column that the new table lacks counts as in such a row. Members share the layer, but scale such a column
        differently: the mean over the members is taken.
        """
        rows: dict[str, Any] = {}
        for tensor in self.core.inputs:
            usual_value = {NUMERIC_INPUT: 0.0, CATEGORICAL_INPUT: FIRST_CATEGORY_CODE}[tensor.name]
            rows[tensor.name] = np.full((1, 1, tensor.shape[-1]), usual_value, tensor.dtype)
        if CATEGORICAL_INPUT in rows:
            cardinalities = np.array(self.earlier.schema.cardinalities)
            rows[CATEGORICAL_INPUT] = np.minimum(rows[CATEGORICAL_INPUT], cardinalities - 1).astype(np.int32)
        unmatched = np.ones(width, bool)
        for columns in shared:
            unmatched[columns] = False
        inputs = {tensor.name: tensor for tensor in self.core.inputs}
        sums_by_layer = {}
        for name in _first(self.core):
            layer = self._layer(name)
            before = keras.Model(inputs, layer.input)
            x = np.asarray(keras.ops.convert_to_numpy(before(rows, training=False))).mean(axis=1)
            kernel = np.asarray(keras.ops.convert_to_numpy(layer.trainable_weights[0]))
            x = np.broadcast_to(x, (len(kernel), width))
            factor = width**-0.5 if layer.ntk else 1.0
            sums = np.einsum("nw,n...wu->n...u", x[:, unmatched], kernel[..., unmatched, :]) * factor
            sums_by_layer[name] = np.asarray(sums.astype(np.float32)[np.array(networks) % len(sums)])
        return sums_by_layer

    def _layer(self, name: str) -> Any:
        return next((layer for layer in self.core.layers if layer.name == name), None)

    def _record(self, match: Match, agreed: list[str], anew: list[str]) -> Init:
        numbers = {match.schema.numeric_columns[j].feature for j in match.columns}
        partly = {c.feature for j, c in enumerate(match.schema.numeric_columns) if j not in match.columns}
        agreed_features = (numbers - partly) | {match.schema.categorical[j].name for j in match.categories}
        missing = [f.name for f in self.earlier.schema.features if f.name not in by_name(self.schema)]
        return Init(
            model_name=self.earlier.manifest.model_name,
            model_version=self.earlier.manifest.model_version,
            agreed=tuple(agreed),
            anew=tuple(anew),
            features_anew=tuple(f.name for f in self.schema.features if f.name not in agreed_features),
            features_left=tuple(missing),
            ancestors=self.earlier.ancestors,
        )


def _first(core: Any) -> tuple[str, ...]:
    """Names of the layers that take the features side by side."""
    names = {layer.name for layer in core.layers}
    return (FIRST,) if FIRST in names else tuple(name for name in HEADS if name in names)


def _weights_of(variable: Any, networks: tuple[int, ...]) -> Float32:
    """Weights for the chosen networks; where there are fewer earlier networks, these are taken in turn."""
    values = np.asarray(keras.ops.convert_to_numpy(variable))
    return np.asarray(values[np.array(networks) % len(values)])

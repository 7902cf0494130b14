"""An earlier version's network, opened to start another from it."""

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
from training.transfer.earlier import Earlier
from training.transfer.features import by_name
from training.transfer.heads import Rescaled, shared_targets
from training.transfer.layout import Layout, kept_columns, with_statistics_of

Float32 = npt.NDArray[np.float32]
# Links whose values are means in standard deviations of the target.
_MEANS = {"identity", "normal"}


@dataclass(frozen=True, slots=True)
class Start:
    """What a run that starts from an earlier version takes from its network.

    Attributes:
        earlier: the version.
        schema: of the new rows.
        core: the earlier network, features to outputs.
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
            ArtifactError: its file is no such model.
        """
        path = earlier.folder / KERAS_MODEL
        try:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise ArtifactError(f"Expected a Keras model in {path}. Received: {error}.") from error

        def of(kind: type[Any]) -> Any:
            return next((layer for layer in model.layers if isinstance(layer, kind)), None)

        core, target = of(keras.Model), of(TargetScaling)
        if core is None or target is None:
            raise ArtifactError(f"Expected a network of Trueline's layers in {path}. Received: {model.name}.")
        return cls(earlier, schema, core, of(NumericPreprocessing), target)

    def statistics(self, fresh: Any) -> Any:
        """The preprocessing of the new rows, with the earlier one's statistics where a column is alike."""
        return with_statistics_of(self.earlier.schema, self.preprocessing, self.schema, fresh)

    def edges(self, preprocessing: Any, config: TrainConfig) -> dict[int, list[float]]:
        """Bin edges of the numbers that keep theirs, by column; none where another number of bins is asked for."""
        before = self._layer("embedding")
        if not hasattr(before, "edges") or self.earlier.config.get("embedding_bins") != config.embedding_bins:
            return {}
        return {j: before.edges[i] for j, i in self._columns(preprocessing).items()}

    def scaling(self, fresh: Any) -> Any:
        """The scaling of the new targets, whose answers may be what either version has seen."""
        if fresh.minimum is None or self.target.minimum is None:
            return fresh
        config = fresh.get_config()
        for target in shared_targets(self.earlier.schema, self.target, self.schema, fresh):
            j, i = target.new, target.old
            away = self.earlier.schema.targets[i].offset - self.schema.targets[j].offset
            config["minimum"][j] = min(fresh.minimum[j], self.target.minimum[i] + away)
            config["maximum"][j] = max(fresh.maximum[j], self.target.maximum[i] + away)
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
            core: as it was drawn.
            preprocessing: what prepares its numbers, from :meth:`statistics`; or None.
            scaling: of its targets.
            config: its settings, resolved.
            networks: numbers of the networks of another core that these take the place of. Defaults to all in order.

        Returns:
            What agreed and what starts anew.

        Raises:
            DataError: nothing agrees.
        """
        chosen = networks or tuple(range(int(core.trainable_weights[0].shape[0])))
        match = self._match(core, preprocessing, scaling, config, chosen)
        before = {layer.name: layer for layer in self.core.layers}
        agreed: list[str] = []
        anew: list[str] = []
        for layer in core.layers:
            old = before.get(layer.name)
            weights = {v.name: _taken(v, chosen) for v in old.trainable_weights} if old is not None else {}
            for variable in layer.trainable_weights:
                found = None
                if variable.name in weights:
                    fresh = np.asarray(keras.ops.convert_to_numpy(variable))
                    found = carried(match, layer, old, variable.name, fresh, weights)
                if found is not None:
                    variable.assign(found)
                (anew if found is None else agreed).append(f"{layer.name}/{variable.name}")
        if not agreed or not (match.columns or match.categories):
            features = ", ".join(f"'{name}'" for name in self.earlier.schema.names[:20])
            raise DataError(
                f"Expected a table and settings that agree with {self.earlier.reference}, whose features are "
                f"{features}. Received: none of its features, of the same kind and with like values, or none of its "
                "layers. Train without --init."
            )
        return self._told(match, agreed, anew)

    def _match(
        self, core: Any, preprocessing: Any, scaling: Any, config: TrainConfig, chosen: tuple[int, ...]
    ) -> Match:
        columns = self._columns(preprocessing)
        names = [f.name for f in self.earlier.schema.categorical]
        categories = {j: names.index(f.name) for j, f in enumerate(self.schema.categorical) if f.name in names}
        kept = {self.schema.numeric_columns[j] for j in columns} | {self.schema.categorical[j].name for j in categories}
        new = Layout.of(self.schema, core, preprocessing)
        old = Layout.of(self.earlier.schema, self.core, self.preprocessing)
        shared = new.shared(old, frozenset(kept))
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
            lost=self._lost([there for _, there in shared], old.width, chosen),
            values=values,
            spreads=spreads,
            link=scaling.link,
            n_quantiles=scaling.n_quantiles,
        )

    def _columns(self, preprocessing: Any) -> dict[int, int]:
        return kept_columns(self.earlier.schema, self.preprocessing, self.schema, preprocessing)

    def _targets(self, scaling: Any, config: TrainConfig) -> tuple[list[Rescaled], list[Rescaled]]:
        """Targets whose values, and whose spreads, mean the same."""
        old, new = self.target.link, scaling.link
        targets = shared_targets(self.earlier.schema, self.target, self.schema, scaling)
        if old != new:
            return (targets if {old, new} == _MEANS else []), []
        levels = list(self.earlier.config.get("quantiles", ()))
        if new == "quantile" and levels != list(config.quantiles):
            return [], []
        return targets, targets

    def _lost(self, shared: list[slice], width: int, chosen: tuple[int, ...]) -> dict[str, Float32]:
        """What the earlier columns that are gone added on a usual row to the layers that take the features.

        Each number at its centre, none missing, each category its most frequent: a column that a new table lacks counts
        as it would there. Members that differ in it and share the layer have their mean.
        """
        rows: dict[str, Any] = {}
        for tensor in self.core.inputs:
            usual = {NUMERIC_INPUT: 0.0, CATEGORICAL_INPUT: FIRST_CATEGORY_CODE}[tensor.name]
            rows[tensor.name] = np.full((1, 1, tensor.shape[-1]), usual, tensor.dtype)
        if CATEGORICAL_INPUT in rows:
            known = np.array(self.earlier.schema.cardinalities)
            rows[CATEGORICAL_INPUT] = np.minimum(rows[CATEGORICAL_INPUT], known - 1).astype(np.int32)
        gone = np.ones(width, bool)
        for columns in shared:
            gone[columns] = False
        inputs = {tensor.name: tensor for tensor in self.core.inputs}
        lost = {}
        for name in _first(self.core):
            layer = self._layer(name)
            before = keras.Model(inputs, layer.input)
            x = np.asarray(keras.ops.convert_to_numpy(before(rows, training=False))).mean(axis=1)
            kernel = np.asarray(keras.ops.convert_to_numpy(layer.trainable_weights[0]))
            x = np.broadcast_to(x, (len(kernel), width))
            factor = width**-0.5 if layer.ntk else 1.0
            found = np.einsum("nw,n...wu->n...u", x[:, gone], kernel[..., gone, :]) * factor
            lost[name] = np.asarray(found.astype(np.float32)[np.array(chosen) % len(found)])
        return lost

    def _layer(self, name: str) -> Any:
        return next((layer for layer in self.core.layers if layer.name == name), None)

    def _told(self, match: Match, agreed: list[str], anew: list[str]) -> Init:
        numbers = {match.schema.numeric_columns[j].feature for j in match.columns}
        partly = {c.feature for j, c in enumerate(match.schema.numeric_columns) if j not in match.columns}
        kept = (numbers - partly) | {match.schema.categorical[j].name for j in match.categories}
        left = [f.name for f in self.earlier.schema.features if f.name not in by_name(self.schema)]
        return Init(
            model_name=self.earlier.manifest.model_name,
            model_version=self.earlier.manifest.model_version,
            agreed=tuple(agreed),
            anew=tuple(anew),
            features_anew=tuple(f.name for f in self.schema.features if f.name not in kept),
            features_left=tuple(left),
            ancestors=self.earlier.ancestors,
        )


def _first(core: Any) -> tuple[str, ...]:
    """Names of the layers that take the features side by side."""
    names = {layer.name for layer in core.layers}
    return (FIRST,) if FIRST in names else tuple(name for name in HEADS if name in names)


def _taken(variable: Any, chosen: tuple[int, ...]) -> Float32:
    """Weights of as many networks as are chosen, the earlier ones in turn."""
    values = np.asarray(keras.ops.convert_to_numpy(variable))
    return np.asarray(values[np.array(chosen) % len(values)])

"""The networks' inputs, and preprocessing that is adapted to the rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.layers import CategoryEmbedding, JoinFeatures, NumericPreprocessing, OneHot, StackedHeads, StopGradient
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT

_CHUNK = 100_000


def request_inputs(schema: FeatureSchema) -> dict[str, Any]:
    """Keras inputs, by name, of a model that answers requests: unscaled values, as in :class:`Encoded`."""
    tensors: dict[str, Any] = {}
    if schema.numeric_columns:
        tensors[NUMERIC_INPUT] = keras.Input((len(schema.numeric_columns),), dtype="float32", name=NUMERIC_INPUT)
    if schema.categorical:
        tensors[CATEGORICAL_INPUT] = keras.Input((len(schema.categorical),), dtype="int32", name=CATEGORICAL_INPUT)
    return tensors


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """Rows as the core of the networks takes them: prepared once, not at each step.

    Attributes:
        layer: the layer that prepared the numbers, a part of the saved graph; None without numeric columns.
        n_numeric: columns of numbers; the missing flags follow them.
        features: ``numeric`` float32 (n_samples, n_numeric + n_flags), scaled, and ``categorical`` int32
            (n_samples, n_categorical); only the kinds of columns that the schema has.
    """

    layer: Any
    n_numeric: int
    features: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(
        cls,
        schema: FeatureSchema,
        X: Encoded,
        *,
        fitted_on: npt.NDArray[np.int64],
        squeeze: bool,
        standard: bool = False,
        keep: Callable[[Any], Any] | None = None,
    ) -> Preprocessed:
        """Adapt the preprocessing to rows, and prepare all of them.

        Args:
            schema: gives the columns.
            X: encoded rows.
            fitted_on: int64, the rows that medians, ranges and flags are taken from.
            squeeze: see :class:`NumericPreprocessing`.
            standard: see :meth:`NumericPreprocessing.adapted`. Defaults to False.
            keep: function from the adapted layer to one with an earlier version's statistics. Defaults to None.
        """
        features: dict[str, npt.NDArray[Any]] = {}
        layer = None
        n_numeric = len(schema.numeric_columns)
        if n_numeric:
            seen = X.numeric if len(fitted_on) == len(X) else X.numeric[fitted_on]
            flagged = np.flatnonzero(np.isnan(seen).any(axis=0)).tolist()
            layer = NumericPreprocessing.adapted(
                seen, flagged, standard=standard, squeeze=squeeze, name="preprocessing"
            )
            layer = layer if keep is None else keep(layer)
            features[NUMERIC_INPUT] = scaled(layer, X.numeric)
        if schema.categorical:
            features[CATEGORICAL_INPUT] = X.categorical
        return cls(layer, n_numeric, features)


def scaled(layer: Any, numeric: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Numbers as :class:`NumericPreprocessing` gives them, (n_samples, n_numeric + n_flags), part by part."""
    parts = [layer(numeric[start : start + _CHUNK]) for start in range(0, len(numeric), _CHUNK)]
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(part)) for part in parts])


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors that a family builds on; each has the networks as its leading axis.

    Attributes:
        tensors: the Keras inputs by name, only those that the schema has columns for.
        scaled: (n_networks or 1, n_samples, n_numeric) scaled numeric columns, or None.
        flags: (n_networks or 1, n_samples, n_flags) missing flags, or None.
        embedded: (n_networks, n_samples, width) embedded or one-hot categories, or None.
        widths: width of each categorical column's embedding.
        Z: the scaled numeric columns of the rows, for layers that adapt to them.
        networks: number of networks side by side.
        dropout: share of hidden units that each network drops in training.
        edges: bin edges that numeric columns keep from an earlier version, by column; the others' are fitted to ``Z``.
    """

    tensors: dict[str, Any]
    scaled: Any
    flags: Any
    embedded: Any
    widths: tuple[int, ...]
    Z: npt.NDArray[np.float32]
    networks: int
    dropout: Sequence[float]
    edges: Mapping[int, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        schema: FeatureSchema,
        rows: Preprocessed,
        networks: int,
        seed: int,
        *,
        dropout: Sequence[float] | None = None,
        one_hot: int = 0,
        edges: Mapping[int, Sequence[float]] | None = None,
    ) -> Inputs:
        """Make the inputs of the core.

        Args:
            schema: gives the categories.
            rows: the prepared rows.
            networks: how many side by side.
            seed: seed of the layers' random draws.
            dropout: dropout of each network. Defaults to none.
            one_hot: the most one-hot columns of a category, see :class:`OneHot`; 0: it is embedded. Defaults to 0.
            edges: see the class. Defaults to none.
        """
        tensors: dict[str, Any] = {}
        scaled = flags = embedded = None
        widths: tuple[int, ...] = ()
        n_numeric = rows.n_numeric
        Z = np.zeros((0, 0), np.float32)
        if n_numeric:
            values = rows.features[NUMERIC_INPUT]
            Z = values[:, :n_numeric]
            numeric = keras.Input(batch_shape=(None, None, values.shape[1]), dtype="float32", name=NUMERIC_INPUT)
            tensors[NUMERIC_INPUT] = numeric
            scaled = numeric
            if values.shape[1] > n_numeric:
                scaled, flags = numeric[:, :, :n_numeric], numeric[:, :, n_numeric:]
        if schema.categorical:
            count = len(schema.categorical)
            codes = keras.Input(batch_shape=(None, None, count), dtype="int32", name=CATEGORICAL_INPUT)
            tensors[CATEGORICAL_INPUT] = codes
            layer: Any = (
                OneHot(schema.cardinalities, one_hot, name="categories")
                if one_hot
                else CategoryEmbedding(networks, schema.cardinalities, seed=seed, name="categories")
            )
            embedded, widths = layer(codes), tuple(layer.widths)
        dropout = [0.0] * networks if dropout is None else dropout
        return cls(tensors, scaled, flags, embedded, widths, Z, networks, dropout, edges or {})

    def joined(self, numeric: Any = None, name: str = "features") -> Any:
        """All parts side by side, (n_networks or 1, n_samples, width); ``numeric`` in place of the scaled columns."""
        parts = [p for p in (self.scaled if numeric is None else numeric, self.flags, self.embedded) if p is not None]
        if len(parts) == 1:
            return parts[0]
        return JoinFeatures(self.networks, name=name)(parts)

    def all_widths(self, numeric_dim: int = 1) -> list[int]:
        """Number of columns of each feature in :meth:`joined`, where a number has ``numeric_dim`` columns."""
        flags = 0 if self.flags is None else int(self.flags.shape[-1])
        numbers = 0 if self.scaled is None else int(self.scaled.shape[-1])
        return [numeric_dim] * numbers + [1] * flags + list(self.widths)


def heads(hidden: Any, networks: int, members: int, n_values: int, n_spreads: int, *, ntk: bool = False) -> Any:
    """Values and log spreads, (n_networks * n_members, n_samples, n_values + n_spreads).

    The spread's gradient stops at the hidden layer: the spread describes the values' errors and must not change the
    values.
    """
    value = StackedHeads(networks, members, n_values, ntk=ntk, name="values")(hidden)
    if not n_spreads:
        return value
    spread = StackedHeads(networks, members, n_spreads, stddev=0.0, name="log_spreads")(
        StopGradient(name="stop_gradient")(hidden)
    )
    return keras.layers.Concatenate(name="outputs")([value, spread])

"""The result of a fit: networks as one model, how it is put together, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from artifact.facts import Fact
from artifact.layers import TargetScaling
from artifact.lineage import Init
from artifact.manifest import Augmentation as Effect
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT, Outputs
from training.devices.computed import Computed
from training.networks.inputs import Preprocessed, request_inputs
from training.objectives.variance import Noise

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Fitted networks, trees or several of them together, as one model.

    Attributes:
        model: Keras model, ``{"numeric", "categorical"}`` -> outputs of :class:`TargetScaling`, the joint answers of
            all networks in target units.
        best_epochs: for each network the number, from 1, of the epoch whose weights it has.
        epochs: epochs that ran.
        history: training and validation error by epoch, in squared target deviations, means over the networks.
        unseen: each network's answers to its validation rows, in target units, offsets subtracted.
        notes: sentences for the manifest, each on a choice or a finding.
        facts: the notes that the manifest also has as fields.
        networks: numbers of the folds whose networks are in the model, and in ``unseen``; empty for all.
        computed: the backend and devices that computed the weights; None: they were solved for.
        init: what was taken from an earlier version, or None.
        augmentation: the measured effect of augmentation, or None where there was none.
        noise: the correction of the variances of normal distributions, in the model and in the answers that measure it;
            None: no correction.
    """

    model: Any
    best_epochs: tuple[int, ...]
    epochs: int
    history: dict[str, list[float]]
    unseen: list[Outputs]
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    networks: tuple[int, ...] = ()
    computed: Computed | None = None
    init: Init | None = None
    augmentation: Effect | None = None
    noise: Noise | None = None


def feed(X: Encoded, names: Any) -> dict[str, Any]:
    """Encoded rows as the named inputs of a Keras model."""
    arrays = {NUMERIC_INPUT: X.numeric, CATEGORICAL_INPUT: X.categorical}
    return {name: arrays[name] for name in names}


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and the backend; on TensorFlow, forbid operations whose result depends on scheduling."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def whole(schema: FeatureSchema, rows: Preprocessed, core: Any, scaling: TargetScaling) -> Any:
    """One model from a request's rows to answers: preprocessing, every network, and their mean in target units."""
    tensors = request_inputs(schema)
    features = dict(tensors)
    if rows.layer is not None:
        features[NUMERIC_INPUT] = rows.layer(tensors[NUMERIC_INPUT])
    to_each = {name: keras.ops.expand_dims(tensor, 0) for name, tensor in features.items()}
    return keras.Model(tensors, scaling(core(to_each)), name=core.name)


def in_units(scaling: TargetScaling, outputs: Float32) -> Outputs:
    """Outputs of networks, float32 (n_members, n_samples, n_outputs), as their joint answers in target units."""
    return Outputs(**{name: np.asarray(keras.ops.convert_to_numpy(t)) for name, t in scaling(outputs).items()})

"""The compiled loop: networks side by side are independent, and each keeps its best weights."""

import keras
import numpy as np
import pytest

from artifact.errors import TruelineError
from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from tests.training.fits import fit_on, ready
from training.families import FAMILIES
from training.fit.loops import open_loop
from training.fit.loops.problem import Minimised, Problem, Table, Update
from training.fit.optimizers import SCHEDULES, RateSchedule, build_optimizer
from training.networks.inputs import Inputs, Preprocessed, heads
from training.networks.model import Fitted
from training.objectives import objective_of
from training.settings.augmentation import several
from training.settings.config import TrainConfig
from training.table.folds import Fold, cross_validation

RNG = np.random.default_rng(0)
N = 120
SCHEMA = FeatureSchema(
    features=(
        Feature(name="a", kind="number", missing="impute", minimum=0, maximum=1),
        Feature(name="b", kind="number", minimum=0, maximum=1),
        Feature(name="c", kind="category", categories=("x", "y")),
    ),
    targets=(Target(name="t", minimum=0, maximum=1, std=1),),
)
X = Encoded(RNG.normal(size=(N, 2)).astype(np.float32), RNG.integers(1, 4, (N, 1)).astype(np.int32))
X.numeric[::9, 0] = np.nan
y = (np.nan_to_num(X.numeric[:, :1]) * 2 + X.numeric[:, 1:] + X.categorical).astype(np.float64)
SMALL = {"hidden": (16,), "epochs": 8, "embedding_bins": 4, "batch_size": 16, "patience": 8}


def fit(folds, config: TrainConfig, repeats: int = 1, **more) -> Fitted:
    """Fit networks on the rows of this module."""
    return fit_on(ready(SCHEMA, X, y, folds, config), folds, repeats, **more)


def settings(**fields) -> TrainConfig:
    return TrainConfig(**{**SMALL, **fields}).resolved(N)


def problem(config: TrainConfig, networks: int, values=y, weight=None, optimizer=None, **fields) -> Problem:
    rows = Preprocessed.of(SCHEMA, X, fitted_on=np.arange(N), squeeze=True)
    dropout = [several(config.required("dropout"))[0]] * networks
    inputs = Inputs.of(SCHEMA, rows, networks, config.seed, dropout=dropout)
    hidden = FAMILIES[config.required("model")].layers(inputs, config)
    core = keras.Model(inputs.tensors, heads(hidden, networks, config.required("members"), 1, 1))
    objective = objective_of(TrainConfig())
    defaults = {
        "core": core,
        "members": config.required("members"),
        "rows": Table(rows.features, values.astype(np.float32), weight),
        "minimised": Minimised(objective.loss, objective.error),
        "update": Update(optimizer or build_optimizer(config, 100), clip_norm=1.0),
    }
    return Problem(**{**defaults, **fields})


@pytest.mark.parametrize("family", ["mlp", "tabm", "realmlp", "linear"])
def test_networks_side_by_side_do_not_touch_each_other(family):
    config = settings(model=family, dropout=0.0)
    rows = RNG.integers(0, N, (6, 2, 16)).astype(np.int32)
    other = rows.copy()
    other[:, 0] = RNG.integers(0, N, (6, 16))
    learnt = []
    for order in (rows, other):
        keras.utils.set_random_seed(0)
        loop = open_loop(problem(config, 2))
        before = loop.weights()
        loop.run(order)
        learnt.append([w - b for w, b in zip(loop.weights(), before, strict=True)])
    assert any(np.abs(w[0]).max() > 0 for w in learnt[0])
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(*learnt, strict=True))
    for a, b in zip(*learnt, strict=True):
        np.testing.assert_array_equal(a[1], b[1])


def test_a_weight_of_0_takes_a_row_out_of_the_loss():
    config = settings(model="mlp", dropout=0.0)
    rows = np.tile(np.arange(32, dtype=np.int32), (4, 1, 1))
    weight = np.ones(N, np.float32)
    weight[16:32] = 0
    spoilt = y.astype(np.float32).copy()
    spoilt[16:32] = 1e3
    learnt = []
    for values in (y.astype(np.float32), spoilt):
        keras.utils.set_random_seed(0)
        loop = open_loop(problem(config, 1, values, weight))
        loop.run(rows)
        learnt.append(loop.weights())
    for a, b in zip(*learnt, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_are_clipped_network_by_network():
    task = problem(settings(model="mlp"), 2)
    gradients = [np.stack([np.full((3, 2), 100.0), np.full((3, 2), 0.01)]).astype(np.float32)]
    clipped = np.asarray(keras.ops.convert_to_numpy(task.clipped(gradients)[0]))
    assert np.linalg.norm(clipped[0]) == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(clipped[1], gradients[0][1])


@pytest.mark.parametrize("family", ["mlp", "tabm", "realmlp"])
def test_each_family_learns_and_its_model_is_the_mean_of_its_networks(family):
    plan = cross_validation(N, 3, 1, seed=0)
    fitted = fit(plan.folds, settings(model=family, epochs=40))
    out_of_fold = np.zeros_like(y)
    for fold, (value, spread, _) in zip(plan.folds, fitted.unseen, strict=True):
        assert (spread > 0).all()
        out_of_fold[fold.validation] = value
    assert np.square(out_of_fold - y).mean() < 0.3 * y.var()
    answer = np.asarray(fitted.model({"numeric": X.numeric, "categorical": X.categorical})["value"])
    assert np.square(answer - y).mean() < np.square(out_of_fold - y).mean()


def test_weights_of_a_given_epoch_need_no_validation_rows():
    everything = (Fold(np.arange(N), np.zeros(0, np.int64)),)
    fitted = fit(everything, settings(model="mlp"), stop_at=3)
    assert fitted.best_epochs == (3,)
    assert fitted.epochs == 3
    assert fitted.history["validation"] == []


def test_a_loss_that_is_not_a_number_is_reported():
    with pytest.raises(TruelineError, match="finite loss"):
        fit(
            cross_validation(N, 2, 1, 0).folds,
            settings(model="mlp", optimizer="sgd", learning_rate=10, clip_norm=0, schedule="constant"),
        )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam", "adamw", "nadam", "lion", "muon"])
def test_every_optimiser_lowers_the_loss(optimizer):
    rates = {"sgd": 0.02, "momentum": 0.02, "muon": 0.02, "lion": 3e-4}
    config = settings(model="mlp", optimizer=optimizer, learning_rate=rates.get(optimizer, 3e-3), epochs=15)
    history = fit(cross_validation(N, 2, 1, 0).folds, config).history["train"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedules_rise_and_stay_within_their_peak(kind):
    rates = [float(keras.ops.convert_to_numpy(RateSchedule(0.5, 100, kind, 0.1)(s))) for s in range(120)]
    assert rates[0] <= 0.06
    assert max(rates) <= 0.5 + 1e-6
    assert min(rates) >= 0
    copy = RateSchedule.from_config(RateSchedule(0.5, 100, kind, 0.1).get_config())
    assert float(keras.ops.convert_to_numpy(copy(50))) == pytest.approx(rates[50])


def test_penalties_shrink_the_kernels():
    folds = cross_validation(N, 2, 1, 0).folds
    norms = []
    for penalty in ({}, {"l1": 0.05}, {"l2": 0.5}):
        fitted = fit(folds, settings(model="mlp", epochs=30, weight_decay=0.0, **penalty))
        kernels = [w for w in fitted.model.trainable_weights if w.name == "kernel"]
        norms.append(sum(float(np.abs(np.asarray(k)).sum()) for k in kernels))
    assert norms[1] < 0.9 * norms[0]
    assert norms[2] < 0.9 * norms[0]

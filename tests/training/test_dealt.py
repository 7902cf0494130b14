"""Networks dealt to cores learn what they learn side by side, in every family, with every kind of optimiser."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.training.test_fit import N, X, fit, problem, settings
from training.devices.devices import CPU, Device
from training.fit.loops import dealt, open_loop
from training.fit.loops.dealt import DealtLoop, n_shares
from training.fit.loops.problem import Hardware, Problem, Steps, Table
from training.fit.loops.tensorflow import TensorFlowLoop
from training.fit.optimizers import build_optimizer
from training.table.folds import cross_validation

NETWORKS = 5
ROWS = np.random.default_rng(1).integers(0, N, (12, NETWORKS, 16)).astype(np.int32)


def given(**chosen) -> Problem:
    """Networks with dropout that differ in their rate."""
    config = settings(**{"model": "mlp", "dropout": 0.3, **chosen})
    keras.utils.set_random_seed(3)
    optimizer = build_optimizer(config, 100, rates=(0.01, 0.03, 0.02, 0.01, 0.03))
    return problem(config, NETWORKS, optimizer=optimizer, steps=Steps(16))


def long(**chosen) -> Problem:
    """A run that is worth compiling."""
    return replace(given(**chosen), steps=Steps(16, 0, 2_500))


def assert_alike(one, other) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize(
    ("chosen", "make"),
    [
        ({"model": "tabm"}, long),
        ({}, given),
        ({"model": "realmlp"}, given),
        ({"model": "linear"}, given),
        ({"embedding_bins": 0, "weight_decay": 0.5, "warmup": 0.2}, given),
        ({"optimizer": "momentum", "clip_norm": 0, "schedule": "step"}, given),
        ({"optimizer": "muon"}, given),
    ],
)
def test_dealt_networks_learn_what_they_learn_together(chosen, make):
    together, apart = TensorFlowLoop(make(**chosen)), DealtLoop(make(**chosen), 2)
    before = together.weights()
    for a, b in zip(apart.weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    for _ in range(2):
        assert_alike([apart.run(ROWS)], [together.run(ROWS)])
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(together.weights(), before, strict=True))
    assert_alike(apart.weights(), together.weights())
    assert_alike(apart.outputs(ROWS[0]), together.outputs(ROWS[0]))


def test_a_dealt_run_is_the_same_each_time_however_many_share():
    apart = [DealtLoop(given(), shares) for shares in (2, 2, 5)]
    losses = [[loop.run(ROWS) for _ in range(2)] for loop in apart]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert_alike(losses[0], losses[2])


def test_weights_that_are_put_back_are_in_every_share_and_in_the_model():
    whole = given()
    loop = DealtLoop(whole, 2)
    before, answers = loop.weights(), loop.outputs(ROWS[0])
    loop.run(ROWS)
    after = loop.weights()
    assert not np.allclose(loop.outputs(ROWS[0]), answers)
    loop.set_weights(before)
    np.testing.assert_array_equal(loop.outputs(ROWS[0]), answers)
    loop.set_weights(after)
    for variable, values in zip(whole.core.trainable_variables, after, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)


def test_another_table_takes_the_place_of_the_first_in_every_share():
    first = replace(given(dropout=0.0), streamed=True)
    loop = DealtLoop(first, 2)
    answers = loop.outputs(ROWS[0])
    loop.replace(Table({name: values[::-1].copy() for name, values in first.rows.features.items()}, first.rows.y, None))
    np.testing.assert_allclose(loop.outputs(N - 1 - ROWS[0]), answers, rtol=1e-6)


def test_what_is_dealt_and_to_how_many(monkeypatch):
    monkeypatch.setattr(dealt, "usable_cores", lambda: 4)
    run = long()
    assert n_shares(run) == n_shares(replace(run, hardware=Hardware((CPU,)))) == 4
    assert n_shares(replace(run, steps=Steps(16, 0, 10))) == 1
    assert n_shares(replace(problem(settings(model="mlp"), 1), steps=run.steps)) == 1
    assert n_shares(replace(run, hardware=Hardware((Device("gpu", 0, "GPU:0", "a GPU"),)))) == 1
    assert n_shares(replace(run, augment=lambda batch: batch)) == 1
    monkeypatch.setattr(dealt, "usable_cores", lambda: 64)
    assert n_shares(run) == NETWORKS
    assert isinstance(open_loop(run), DealtLoop)
    monkeypatch.setattr(dealt, "usable_cores", lambda: 1)
    assert isinstance(open_loop(run), TensorFlowLoop)


def test_a_fit_whose_networks_are_dealt_is_the_fit_of_one_core(monkeypatch):
    plan = cross_validation(N, 3, 2, seed=0)
    config = settings(model="tabm", dropout=(0.1, 0.3), learning_rate=(0.01, 0.02))
    fits = []
    for cores in (1, 2):
        monkeypatch.setattr(dealt, "n_shares", lambda _problem, n=cores: n)
        fits.append(fit(plan.folds, config, repeats=2))
    one, two = fits
    assert two.best_epochs == one.best_epochs
    np.testing.assert_allclose(two.history["validation"], one.history["validation"], rtol=1e-3)
    rows = {"numeric": X.numeric, "categorical": X.categorical}
    np.testing.assert_allclose(two.model(rows)["value"], one.model(rows)["value"], rtol=1e-3, atol=1e-3)

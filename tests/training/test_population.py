"""Settings of each network, and networks that are dropped while the others go on unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import pytest

from tests.training.fits import ready
from tests.training.test_epochs import ScriptedLoop, epochs
from tests.training.test_fit import SCHEMA, N, X, problem, settings, y
from training.fit import epochs as running
from training.fit.fit import fit
from training.fit.loops import dealt, open_loop
from training.fit.optimizers import build_optimizer
from training.fit.population import Population
from training.prepare.in_memory import Prepared
from training.table.folds import cross_validation

FOLDS = cross_validation(N, 2, 1, seed=0).folds
RATES, DROPOUT = (0.004, 0.02, 0.01, 0.008), (0.0, 0.3, 0.2, 0.1)


def test_settings_of_several_values_are_given_to_the_repeats_in_turn():
    folds = cross_validation(N, 2, 3, seed=0).folds
    config = settings(model="mlp", dropout=(0.1, 0.2), learning_rate=(0.01, 0.02, 0.03), weight_decay=0.5)
    population = Population.of(config, folds, 3)
    assert population.dropout == [0.1, 0.1, 0.2, 0.2, 0.1, 0.1]
    assert population.learning_rates == [0.01, 0.01, 0.02, 0.02, 0.03, 0.03]
    assert population.weight_decays == [0.5] * 6
    assert [network.repeat for network in population.networks] == [0, 0, 1, 1, 2, 2]
    assert (population.repeats, population.positions((0, 2))) == (3, (0, 1, 4, 5))
    assert population.some((1, 4)).numbers == (1, 4)
    assert not any(network.augmented for network in population.networks)
    noisy = settings(model="mlp", augment="noise", noise=(0.0, 0.2), repeats=1)
    assert [network.augmented for network in Population.of(noisy, folds[:4], 2).networks] == [False, False, True, True]


def test_trials_of_one_shape_train_side_by_side():
    same = [settings(model="mlp", learning_rate=rate, weight_decay=rate) for rate in RATES]
    wider = settings(model="mlp", hidden=(32,))
    first, second = Population.of_trials([same[0], wider, *same[1:]], FOLDS, 1)
    assert first.trials == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert [network.trial for network in first.networks] == [0, 0, 2, 2, 3, 3, 4, 4]
    assert first.weight_decays == [rate for rate in RATES for _ in FOLDS]
    assert second.config == wider
    assert len(second) == 2


def test_each_network_has_its_own_weight_decay():
    """Beside a network with another decay, a network learns the same as beside one with its own."""
    config = settings(model="mlp", dropout=0.0)
    rows = np.random.default_rng(0).integers(0, N, (8, 2, 16)).astype(np.int32)
    learnt = []
    for decays in ((0.0, 0.5), (0.0, 0.0), (0.5, 0.5)):
        keras.utils.set_random_seed(0)
        optimizer = build_optimizer(config, 8, rates=(0.01, 0.01), decays=decays)
        loop = open_loop(problem(config, 2, optimizer=optimizer))
        loop.run(rows)
        learnt.append(loop.weights())
    mixed, without, decayed = learnt
    for a, b, c in zip(mixed, without, decayed, strict=True):
        np.testing.assert_allclose(a[0], b[0], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(a[1], c[1], rtol=1e-6, atol=1e-7)
    assert any(not np.allclose(b[1], c[1], rtol=1e-3) for b, c in zip(without, decayed, strict=True))


def eight(**fields) -> Population:
    """Four trials of two folds each."""
    trials = [
        settings(model="mlp", learning_rate=rate, dropout=dropout, **fields)
        for rate, dropout in zip(RATES, DROPOUT, strict=True)
    ]
    # Not pairs of repeats as settings make them: each network is augmented, each with another amount.
    amounts = [{"noise": 0.1 * (i + 1), "mixup": 0.2 * (i % 3)} if fields.get("augment") else {} for i in range(4)]
    trials = [trial.model_copy(update=update) for trial, update in zip(trials, amounts, strict=True)]
    (population,) = Population.of_trials(trials, FOLDS, 1)
    return population


def dropping(after: int, *dropped: int):
    """A review that drops networks after an epoch, and the errors that it gets."""
    errors_by_epoch = []

    def review(epoch, errors):
        errors_by_epoch.append(errors)
        goes_on = np.ones(len(errors), bool)
        if epoch >= after:
            goes_on[list(dropped)] = False
        return goes_on

    return review, errors_by_epoch


def check_that_the_rest_learn_what_they_learn_beside_all(exactly: bool = False, **more) -> list[tuple[int, list[int]]]:
    """Drop half of the networks, or fewer where bits must stay; see :func:`check_the_rest`."""
    population = eight(**more)
    dropped = (2, 3) if exactly else (2, 3, 6, 7)
    return check_the_rest(ready(SCHEMA, X, y, FOLDS, population.config), population, dropped, exactly=exactly)


def check_the_rest(
    prepared: Prepared, population: Population, dropped: Sequence[int], *, exactly: bool
) -> list[tuple[int, list[int]]]:
    """Drop some networks after the third epoch: the others learn what they learn beside all.

    Returns:
        The epochs after which a loop was opened for some of the networks, and these networks.
    """
    rest = [i for i in range(len(population)) if i not in dropped]
    review, errors_by_epoch = dropping(3, *dropped)
    opened = []

    def reopened(loop, networks):
        opened.append((len(errors_by_epoch), networks))
        smaller = reopen(loop, networks)
        assert smaller.problem.networks == len(networks)
        return smaller

    with pytest.MonkeyPatch.context() as patch:
        reopen = running.reopened
        patch.setattr(running, "reopened", reopened)
        fewer = fit(prepared, population, review=review)
    everyone = fit(prepared, population)
    assert fewer.networks == tuple(rest)
    assert len(fewer.unseen) == len(rest)
    assert fewer.epochs == everyone.epochs == population.config.epochs
    assert [fewer.best_epochs[i] for i in rest] == [everyone.best_epochs[i] for i in rest]
    assert all(
        np.isnan(errors[list(dropped)]).all() and np.isfinite(errors[rest]).all() for errors in errors_by_epoch[3:]
    )
    assert all(np.isfinite(errors).all() for errors in errors_by_epoch[:3])
    for i, answers in zip(rest, fewer.unseen, strict=True):
        for mine, before in zip(answers[:2], everyone.unseen[i][:2], strict=True):
            if exactly:
                np.testing.assert_array_equal(mine, before)
            else:
                np.testing.assert_allclose(mine, before, rtol=1e-3, atol=1e-3)
    return opened


@pytest.mark.parametrize("fields", [{}, {"augment": "noise,mixup"}, {"clip_norm": 0, "optimizer": "muon"}])
def test_the_rest_learn_what_they_learn_beside_all_and_those_dropped_take_no_step_more(fields):
    assert check_that_the_rest_learn_what_they_learn_beside_all(**fields) == [(3, [0, 1, 4, 5])]


def test_until_half_are_gone_not_a_bit_of_the_rest_changes():
    assert check_that_the_rest_learn_what_they_learn_beside_all(exactly=True) == []


def test_networks_that_are_dealt_to_cores_are_dropped_too(monkeypatch):
    monkeypatch.setattr(dealt, "n_shares", lambda problem: min(3, problem.networks))
    check_that_the_rest_learn_what_they_learn_beside_all()


def test_the_best_epoch_and_the_end_are_those_of_the_networks_that_go_on():
    """Repeats 0 and 2 are best in epoch 2; repeat 1, which becomes better in every epoch, is dropped."""
    plan = cross_validation(3000, 2, 3, seed=0)
    own = [[0.5, 0.5, level, level, 0.5, 0.5] for level in np.linspace(0.9, 0.1, 30)]
    shared = [0.5, 0.1] + [0.4] * 28
    run = epochs(plan, ScriptedLoop(plan.folds, shared, own), 30, patience=4)
    review, _ = dropping(2, 2, 3)
    run.to_the_end(None, None, review)
    assert list(run.networks) == [0, 1, 4, 5]
    assert len(run.history["train"]) == 6
    assert {int(run.best_epochs[i]) for i in (0, 1, 4, 5)} == {2}
    assert len(run.unseen()) == 4
    assert [values.shape for values in run.weights()] == [(4, 2)]


@pytest.mark.parametrize(
    ("dropped", "message"),
    [(range(6), "at least one network that goes on. Received: none"), ([0], "Received: some of repeat 0 of trial 0")],
)
def test_a_review_that_nothing_can_go_on_with_is_refused(dropped, message):
    plan = cross_validation(3000, 2, 3, seed=0)
    run = epochs(plan, ScriptedLoop(plan.folds, [0.5] * 4, [[0.1] * 6] * 4), 4)
    with pytest.raises(ValueError, match=message):
        run.to_the_end(None, None, dropping(1, *dropped)[0])


def test_a_trial_that_diverges_is_dropped_and_the_others_go_on():
    trials = [settings(model="mlp", optimizer="sgd", clip_norm=0, learning_rate=rate) for rate in (0.001, 10.0)]
    (population,) = Population.of_trials(trials, FOLDS, 1)
    prepared = ready(SCHEMA, X, y, FOLDS, population.config)
    fitted = fit(prepared, population, review=lambda _, errors: np.isfinite(errors))
    assert fitted.networks == (0, 1)
    assert np.isfinite(fitted.unseen[0].value).all()
    with pytest.raises(running.DivergedError):
        fit(prepared, population, review=lambda _, errors: np.ones(len(errors), bool))

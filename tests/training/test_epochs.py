"""Rows that a network has not seen choose its epoch. The loop is a fake, since nothing has to be learnt."""

from dataclasses import replace

import numpy as np
import pytest

from training.fit.epochs import Epochs, Limits
from training.fit.judging import Judge
from training.fit.loops.problem import Steps, Table
from training.fit.population import Population
from training.fit.repeats import choose_repeats
from training.objectives import objective_of
from training.settings.config import TrainConfig
from training.table.folds import Plan, cross_validation
from training.table.split import split_random

N = 3000
RNG = np.random.default_rng(0)
Y = RNG.normal(size=(N, 1)).astype(np.float32)
TABLE = Table({}, Y, None)
CONFIG = TrainConfig().resolved(N)


class ScriptedLoop:
    """Answers with noise, common to all networks or each one's own; its size depends on epoch and network."""

    def __init__(self, folds, shared, own):
        self.folds, self.shared, self.own = folds, shared, own
        self.epoch = 0
        self.common = RNG.normal(size=(N, 1))
        self.noise = RNG.normal(size=(len(folds), N, 1))

    def run(self, rows):
        self.epoch += 1
        return np.ones((2, len(self.folds)), np.float32)

    def outputs(self, rows):
        noisy = []
        for i, indices in enumerate(rows):
            error = (
                self.shared[self.epoch - 1] * self.common[indices]
                + self.own[self.epoch - 1][i] * self.noise[i, indices]
            )
            noisy.append((Y[indices] + error)[None])
        return np.stack(noisy).astype(np.float32)

    def weights(self):
        return [np.full((len(self.folds), 2), self.epoch, np.float32)]

    def set_weights(self, weights):
        self.put_back = weights


def epochs(plan, loop, n_epochs, averages=True, patience=99):
    population = Population.of(CONFIG, plan.folds, plan.repeats or len(plan.folds))
    judge = Judge(population, replace(objective_of(CONFIG), averages=averages), TABLE)
    return Epochs(loop, judge, population, Limits(n_epochs, patience, Steps(8, 1)))


def test_a_network_is_judged_by_the_rows_of_the_others():
    """Otherwise the rows that measure a network would have chosen its weights."""
    plan = cross_validation(N, 3, 1, seed=0)
    own = [[0.1, 0.5, 0.5], [0.9, 0.1, 0.1], [0.1, 0.4, 0.4]]
    loop = ScriptedLoop(plan.folds, [0, 0, 0], own)
    run = epochs(plan, loop, 3)
    run.to_the_end(None, None)
    # In epoch 2 the first network's error on its own rows is the largest, and the others' errors are the smallest.
    assert run.best_epochs[0] == 2
    assert list(run.best_epochs[1:]) == [3, 3]
    np.testing.assert_array_equal(loop.put_back[0][:, 0], run.best_epochs)


def test_with_repeats_the_mean_of_all_networks_is_judged():
    """Networks with large errors of their own and small common ones are bad alone and good together."""
    plan = cross_validation(N, 3, 4, seed=0)
    shared, own = [0.6, 0.2], [[0.1] * 12, [0.8] * 12]
    run = epochs(plan, ScriptedLoop(plan.folds, shared, own), 2)
    run.to_the_end(None, None)
    assert set(run.best_epochs) == {2}
    assert run.history["validation"][1] == pytest.approx(0.2**2 + 0.8**2 / 12, rel=0.1)
    once = cross_validation(N, 3, 1, seed=0)
    single = epochs(once, ScriptedLoop(once.folds, shared, [[0.1] * 3, [0.8] * 3]), 2)
    single.to_the_end(None, None)
    assert set(single.best_epochs) == {1}


def test_what_an_average_does_not_remove_is_not_taken_off():
    """Where averaging does not reduce errors as it does squared ones, the repeats' joint errors count as they are."""
    plan = cross_validation(N, 3, 4, seed=0)
    best_epochs = []
    for averages in (True, False):
        run = epochs(plan, ScriptedLoop(plan.folds, [0.3, 0.1], [[0.1] * 12, [0.8] * 12]), 2, averages)
        run.to_the_end(None, None)
        best_epochs.append(set(run.best_epochs))
    assert best_epochs == [{2}, {1}]
    assert run.history["validation"][1] == pytest.approx(0.1**2 + 0.8**2 / 4, rel=0.1)


def test_it_stops_when_no_network_becomes_better():
    plan = cross_validation(N, 2, 1, seed=0)
    run = epochs(plan, ScriptedLoop(plan.folds, [0.5, 0.1] + [0.4] * 20, [[0.0] * 2] * 22), 22, patience=3)
    run.to_the_end(None, None)
    assert set(run.best_epochs) == {2}
    assert len(run.history["train"]) == 5


def test_networks_of_the_same_rows_are_judged_together():
    parts = split_random(N, {"test": 0.1, "calibration": 0.1, "validation": 0.3}, 0)
    plan = Plan.held_out(parts, 3)
    run = epochs(plan, ScriptedLoop(plan.folds, [0.5, 0.1], [[0.1] * 3, [0.6] * 3]), 2)
    run.to_the_end(None, None)
    assert list(run.best_epochs) == [2, 2, 2]
    assert run.history["validation"][1] == pytest.approx(0.1**2 + 0.6**2 / 3, rel=0.2)


def test_repeats_that_suit_the_table_are_chosen():
    plan = cross_validation(N, 3, 3, seed=0)
    own = [[0.12] * 3 + [3.0] * 3 + [0.1] * 3]
    loop = ScriptedLoop(plan.folds, [0.1], own)
    loop.epoch = 1
    rows = np.stack([np.resize(fold.validation, N) for fold in plan.folds])
    outputs = [of_network[:, : N // 3] for of_network in loop.outputs(rows)]
    for most, repeats in ((20, (0, 2)), (1, (2,))):
        config = CONFIG.model_copy(update={"served_repeats": most})
        population = Population.of(config, plan.folds, 3)
        assert choose_repeats(population, outputs, objective_of(config), TABLE) == repeats
    assert population.positions((0, 2)) == (0, 1, 2, 6, 7, 8)

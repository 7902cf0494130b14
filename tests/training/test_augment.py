"""Noise and mixup inside the compiled step: they change the rows that train, as they should, and nothing else."""

import keras
import numpy as np
import pytest

from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from tests.training.fits import fit_on, ready
from tests.training.test_fit import problem, settings
from training.fit.augmentation import Augmentation, Batch
from training.fit.loops import open_loop
from training.fit.loops.problem import Steps
from training.objectives import objective_of
from training.settings.config import TrainConfig
from training.table.folds import cross_validation

N = 4096
RNG = np.random.default_rng(0)


def augmentation(noise=0.0, mixup=0.0, *, near=False, n_numeric=2, flagged=(), seed=0) -> Augmentation:
    """The augmentation of two networks, the first of which has none."""
    return Augmentation([0.0, noise], [0.0, mixup], near=near, n_numeric=n_numeric, flagged=flagged, seed=seed)


def batch(numeric, y, codes=None, weight=None) -> Batch:
    """The same rows to both networks."""
    values = {NUMERIC_INPUT: numeric.astype(np.float32)}
    if codes is not None:
        values[CATEGORICAL_INPUT] = codes.astype(np.int32)
    twice = {name: np.stack([value] * 2) for name, value in values.items()}
    weights = None if weight is None else np.stack([weight.astype(np.float32)] * 2)
    return Batch(twice, np.stack([y.astype(np.float32)] * 2), weights)


def array(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_noise_is_normal_of_the_given_deviation_on_numbers_that_are_there():
    numeric = np.hstack([RNG.normal(size=(N, 2)), (np.arange(N) % 4 == 0)[:, None]])
    numeric[::4, 1] = 0.0
    rows = batch(numeric, RNG.normal(size=(N, 1)))
    augment = augmentation(noise=0.25, flagged=[1])
    noisy = augment(rows)
    before, after = rows.features[NUMERIC_INPUT], array(noisy.features[NUMERIC_INPUT])
    np.testing.assert_array_equal(after[0], before[0])
    added = after[1] - before[1]
    assert not added[::4, 1].any()
    assert not added[:, 2].any()
    for sample in (added[:, 0], np.delete(added[:, 1], np.arange(0, N, 4))):
        assert sample.mean() == pytest.approx(0, abs=0.02)
        np.testing.assert_allclose(
            np.quantile(sample / 0.25, [0.025, 0.16, 0.84, 0.975]), [-1.96, -1, 1, 1.96], atol=0.1
        )
    np.testing.assert_array_equal(array(noisy.y), rows.y)
    # Each step makes new draws; the same seed gives the same draws.
    again = array(augment(rows).features[NUMERIC_INPUT])
    assert not np.array_equal(again[1], after[1])
    same = array(augmentation(noise=0.25, flagged=[1])(rows).features[NUMERIC_INPUT])
    np.testing.assert_array_equal(same, after)


@pytest.mark.parametrize("alpha", [0.2, 2.0])
def test_mixup_takes_shares_of_the_beta_distribution_alike_of_numbers_and_targets(alpha):
    # Row i has i as its number and its target, and the next row is mixed in: 1 - share is its shift.
    rows = np.arange(N, dtype=np.float64)[:, None]
    before = batch(np.hstack([rows, -rows]), rows, codes=rows)
    mixed = augmentation(mixup=alpha)(before)
    shift = (rows - array(mixed.y)[1])[1:, 0]
    np.testing.assert_allclose(array(mixed.features[NUMERIC_INPUT])[1, 1:, 0], array(mixed.y)[1, 1:, 0], atol=1e-2)
    np.testing.assert_allclose(array(mixed.features[NUMERIC_INPUT])[1, 1:, 1], -array(mixed.y)[1, 1:, 0], atol=1e-2)
    betas = RNG.beta(alpha, alpha, 100_000)
    shares, at = np.minimum(betas, 1 - betas), [0.3, 0.5, 0.7, 0.9]
    np.testing.assert_allclose(np.quantile(shift, at), np.quantile(shares, at), atol=0.03)
    # Codes are not mixed: a code is the other row's with the probability of the other row's share.
    other = array(mixed.features[CATEGORICAL_INPUT])[1, 1:, 0] != rows[1:, 0]
    assert other.mean() == pytest.approx(shares.mean(), abs=0.03)
    assert np.corrcoef(other, shift)[0, 1] > 0.2
    for name, value in (*mixed.features.items(), ("y", mixed.y)):
        np.testing.assert_array_equal(array(value)[0], (before.y if name == "y" else before.features[name])[0])


def test_near_rows_are_near_by_their_targets_and_any_rows_are_not():
    n = 64
    y = RNG.normal(size=(n, 1))
    rank = np.argsort(np.argsort(y[:, 0]))
    distances = {}
    for near in (True, False):
        augmented = augmentation(mixup=10.0, near=near)(batch(RNG.normal(size=(n, 2)), y, codes=np.arange(n)[:, None]))
        other = array(augmented.features[CATEGORICAL_INPUT])[1, :, 0]
        mixed = other != np.arange(n)
        assert mixed.sum() > n / 5
        distances[near] = np.abs(rank[other] - rank)[mixed]
    assert distances[True].min() >= 1
    assert distances[True].max() <= n // 8
    assert len(np.unique(distances[True])) > 3
    assert np.median(distances[False]) > n // 8


def test_of_several_targets_near_rows_are_near_in_each():
    y = np.hstack([RNG.normal(size=(512, 1))] * 2) + RNG.normal(0, 0.01, (512, 2))
    mixed = augmentation(mixup=10.0, near=True)(batch(RNG.normal(size=(512, 2)), y, codes=np.arange(512)[:, None]))
    other = array(mixed.features[CATEGORICAL_INPUT])[1, :, 0]
    rank = np.argsort(np.argsort(y, axis=0), axis=0)
    assert np.abs(rank[other] - rank).max() <= 90


@pytest.mark.parametrize("near", [True, False])
def test_a_mixture_is_missing_as_one_of_its_rows_is(near):
    flag = RNG.random(N) < 0.3
    numeric = np.stack([np.where(flag, 0.0, RNG.uniform(1, 2, N)), RNG.uniform(1, 2, N), flag], axis=1)
    mixed = augmentation(noise=0.1, mixup=2.0, near=near, flagged=[0])(
        batch(numeric, RNG.normal(size=(N, 1)), flag[:, None])
    )
    after, codes = array(mixed.features[NUMERIC_INPUT])[1], array(mixed.features[CATEGORICAL_INPUT])[1, :, 0]
    # The flag comes from the row that the codes come from, and with it 0 in place of a number.
    np.testing.assert_array_equal(after[:, 2], codes)
    assert not after[codes == 1, 0].any()
    assert (after[codes == 0, 0] > 0.5).all()
    assert 0 < (codes != flag).mean() < 0.3


def test_a_row_of_weight_0_has_no_part_in_a_mixture_and_weights_keep_their_sum():
    weight = np.where(np.arange(N) % 2 == 0, 2.0, 0.0)
    y = np.where(weight > 0, 1.0, 1e6)[:, None]
    mixed = augmentation(mixup=1.0)(batch(np.zeros((N, 2)), y, weight=weight))
    np.testing.assert_allclose(array(mixed.y)[1], 1.0)
    assert array(mixed.weight)[1].mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(array(mixed.weight)[0], weight)
    np.testing.assert_array_equal(array(mixed.y)[0], y)


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie", "logistic"])
def test_a_mixed_target_is_a_mixture_of_the_losses_of_rates_and_probabilities(name):
    """As a difference between two answers: terms of the target alone have no gradient."""
    objective = objective_of(TrainConfig(objective=name))
    first, second = (
        (np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])) if name == "logistic" else RNG.gamma(2, 1, (2, 5, 1))
    )
    width = objective.n_values(1) + objective.n_spreads(1)
    one, other = RNG.normal(size=(2, 1, len(first), width))

    def loss(y):
        return objective.errors(y, one) - objective.errors(y, other)

    np.testing.assert_allclose(loss(0.3 * first + 0.7 * second), 0.3 * loss(first) + 0.7 * loss(second), rtol=1e-6)


NUMBERS = FeatureSchema(
    features=tuple(Feature(name=name, kind="number", minimum=0, maximum=1) for name in "ab"),
    targets=(Target(name="t", minimum=0, maximum=1, std=1),),
)


@pytest.mark.parametrize("near", [True, False])
def test_a_network_without_augmentation_learns_the_same_bits_beside_one_with_it(near):
    config = settings(model="tabm", learning_rate=0.01)
    rows = np.random.default_rng(1).integers(0, 120, (6, 2, 16)).astype(np.int32)
    learnt = []
    for augment in (None, *(augmentation(0.2, 1.0, near=near, flagged=[0], seed=s) for s in (0, 0, 1))):
        keras.utils.set_random_seed(0)
        task = problem(config, 2, augment=augment)
        loop = open_loop(task)
        answers = loop.outputs(rows[0])
        loop.run(rows[:3])
        loop.run(rows[3:])
        learnt.append((loop.weights(), answers))
    plain, first, again, other = learnt
    for (weights, answers), same in ((first, again[0]), (again, first[0])):
        np.testing.assert_array_equal(answers, plain[1])
        for a, b, c in zip(weights, plain[0], same, strict=True):
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a, c)
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first[0], plain[0], strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first[0], other[0], strict=True))


def test_small_steps_that_xla_compiles_are_augmented_too():
    """There a network without augmentation is the same but for rounding."""
    config = settings(model="mlp", learning_rate=0.01)
    rows = np.random.default_rng(1).integers(0, 120, (4, 2, 16)).astype(np.int32)
    learnt = []
    for augment in (None, augmentation(0.2, 1.0, near=True, flagged=[0])):
        keras.utils.set_random_seed(0)
        task = problem(config, 2, augment=augment, steps=Steps(16, 0, 10_000))
        assert task.pays_compiling
        loop = open_loop(task)
        loop.run(rows)
        learnt.append(loop.weights())
    for a, b in zip(*learnt, strict=True):
        np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    assert max(np.abs(a[1] - b[1]).max() for a, b in zip(*learnt, strict=True)) > 1e-3


def test_each_step_of_a_loop_draws_anew():
    """The rate is nearly 0, so that only the draws differ between steps; answers have no draws."""
    config = settings(model="mlp", dropout=0.0, learning_rate=1e-12, weight_decay=0.0)
    loop = open_loop(problem(config, 2, augment=augmentation(noise=0.5, flagged=[0])))
    rows = np.tile(np.arange(64, dtype=np.int32), (1, 2, 1))
    before = loop.outputs(rows[0])
    errors = np.stack([loop.run(rows)[1] for _ in range(4)])
    halves = loop.run(np.concatenate([rows] * 2))[1]
    assert len(np.unique(errors[:, 1])) == 4
    assert not np.isin(halves[1], errors[:, 1])
    # The other network's rows differ by 1% of codes that count as "other".
    assert np.ptp(errors[:, 1]) > 2 * np.ptp(errors[:, 0])
    np.testing.assert_allclose(loop.outputs(rows[0]), before, atol=1e-5)


def test_noise_smooths_what_a_network_would_learn_by_heart():
    """The target is pure noise: the more noise the features get, the less of the target is learnt."""
    rng = np.random.default_rng(0)
    X = Encoded(rng.normal(size=(60, 2)).astype(np.float32), np.zeros((60, 0), np.int32))
    y = rng.normal(size=(60, 1))
    config = settings(
        model="mlp",
        dropout=0.0,
        epochs=60,
        augment="noise",
        noise=(0.0, 1.0),
        learning_rate=1e-2,
        hidden=(32,),
        repeats=2,
    )
    folds = cross_validation(60, 2, 2, 0, alike=2).folds
    fitted = fit_on(ready(NUMBERS, X, y, folds, config), folds, repeats=2, stop_at=60)
    assert fitted.history["train_low"][-1] < 0.5 * fitted.history["train_high"][-1]
    assert fitted.augmentation is None

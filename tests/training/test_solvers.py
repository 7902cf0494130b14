"""The solvers agree with scikit-learn, and stepwise selection with a plain greedy loop, on real rows."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, ElasticNetCV, LassoCV, LinearRegression, Ridge, RidgeCV

from artifact.errors import DataError
from training.families import FAMILIES
from training.families.ridge import ALPHAS, ridge_path
from training.families.solvers.elastic_net import alpha_grid, elastic_net_path
from training.families.solvers.spread import log_spread
from training.families.solvers.systems import Systems, triangle
from training.families.solvers.task import Layout, Solved, Task
from training.families.stepwise import MOST_BACKWARD
from training.settings.config import TrainConfig
from training.table.folds import Fold, cross_validation

X, target = load_diabetes(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
N = len(X)
# There are one-hot columns that sum to 1, and a column that never varies.
AGES = np.digitize(X[:, 0], [-0.5, 0.5])
X = np.hstack([X, np.eye(3)[AGES], np.zeros((N, 1))])
GROUPS = np.array([*range(10), 10, 10, 10, 11])
Y = np.stack([target, target**2 / 100 + 50 * X[:, 3]], axis=1)
STD = Y.std(axis=0)
y = (Y - Y.mean(axis=0)) / STD
FOLDS = cross_validation(N, 4, 1, seed=0).folds


def rows(of: np.ndarray, targets: np.ndarray = y, columns: np.ndarray = X) -> np.ndarray:
    return np.hstack([np.ones((len(of), 1)), columns[of], targets[of]])


def task(model: str, targets: np.ndarray = y, folds=FOLDS, columns=X, groups=GROUPS, **settings) -> tuple[Task, Layout]:
    layout = Layout.of(folds, columns.shape[1], 0)
    blocks = np.stack([triangle([rows(block, targets, columns)]) for block in layout.blocks])
    names = [f"f{i}" for i in range(groups.max() + 1)]
    config = TrainConfig(model=model, **settings).resolved(N)
    networks = [layout.final, *layout.measured]
    return Task(blocks, networks, STD[: targets.shape[1]], groups, names, config), layout


def solved(model: str, targets: np.ndarray = y, **settings) -> list[Solved]:
    return FAMILIES[model].solved(task(model, targets, **settings)[0])


def answers(network: Solved, columns: np.ndarray = X) -> np.ndarray:
    return columns @ network.weights + network.intercept


def splits() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(f.train, f.validation) for f in FOLDS]


def test_a_triangle_knows_what_the_rows_know_however_they_come():
    whole, parts = triangle([rows(np.arange(N))]), triangle([rows(r) for r in np.array_split(np.arange(N), 7)])
    few = triangle([rows(np.arange(5))])
    v = np.random.default_rng(0).normal(size=whole.shape[1])
    for reduced, of in ((whole, np.arange(N)), (parts, np.arange(N)), (few, np.arange(5))):
        assert reduced.shape == (17, 17)
        assert np.linalg.norm(reduced @ v) == pytest.approx(np.linalg.norm(rows(of) @ v))


def test_linear_is_scikit_learns_with_collinear_and_constant_columns():
    for network, of in zip(solved("linear"), [np.arange(N), *[f.train for f in FOLDS]], strict=True):
        expected = LinearRegression().fit(X[of], y[of])
        np.testing.assert_allclose(network.weights, expected.coef_.T, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(answers(network), expected.predict(X), rtol=1e-6, atol=1e-9)


def test_linear_shares_the_weight_of_columns_that_differ_by_a_float32s_rounding():
    noisy = np.hstack([X[:, :3], X[:, :1].astype(np.float32).astype(np.float64)])
    network = solved("linear", columns=noisy, groups=np.arange(4))[0]
    assert np.abs(network.weights).max() < 10
    np.testing.assert_allclose(network.weights[0], network.weights[3], rtol=1e-5)


def test_a_path_of_ridge_is_scikit_learns():
    systems = Systems(task("ridge")[0].triangles, [[0, 1, 2, 3], [1, 2, 3]], 2)
    weights = ridge_path(systems, ALPHAS)
    for i, of in ((0, np.arange(N)), (1, FOLDS[0].train)):
        for a in (0, 16, 32):
            expected = Ridge(alpha=ALPHAS[a]).fit(X[of], y[of]).coef_.T
            np.testing.assert_allclose(weights[i, a], expected, rtol=1e-6, atol=1e-10)


def test_ridge_chooses_by_the_folds_as_scikit_learn_does():
    final, *others = solved("ridge")
    expected = RidgeCV(alphas=ALPHAS, cv=splits(), scoring="neg_mean_squared_error").fit(X, y)
    assert ALPHAS[final.step - 1] == expected.alpha_
    np.testing.assert_allclose(final.weights, expected.coef_.T, rtol=1e-6)
    assert len(others) == len(FOLDS)


@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_a_path_of_penalties_is_scikit_learns(ratio):
    systems = Systems(task("lasso")[0].triangles, [[0, 1, 2, 3], [1, 2, 3]], 2)
    grid = alpha_grid(systems, 0, np.array([0.8, ratio]), 30, 1e-3)
    path = elastic_net_path(systems, grid)
    assert not path[0, 0].any()
    for i, of in ((0, np.arange(N)), (1, FOLDS[0].train)):
        for a in (3, 15, 29):
            for t in range(2):
                model = ElasticNet(alpha=grid.l1[1, a, t] / ratio, l1_ratio=ratio, tol=1e-10, max_iter=100_000)
                model.fit(X[of], y[of, t])
                weights = path[i, 30 + a, :, t]
                # Weights of collinear columns are not determined by a lasso; all answers are.
                np.testing.assert_allclose(X @ weights, X @ model.coef_, rtol=1e-5, atol=1e-7)
                np.testing.assert_allclose(weights[1:10], model.coef_[1:10], rtol=1e-4, atol=1e-6)


def test_lasso_and_elastic_net_choose_by_the_folds_as_scikit_learn_does():
    one = y[:, :1]
    expected = LassoCV(cv=splits(), tol=1e-10, max_iter=100_000).fit(X[:, :10], one[:, 0])
    network = solved("lasso", one, columns=X[:, :10], groups=np.arange(10))[0]
    np.testing.assert_allclose(network.weights[:, 0], expected.coef_, rtol=1e-6, atol=1e-9)
    penalty = network.chosen
    assert penalty.alpha == pytest.approx([expected.alpha_ * STD[0]], rel=1e-6)
    assert (penalty.l1_ratio, penalty.standardised, penalty.tried) == (None, False, 100)
    assert (penalty.weighted, penalty.columns) == ((expected.coef_ != 0).sum(), 10)
    ratios = [0.1, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0]
    both = ElasticNetCV(cv=splits(), l1_ratio=ratios, tol=1e-10, max_iter=100_000).fit(X[:, :10], one[:, 0])
    network = solved("elastic-net", one, columns=X[:, :10], groups=np.arange(10))[0]
    np.testing.assert_allclose(network.weights[:, 0], both.coef_, rtol=1e-6, atol=1e-9)
    penalty = network.chosen
    assert (penalty.l1_ratio, penalty.standardised, penalty.tried) == (both.l1_ratio_, True, 700)
    assert penalty.alpha == pytest.approx([both.alpha_], rel=1e-6)


def test_a_given_penalty_is_in_scikit_learns_unit():
    for model, settings, expected in (
        ("ridge", {"alpha": 7.0}, Ridge(alpha=7.0)),
        ("lasso", {"alpha": 2.0}, ElasticNet(alpha=2.0, l1_ratio=1.0, tol=1e-10, max_iter=100_000)),
        ("elastic-net", {"alpha": 2.0, "l1_ratio": 0.4}, ElasticNet(2.0, l1_ratio=0.4, tol=1e-10, max_iter=100_000)),
    ):
        network = solved(model, **settings)[0]
        np.testing.assert_allclose(answers(network) * STD + Y.mean(axis=0), expected.fit(X, Y).predict(X), rtol=1e-5)
        penalty = network.chosen
        assert penalty.alpha == pytest.approx([settings["alpha"]] * len(penalty.alpha))
        assert (penalty.l1_ratio, penalty.tried) == (settings.get("l1_ratio"), 1)


def test_rows_that_measure_a_network_have_no_part_in_it():
    spoilt = y.copy()
    spoilt[FOLDS[1].validation] += 100
    # The first of lasso's penalties comes from all rows, as in LassoCV.
    for model, settings in (("linear", {}), ("ridge", {}), ("lasso", {"alpha": 1.0}), ("stepwise", {})):
        before, after = solved(model, **settings)[2], solved(model, spoilt, **settings)[2]
        np.testing.assert_allclose(after.weights, before.weights, atol=1e-9)
        assert after.step == before.step


def test_held_out_rows_choose_and_then_train():
    fold = Fold(np.arange(300), np.arange(300, N))
    final, measured = solved("ridge", folds=[fold])
    alpha = min(ALPHAS, key=lambda a: np.square(Ridge(alpha=a).fit(X[:300], y[:300]).predict(X[300:]) - y[300:]).mean())
    np.testing.assert_allclose(final.weights, Ridge(alpha=alpha).fit(X, y).coef_.T, rtol=1e-6)
    np.testing.assert_allclose(measured.weights, Ridge(alpha=alpha).fit(X[:300], y[:300]).coef_.T, rtol=1e-6)
    without_validation = solved("ridge", folds=[Fold(np.arange(N), np.zeros(0, np.int64))])
    assert len(without_validation) == 1


def test_repeats_choose_together():
    plan = cross_validation(N, 3, 2, seed=1)
    networks = solved("ridge", folds=plan.folds)
    cv = [(f.train, f.validation) for f in plan.folds]
    expected = RidgeCV(alphas=ALPHAS, cv=cv, scoring="neg_mean_squared_error").fit(X, y)
    assert ALPHAS[networks[0].step - 1] == expected.alpha_
    assert len(networks) == 7


def plain_score(features: list[int], criterion: str) -> float:
    """The score of features by scikit-learn, one fit after another."""
    columns = np.flatnonzero(np.isin(GROUPS, features))

    def fitted(train, of):
        if not len(columns):
            return np.broadcast_to(y[train].mean(axis=0), y[of].shape)
        return LinearRegression().fit(X[train][:, columns], y[train]).predict(X[of][:, columns])

    if criterion == "validation":
        return np.mean([np.square(y[v] - fitted(t, v)).mean() for t, v in splits()])
    residual = np.square(y - fitted(np.arange(N), np.arange(N))).sum(axis=0)
    n_weights = (X[:, columns].std(axis=0) > 0).sum()
    price = 2 if criterion == "aic" else np.log(N)
    return float(N * np.log(residual / N).sum() + price * 2 * n_weights)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("criterion", ["validation", "aic", "bic"])
def test_stepwise_is_the_plain_greedy_loop(direction, criterion):
    selected = [] if direction == "forward" else list(range(12))
    score = plain_score(selected, criterion)
    while True:
        if direction == "forward":
            candidates = [sorted([*selected, g]) for g in range(12) if g not in selected]
        else:
            candidates = [[k for k in selected if k != g] for g in selected]
        scores = [plain_score(c, criterion) for c in candidates]
        best = int(np.argmin(scores))
        slack = 1e-8 if direction == "backward" else -1e-8
        if scores[best] >= score + slack:
            break
        selected, score = candidates[best], scores[best]
    network = solved("stepwise", direction=direction, criterion=criterion)[0]
    selected_by_solver = sorted(set(GROUPS[network.weights.any(axis=1)]))
    assert selected_by_solver == [k for k in selected if X[:, np.isin(GROUPS, k)].std() > 0]
    columns = np.flatnonzero(np.isin(GROUPS, selected))
    expected = LinearRegression().fit(X[:, columns], y)
    np.testing.assert_allclose(answers(network), expected.predict(X[:, columns]), rtol=1e-5, atol=1e-7)
    selection = network.chosen
    assert (selection.direction, selection.criterion, selection.features) == (direction, criterion, 12)
    assert selection.kept == tuple(f"f{k}" for k in selected)
    assert selection.score > selection.steps[-1].score == pytest.approx(score, rel=1e-6)
    assert {step.added for step in selection.steps} == {direction == "forward"}


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_stepwise_finds_the_features_that_made_the_target(direction):
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(600, 12))
    made = (2 * Z[:, 2] - Z[:, 5] + 0.5 * Z[:, 9] + rng.normal(0, 0.3, 600))[:, None]
    made /= made.std()
    folds = cross_validation(600, 4, 1, seed=0).folds
    settings = {"folds": folds, "columns": Z, "groups": np.arange(12), "direction": direction, "criterion": "bic"}
    network = solved("stepwise", made, **settings)
    assert list(np.flatnonzero(network[0].weights)) == [2, 5, 9]
    assert network[0].chosen.kept == ("f2", "f5", "f9")


def test_backward_selection_has_a_limit_that_is_reported():
    wide = np.random.default_rng(0).normal(size=(N, MOST_BACKWARD + 1))
    with pytest.raises(DataError, match="direction=forward"):
        solved("stepwise", columns=wide, groups=np.arange(MOST_BACKWARD + 1), direction="backward")


def test_more_columns_than_rows_are_solved_for():
    wide = np.random.default_rng(0).normal(size=(N, N + 20))
    expected = Ridge(alpha=1.0).fit(wide, y)
    network = solved("ridge", columns=wide, groups=np.arange(N + 20), alpha=1.0)[0]
    np.testing.assert_allclose(network.weights, expected.coef_.T, rtol=1e-6, atol=1e-9)
    line = solved("linear", columns=wide, groups=np.arange(N + 20))[0]
    np.testing.assert_allclose(answers(line, wide), y, atol=1e-6)


def test_the_spread_follows_the_errors():
    rng = np.random.default_rng(0)
    F = rng.normal(size=(4000, 3))
    true = np.exp(0.7 * F[:, :1] - 1)
    weights, intercepts = log_spread(F, np.hstack([true, 0 * true]) * rng.laplace(size=(4000, 1)))
    np.testing.assert_allclose(weights[:, 0], [0.7, 0, 0], atol=0.06)
    np.testing.assert_allclose(intercepts[0], -1, atol=0.06)
    # A target that is answered exactly has a spread, though a small one.
    assert np.isfinite(intercepts[1])
    s = F @ weights[:, 0] + intercepts[0]
    assert np.isfinite(s).all()

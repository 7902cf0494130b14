from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from training.evaluation.baselines import (
    BOOSTING,
    ELASTIC_NET,
    GLM,
    LASSO,
    MEAN,
    MEDIAN,
    POLYNOMIAL,
    RIDGE,
    baseline_names,
    baselines,
    predict,
)
from training.evaluation.metrics import regression_metrics
from training.evaluation.verdict import verdict
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.split import split_random
from training.table.usual import N_ROWS, golden_rows

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(400, 1))
OTHERS = {"mean": np.zeros_like(Y), "ridge": Y + RNG.normal(0, 0.5, Y.shape)}


def answers(error: float) -> np.ndarray:
    return Y + RNG.normal(0, error, Y.shape)


@pytest.mark.parametrize(
    ("error", "worth_it", "says"), [(0.3, "yes", "Yes"), (0.7, "no", "No"), (0.5, "tie", "Undecided")]
)
def test_the_verdict_follows_the_paired_errors(error, worth_it, says):
    result = verdict(Y, answers(error), OTHERS, TrainConfig())
    assert result.worth_it == worth_it
    assert result.sentence.startswith(says)
    assert result.best_baseline == "ridge"
    assert result.beats_mean
    assert result.low < result.ratio < result.high
    assert result.ratio == pytest.approx(error / 0.5, rel=0.1)


def test_a_network_that_is_the_mean_does_not_beat_it():
    result = verdict(Y, np.full_like(Y, 0.01), {"mean": np.zeros_like(Y)}, TrainConfig())
    assert not result.beats_mean
    assert result.worth_it == "no"
    assert "does not beat predicting the mean" in result.sentence


def test_case_05b_a_model_worse_than_the_mean_of_the_rows_says_so():
    """The training rows' mean is beaten, for the target has moved; the test rows' own is not."""
    y = Y + 100
    network, others = np.full_like(y, 95.0), {"mean": np.zeros_like(y), "ridge": np.full_like(y, 80.0)}
    result = verdict(y, network, others, TrainConfig())
    r2 = 1 - float(np.square(y - network).mean() / y.var())
    assert result.worth_it == "yes"
    assert f"Even so it is worse than the mean of the test rows themselves (R2 {r2:.2f})" in result.sentence


@pytest.mark.parametrize(("objective", "word"), [("mae", "median"), ("gaussian", "mean"), ("poisson", "mean")])
def test_the_rows_own_constant_is_the_objectives(objective, word):
    y = Y + 100
    network = np.full_like(y, 95.0)
    others = {"median" if objective == "mae" else "mean": np.full_like(y, 50.0), "glm": np.full_like(y, 60.0)}
    result = verdict(y, network, others, TrainConfig(objective=objective), weight=np.linspace(0.5, 1.5, len(y)))
    assert f"worse than the {word} of the test rows themselves" in result.sentence


def test_a_model_that_beats_the_rows_own_mean_has_no_such_sentence():
    for error in (0.3, 0.5, 0.7):
        assert "Even so" not in verdict(Y, answers(error), OTHERS, TrainConfig()).sentence


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("ridge", "this ridge regression's RMSE"),
        ("elastic-net", "this elastic net's RMSE"),
        ("mlp", "the network's RMSE"),
    ],
)
def test_the_verdict_names_the_family(model, says):
    result = verdict(Y, answers(0.3), OTHERS, TrainConfig(model=model))
    assert says in result.sentence
    if model == "ridge":
        assert "than that of scikit-learn's ridge regression, the best baseline" in result.sentence


def test_targets_of_any_scale_count_alike():
    scale = np.array([1e-9, 1e9])
    both = np.hstack([Y, Y]) * scale
    others = {name: np.hstack([v, v]) * scale for name, v in OTHERS.items()}
    assert verdict(both, np.hstack([Y, Y]) * 0.9 * scale, others, TrainConfig()).ratio == pytest.approx(0.2, rel=0.1)


def test_metrics_by_hand():
    y, value = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    figures = regression_metrics(y, value)
    assert figures["mse"] == pytest.approx(5 / 3)
    assert figures["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert figures["mae"] == pytest.approx(1.0)
    assert figures["mape"] == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert figures["r2"] == pytest.approx(1 - 5 / (14 / 3))
    assert figures["rmsle"] == pytest.approx(np.sqrt(np.mean(np.log(np.array([2, 4, 3]) / [2, 3, 5]) ** 2)))


def test_metrics_that_are_not_defined_are_none():
    figures = regression_metrics(np.array([0.0, -3.0]), np.array([1.0, 2.0]))
    assert (figures["mape"], figures["msle"], figures["rmsle"]) == (None, None, None)
    figures = regression_metrics(np.full(3, 7.5), np.array([1.0, 2.0, 7.5]), np.array([1.0, 2.0, 3.0]))
    assert (figures["r2"], figures["explained_variance"]) == (None, None)
    assert figures["rmse"] > 0


def mixed_request() -> tuple[pl.DataFrame, Request]:
    x = RNG.normal(size=300)
    c = RNG.choice(["a", "b"], 300)
    frame = pl.DataFrame({"x": x, "c": c, "y": 3 * x + 2 * (c == "b")})
    return frame, Request("memory", ("y",), "m")


def test_baselines_learn_from_numbers_and_categories():
    prepared = prepare(*mixed_request())
    X, y = prepared.rows(prepared.plan.folds[0].train)
    X_test, y_test = prepared.rows(prepared.plan.folds[0].validation)
    fitted = baselines(prepared.schema, X, y, TrainConfig())
    errors = {name: float(np.abs(predict(model, X_test) - y_test).mean()) for name, model in fitted}
    assert list(errors) == [MEAN, RIDGE, LASSO, ELASTIC_NET, POLYNOMIAL, BOOSTING]
    assert errors[RIDGE] < 0.05
    assert errors[BOOSTING] < errors[MEAN] / 2


def test_lines_are_fitted_on_a_draw_of_many_rows_and_trees_on_all(monkeypatch):
    monkeypatch.setattr("training.evaluation.baselines.MOST_ROWS_OF_LINES", 50)
    prepared = prepare(*mixed_request())
    X, y = prepared.rows(np.arange(200))
    rows = {name: model.n_samples for name, model in baselines(prepared.schema, X, y, TrainConfig())}
    assert rows == {MEAN: 200, BOOSTING: 200} | dict.fromkeys((RIDGE, LASSO, ELASTIC_NET, POLYNOMIAL), 50)


def test_baselines_take_wide_categories_and_missing_numbers():
    n_codes = 400
    schema = FeatureSchema(
        features=(
            Feature(name="x", kind="number", missing="impute"),
            Feature(name="c", kind="category", categories=tuple(f"c{i}" for i in range(n_codes))),
        ),
        targets=(Target(name="y", minimum=0, maximum=1, std=1),),
    )
    X = Encoded(
        np.where(RNG.random((500, 1)) < 0.2, np.nan, 1.0).astype(np.float32),
        RNG.integers(2, n_codes, (500, 1)).astype(np.int32),
    )
    for _, model in baselines(schema, X, RNG.normal(size=(500, 1)), TrainConfig()):
        assert np.isfinite(predict(model, X)).all()


def test_golden_rows_hold_missing_unseen_and_extreme_values():
    schema = FeatureSchema(
        features=(
            Feature(name="x", kind="number", minimum=0, maximum=1, missing="impute"),
            Feature(name="i", kind="integer", minimum=0, maximum=5),
            Feature(name="c", kind="category", categories=("a",)),
            Feature(name="fixed", kind="category", categories=("a",), unseen="refuse"),
        ),
        targets=(Target(name="y", minimum=0, maximum=1, std=1),),
    )
    frame = pl.DataFrame({"x": [0.5] * 40, "i": [2] * 40, "c": ["a"] * 40, "fixed": ["a"] * 40})
    rows = golden_rows(frame, schema, seed=0)
    assert len(rows) == N_ROWS
    assert None in [row["x"] for row in rows]
    assert max(row["x"] or 0 for row in rows) > 1
    assert min(row["i"] for row in rows) < 0
    assert {row["c"] for row in rows} > {"a"}
    assert {row["fixed"] for row in rows} == {"a"}
    assert rows == golden_rows(frame, schema, seed=0)


def test_nothing_of_the_test_part_reaches_the_categories():
    frame, request = mixed_request()
    test_rows = split_random(300, {"test": 0.2, "calibration": 0.15, "validation": 0.15}, 0).test
    c = frame["c"].to_list()
    for i in test_rows:
        c[i] = "only in test"
    request = replace(request, config=TrainConfig(folds=1))
    prepared = prepare(frame.with_columns(c=pl.Series(c)), request)
    assert "only in test" not in prepared.schema.feature("c").categories


def test_a_polynomial_of_many_numbers_is_no_baseline():
    few, many = (
        FeatureSchema(
            features=tuple(Feature(name=f"x{i}", kind="number", minimum=0, maximum=1) for i in range(n)),
            targets=(Target(name="t", minimum=0, maximum=1, std=1),),
        )
        for n in (20, 21)
    )
    assert POLYNOMIAL in baseline_names(TrainConfig(), few)
    assert baseline_names(TrainConfig(), many) == (MEAN, RIDGE, LASSO, ELASTIC_NET, BOOSTING)
    assert baseline_names(TrainConfig(objective="poisson"), few) == (MEAN, GLM, BOOSTING)
    assert baseline_names(TrainConfig(objective="mae"), few)[0] == MEDIAN

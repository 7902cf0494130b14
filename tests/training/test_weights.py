"""The weight column: checked, no feature, and felt by everything that counts rows. Interval groups by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from artifact.predictor import Prediction
from training.evaluation.baselines import BOOSTING, GLM, MEAN, MEDIAN, RIDGE, baseline_names, baselines, predict
from training.evaluation.metrics import by_target, regression_metrics
from training.evaluation.verdict import coverage, verdict
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig

RNG = np.random.default_rng(0)
N = 300
FRAME = pl.DataFrame(
    {
        "x": RNG.normal(size=N),
        "town": RNG.choice(["a", "b"], N),
        "w": np.repeat([1, 3], N // 2),
        "y": RNG.gamma(2, 1, N),
    }
)


def request(**options) -> Request:
    return Request("memory", ("y",), "m", TrainConfig(), **options)


def test_a_weight_is_scaled_to_a_mean_of_1_and_is_no_feature():
    prepared = prepare(FRAME, request(weight="w"))
    assert "w" not in prepared.schema.names
    assert prepared.weight is not None
    assert set(prepared.weight) == {0.5, 1.5}
    assert prepare(FRAME, request()).weight is None


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        ([1.0] * (N - 1) + [None], "no value, in 1 of 300 rows"),
        ([1.0] * (N - 1) + [-2.0], "-2, in 1 of 300 rows"),
        ([1.0] * (N - 1) + [float("inf")], "inf, in 1 of 300"),
        ([0.0] * N, "only 0"),
        (["heavy"] * N, "column of numbers"),
    ],
)
def test_a_weight_that_cannot_weigh_is_told(weight, says):
    with pytest.raises(DataError, match=says):
        prepare(FRAME.with_columns(w=pl.Series(weight, strict=False)), request(weight="w"))


def test_the_target_cannot_weigh_itself_and_a_wrong_name_lists_the_columns():
    with pytest.raises(DataError, match="another column than the target"):
        prepare(FRAME, request(weight="y"))
    with pytest.raises(DataError, match="Unknown column 'v'"):
        prepare(FRAME, request(weight="v"))


def test_interval_groups_are_a_categorical_feature():
    prepared = prepare(FRAME, request(interval_groups="town"))
    grouping = prepared.grouping(np.arange(N))
    assert grouping is not None
    assert grouping.n_codes == prepared.schema.cardinalities[0]
    np.testing.assert_array_equal(grouping.codes, prepared.X.categorical[:, 0])
    with pytest.raises(DataError, match="Received: 'x', a number"):
        prepare(FRAME, request(interval_groups="x"))
    with pytest.raises(DataError, match="Unknown categorical feature 'tawn'"):
        prepare(FRAME, request(interval_groups="tawn"))


def test_a_weight_of_2_counts_as_two_rows_in_every_figure():
    y, value, other = RNG.normal(size=(3, 200, 1))
    twice = np.r_[np.arange(200), np.arange(100)]
    weight = np.repeat([2.0, 1.0], 100)
    ours, theirs = regression_metrics(y[:, 0], value[:, 0], weight), regression_metrics(y[twice, 0], value[twice, 0])
    assert {k: v for k, v in ours.items() if v} == pytest.approx({k: v for k, v in theirs.items() if v})
    config = TrainConfig()
    others = {"mean": np.zeros_like(y), "ridge": other}
    weighted = verdict(y, value, others, config, weight=weight)
    repeated = verdict(y[twice], value[twice], {k: v[twice] for k, v in others.items()}, config)
    assert weighted.ratio == pytest.approx(repeated.ratio)
    answer = Prediction(value, value - 1, value + 1, [])
    again = Prediction(value[twice], value[twice] - 1, value[twice] + 1, [])
    assert coverage(("y",), y, answer, 0.9, weight).covered == coverage(("y",), y[twice], again, 0.9).covered


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        ("mse", (MEAN, RIDGE, BOOSTING)),
        ("mae", (MEDIAN, RIDGE, BOOSTING)),
        ("poisson", (MEAN, GLM, BOOSTING)),
        ("gamma", (MEAN, GLM, BOOSTING)),
        ("tweedie", (MEAN, GLM, BOOSTING)),
        ("logistic", (MEAN, GLM, BOOSTING)),
    ],
)
def test_baselines_learn_the_objective_from_the_rows_that_weigh(objective, names):
    """Rows of weight 0 say the opposite."""
    n = 600
    x = RNG.uniform(-1, 1, n)
    sign = np.repeat([1, -1], n // 2)
    rate = np.exp(2.5 * sign * x)
    y = {
        "logistic": (RNG.random(n) < rate / (1 + rate)).astype(float),
        "poisson": RNG.poisson(rate).astype(float),
    }.get(objective, RNG.gamma(3, rate / 3))
    frame = pl.DataFrame({"x": x, "y": y})
    config = TrainConfig(objective=objective)
    prepared = prepare(frame, Request("memory", ("y",), "m", config))
    constant, line, boosting = names
    every = baseline_names(config, prepared.schema)
    assert (every[0], every[1], every[-1]) == names
    weight = np.repeat([1.0, 0.0], n // 2)
    rows = np.arange(n // 2)
    X, y_seen = prepared.rows(rows)
    errors = {}
    for name, model in baselines(prepared.schema, prepared.X, prepared.y, config, weight):
        answers = predict(model, X)
        metrics = by_target(("y",), y_seen, answers, config=config)["y"]
        errors[name] = metrics[verdict(y_seen, answers, {"mean": answers}, config).metric]
    assert errors[line] < 0.95 * errors[constant]
    assert errors[boosting] < 0.95 * errors[constant]

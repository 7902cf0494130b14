"""Intervals from quantile heads, weighted scores, and intervals of groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from artifact.errors import ArtifactError
from artifact.intervals.calibration import MIN_GROUP_ROWS, Calibration, Grouping, GroupScores
from artifact.intervals.quantiles import heads_at, position
from artifact.intervals.scores import Scores
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded

RNG = np.random.default_rng(0)
# Distances from the median: 1 and 4 below, 2 and 3 above.
HEADS = np.array([[[6.0, 9.0, 10.0, 12.0, 13.0]]])


@pytest.mark.parametrize(
    ("at", "lower", "upper"), [(0, 0, 0), (0.5, -0.5, 1), (1, -1, 2), (2, -4, 3), (1.5, -2.5, 2.5), (3, -11, 10)]
)
def test_ends_are_between_the_heads_and_then_move_on_by_their_width(at, lower, upper):
    below, above = heads_at(np.array([at]), HEADS, np.float64)
    assert (below.item(), above.item()) == (lower, upper)


@given(residual=st.floats(-100, 100), gaps=st.lists(st.floats(1e-3, 10), min_size=4, max_size=4))
def test_a_row_lies_on_the_edge_of_the_interval_at_its_position(residual, gaps):
    quantiles = np.cumsum([0, *gaps])[None, None]
    at = position(np.array([[residual]]), quantiles)
    below, above = heads_at(at, quantiles, np.float64)
    edge = below if residual < 0 else above
    assert edge.item() == pytest.approx(residual, abs=1e-6)
    inside = heads_at(at * 0.999, quantiles, np.float64)
    assert inside[0].item() >= below.item()
    assert inside[1].item() <= above.item()


def skewed(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of growing, skewed noise, and quantile heads that are 30% too narrow."""
    scale = RNG.uniform(0.5, 4, (n, 1))
    y = RNG.gumbel(size=(n, 1)) * scale
    heads = -np.log(-np.log(np.array([0.05, 0.25, 0.5, 0.75, 0.95])))
    median = heads[2]
    return y, scale[:, :, None] * (median + 0.7 * (heads - median))


@pytest.mark.parametrize("level", [0.3, 0.5, 0.8, 0.9, 0.97])
def test_heads_that_are_wrong_cover_as_promised_at_any_level(level):
    y, quantiles = skewed(4000)
    new_y, new_quantiles = skewed(20_000)
    calibration = Calibration.fit(y, quantiles[:, :, 2], None, quantiles)
    assert calibration.method == "quantile"
    lower, upper = calibration.interval(new_quantiles[:, :, 2], None, calibration.bound(level), new_quantiles)
    covered = np.mean((lower <= new_y) & (new_y <= upper))
    assert covered == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 4000))


def test_a_higher_level_is_never_narrower_and_ends_agree_with_interval():
    y, quantiles = skewed(500)
    calibration = Calibration.fit(y, quantiles[:, :, 2], None, quantiles)
    value = quantiles[:, :, 2].astype(np.float32)
    before = np.zeros_like(value)
    for level in (0.1, 0.5, 0.9, 0.95, 0.99):
        lower, upper = calibration.interval(value, None, calibration.bound(level), quantiles)
        assert lower.dtype == np.float32
        assert (upper - lower >= before).all()
        before = upper - lower
        ends = calibration.ends(value, None, calibration.bound(level), quantiles)
        np.testing.assert_array_equal(ends, np.stack([lower, value, upper]))
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration
    with pytest.raises(ArtifactError, match="Expected quantiles"):
        calibration.interval(value, None, calibration.bound(0.5))


def test_ends_stay_within_what_values_can_be():
    calibration = Calibration.fit(np.full((9, 1), 2.0), np.zeros((9, 1)), np.ones((9, 1)), support=(0.0, 1.0))
    value, spread = np.array([[0.5], [0.9]], np.float32), np.array([[1.0], [0.01]], np.float32)
    lower, upper = calibration.interval(value, spread, calibration.bound(0.9))
    assert lower.ravel().tolist() == pytest.approx([0, 0.88])
    assert upper.ravel().tolist() == pytest.approx([1, 0.92])
    np.testing.assert_array_equal(calibration.ends(value, spread, calibration.bound(0.9))[0], lower)


def test_equal_weights_change_nothing_and_a_weight_of_0_takes_a_row_out():
    scores = RNG.exponential(size=(300, 2))
    assert Scores.of(scores, np.full(300, 0.3)) == Scores.of(scores)
    weight = np.repeat([1.0, 0.0], 150)
    assert Scores.of(scores, weight) == Scores.of(scores[:150])


def test_weighted_scores_cover_the_population_that_the_weights_describe():
    """Rows with large errors are 1 in 10 of the calibration rows, and half of the rows to come."""
    rare = RNG.random(20_000) < 0.1
    scores = np.where(rare, 5.0, 1.0) * RNG.exponential(size=20_000)
    weight = np.where(rare, 5.0, 5 / 9)
    new = np.where(RNG.random(20_000) < 0.5, 5.0, 1.0) * RNG.exponential(size=20_000)
    weighted, plain = Scores.of(scores[:, None], weight), Scores.of(scores[:, None])
    assert np.mean(new <= weighted.bound(0.9)) == pytest.approx(0.9, abs=0.015)
    assert np.mean(new <= plain.bound(0.9)) < 0.8
    assert weighted.n_samples < plain.n_samples


def grouped(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of three groups; the last is rare."""
    codes = RNG.choice(3, n, p=[0.6, 0.395, 0.005]).astype(np.int32)
    return codes, RNG.normal(size=(n, 1)) * np.array([1.0, 6.0, 3.0])[codes][:, None]


def test_each_group_is_covered_and_a_small_one_takes_the_scores_of_all():
    codes, y = grouped(4000)
    assert np.sum(codes == 2) < MIN_GROUP_ROWS
    grouping = Grouping(1, 4, codes)
    calibration = Calibration.fit(y, np.zeros_like(y), grouping=grouping)
    plain = Calibration.fit(y, np.zeros_like(y))
    bound = calibration.bound(0.9)
    assert bound.shape == (4, 1)
    assert bound[2] == bound[3] == plain.bound(0.9)
    codes, y = grouped(40_000)
    categorical = np.stack([np.zeros_like(codes), codes], axis=1)
    lower, upper = calibration.interval(np.zeros_like(y), None, calibration.of_rows(bound, categorical))
    covered = [np.mean((lower <= y)[codes == k] & (y <= upper)[codes == k]) for k in (0, 1)]
    assert covered == pytest.approx([0.9, 0.9], abs=0.03)
    inside = np.abs(y) <= plain.bound(0.9)
    assert inside[codes == 0].mean() > 0.99
    assert inside[codes == 1].mean() < 0.8
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration


def test_a_group_that_cannot_promise_the_level_takes_the_scores_of_all():
    codes = np.repeat(np.int32([0, 1]), [MIN_GROUP_ROWS, 5000])
    y = RNG.normal(size=(len(codes), 1))
    calibration = Calibration.fit(y, np.zeros_like(y), grouping=Grouping(0, 2, codes))
    assert calibration.groups is not None
    assert 0 in calibration.groups.scores
    assert calibration.bound(0.99)[0] == Scores.bound(calibration, 0.99)


def test_a_group_outside_its_codes_is_refused():
    scores = Scores.of(np.ones((3, 1)))
    with pytest.raises(ValidationError, match="codes of groups from 0 to 1"):
        GroupScores(column=0, n_codes=2, scores={2: scores})


def test_the_predictor_gives_each_row_of_several_requests_its_groups_bound(build_predictor):
    codes = np.repeat(np.int32([2, 3]), 100)
    y = np.where(codes == 2, 1.0, 10.0)[:, None] * RNG.exponential(size=(200, 1))
    calibration = Calibration.fit(y, np.zeros_like(y), grouping=Grouping(0, 4, codes))
    predictor: Predictor = build_predictor(calibration)
    X = Encoded(np.zeros((3, 0), np.float32), np.array([[2], [3], [2]], np.int32))
    half, most = predictor.bound(0.5), predictor.bound(0.9)
    one = predictor.row_bounds([half], [3], X)
    assert one.ravel().tolist() == [half[2, 0], half[3, 0], half[2, 0]]
    two = predictor.row_bounds([half, most], [1, 2], X)
    assert two.ravel().tolist() == [half[2, 0], most[3, 0], most[2, 0]]


@pytest.fixture
def build_predictor():
    from tests.builders import build_manifest, build_schema

    def build(calibration: Calibration) -> Predictor:
        schema = build_schema()
        return Predictor(schema, None, calibration, build_manifest(schema, "m", "1"))  # type: ignore[arg-type]

    return build

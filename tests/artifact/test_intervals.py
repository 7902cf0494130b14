import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from artifact.errors import ArtifactError, DataError
from artifact.intervals.calibration import MAX_SCORES, Calibration


def calibrate(scores: np.ndarray) -> Calibration:
    """Scores float (n_samples, n_targets) as residuals around 0."""
    return Calibration.fit(scores, np.zeros_like(scores))


@given(n=st.integers(1, 3000), mille=st.integers(1, 999))
@example(n=99, mille=70)  # in floats 100 * 0.07 is above 7
def test_bound_is_the_score_of_the_exact_rank_at_every_level(n, mille):
    level = mille / 1000
    rank = math.ceil((n + 1) * Fraction(mille, 1000))
    calibration = calibrate(np.arange(1, n + 1, dtype=float)[:, None])
    if rank > n:
        with pytest.raises(DataError, match=f"for {n} calibration rows"):
            calibration.bound(level)
    else:
        assert calibration.bound(level) == [rank]


@given(n=st.integers(MAX_SCORES + 1, 200_000), level=st.floats(0.001, 0.999))
def test_thinning_never_narrows_and_hardly_widens(n, level):
    exact = math.ceil(round((n + 1) * level, 9))
    thinned = calibrate(np.arange(1, n + 1, dtype=float)[:, None])
    assert len(thinned.ranks) <= MAX_SCORES
    assert exact <= thinned.bound(level)[0] <= exact + n / MAX_SCORES + 1


@given(n=st.integers(1, 100_000))
def test_the_highest_level_can_always_be_asked_for(n):
    calibration = calibrate(np.arange(1, n + 1, dtype=float)[:, None])
    assert calibration.bound(calibration.max_level) == [n]


@pytest.mark.parametrize("n", [1, 2, 7, 500, 20_000])
def test_the_level_named_in_the_refusal_is_accepted(n):
    calibration = calibrate(np.arange(1, n + 1, dtype=float)[:, None])
    with pytest.raises(DataError, match="of at most") as caught:
        calibration.bound(0.999999)
    calibration.bound(float(str(caught.value).split("at most ")[1].split(",")[0]))


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, math.nan, math.inf])
def test_a_level_outside_0_and_1_is_refused(level):
    with pytest.raises(DataError, match=r"in \(0, 1\)"):
        calibrate(np.ones((10, 1))).bound(level)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_new_rows_is_as_promised(scaled, level):
    rng = np.random.default_rng(0)
    n, trials = 60, 4000
    scale = rng.uniform(0.5, 5, (trials, n + 1))
    y = rng.standard_t(3, (trials, n + 1)) * scale
    covered = 0
    for row, spread in zip(y, scale, strict=True):
        column, spreads = row[:, None], spread[:, None] if scaled else None
        zeros = np.zeros_like(column)
        calibration = Calibration.fit(column[:n], zeros[:n], spreads[:n] if scaled else None)
        lower, upper = calibration.interval(zeros[n:], spreads[n:] if scaled else None, calibration.bound(level))
        covered += bool(lower[0, 0] <= row[n] <= upper[0, 0])
    promised = math.ceil((n + 1) * level) / (n + 1)
    assert covered / trials == pytest.approx(promised, abs=4 * math.sqrt(promised * (1 - promised) / trials))


def test_a_spread_scales_the_width_and_its_absence_is_an_error():
    calibration = Calibration.fit(np.full((9, 1), 2.0), np.zeros((9, 1)), np.ones((9, 1)))
    value, bound = np.zeros((2, 1), np.float32), calibration.bound(0.9)
    lower, upper = calibration.interval(value, np.array([[1.0], [3.0]], np.float32), bound)
    assert upper.ravel().tolist() == [2, 6]
    assert lower.dtype == upper.dtype == np.float32
    with pytest.raises(ArtifactError, match="Expected a spread"):
        calibration.interval(value, None, bound)


def test_targets_are_calibrated_apart():
    calibration = calibrate(np.column_stack([np.arange(1.0, 10.0), np.arange(10.0, 100.0, 10.0)]))
    assert calibration.bound(0.5).tolist() == [5, 50]


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=20))
def test_json_round_trip(scores):
    calibration = calibrate(np.array(scores)[:, None])
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration


@pytest.mark.parametrize(
    "change",
    [
        {"ranks": (1, 2), "scores": ((1.0, 2.0),)},
        {"ranks": (1, 3, 3)},
        {"ranks": (0, 1, 3)},
        {"ranks": ()},
        {"scores": ((3.0, 2.0, 1.0),)},
        {"scores": ((1.0, 2.0),)},
        {"scores": ((-1.0, 2.0, 3.0),)},
        {"scores": ((1.0, 2.0, math.inf),)},
        {"n_samples": 0},
    ],
)
def test_a_calibration_that_contradicts_itself_is_refused(change):
    whole = {"method": "constant", "n_samples": 3, "ranks": (1, 2, 3), "scores": ((1.0, 2.0, 3.0),)}
    Calibration(**whole)
    with pytest.raises(ValidationError):
        Calibration(**{**whole, **change})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["scaled", "constant"])
def test_both_ends_beside_the_value_are_the_interval_to_the_last_bit(dtype, method):
    rng = np.random.default_rng(0)
    spread = rng.lognormal(size=(50, 2)).astype(np.float32) if method == "scaled" else None
    value = (rng.normal(size=(50, 2)) * 1e3).astype(dtype)
    value[0] = 0.0, -0.0
    calibration = Calibration(method=method, n_samples=3, ranks=(1, 2, 3), scores=((0.1, 0.7, 2.3), (0.0, 0.3, 1.9)))
    for bound in (calibration.bound(0.5), np.repeat(calibration.bound(0.7)[None], 50, axis=0)):
        lower, upper = calibration.interval(value, spread, bound)
        ends = calibration.ends(value, spread, bound)
        assert ends.dtype == lower.dtype == dtype
        for k, expected in enumerate((lower, value, upper)):
            assert ends[k].tobytes() == expected.tobytes()
    if method == "scaled":
        with pytest.raises(ArtifactError, match="Expected a spread"):
            calibration.ends(value, None, calibration.bound(0.5))

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import DataError
from training.table.split import MIN_ROWS, fractions, shared_rows, split_groups, split_random, split_time


def check_partition(parts, n_rows):
    assert sorted(np.concatenate(parts)) == list(range(n_rows))


@given(st.integers(MIN_ROWS, 5_000), st.integers(0, 10))
def test_random_parts_cover_every_row_once(n_rows, seed):
    parts = split_random(n_rows, fractions(n_rows), seed)
    check_partition(parts, n_rows)
    assert len(parts.calibration) >= 9
    assert len(parts.train) >= 10


def test_the_seed_decides_the_split():
    first, again, other = (split_random(100, fractions(100), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.test, other.test)


def test_groups_stay_together():
    groups = pl.Series("g", [f"g{i % 37}" if i % 50 else None for i in range(400)])
    parts = split_groups(groups, fractions(400), seed=0)
    check_partition(parts, 400)
    homes = [set(groups.gather(part).to_list()) for part in parts]
    assert sum(map(len, homes)) == len(set().union(*homes))


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="only 2 groups in 'g'"):
        split_groups(pl.Series("g", ["a", "b"] * 50), fractions(100), seed=0)


@given(st.integers(100, 400), st.integers(0, 3))
def test_the_future_stays_out(n_rows, seed):
    rng = np.random.default_rng(seed)
    days = rng.integers(0, n_rows, n_rows)
    moments = pl.Series("t", [datetime(2024, 1, 1) + timedelta(days=int(d)) for d in days])
    parts = split_time(moments, fractions(n_rows))
    check_partition(parts, n_rows)
    for earlier, later in pairwise(parts):
        assert days[earlier].max() < days[later].min()


def test_a_missing_time_is_refused():
    with pytest.raises(DataError, match="1 missing"):
        split_time(pl.Series("t", [None, *range(99)]), fractions(100))


def test_rows_in_two_parts_are_counted():
    frame = pl.DataFrame({"a": [1, 2, None] * 40, "b": [1.0, 2.0, 3.0] * 40})
    parts = split_random(120, fractions(120), 0)
    assert shared_rows(frame, parts) == len(parts.test)
    assert shared_rows(frame.with_columns(c=pl.Series(range(120))), parts) == 0

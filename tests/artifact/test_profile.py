import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from artifact.profile import MAX_BINS, Histogram, Profile
from artifact.rows.encoding import Encoder
from tests.builders import build_schema, sample_rows

FLOAT32 = st.floats(width=32, allow_infinity=False)


@given(hnp.arrays(np.float32, st.integers(0, 300), elements=FLOAT32))
def test_every_row_is_counted_once(values):
    histogram = Histogram.fit(values)
    assert sum(histogram.counts) + histogram.missing == len(values)
    assert len(histogram.counts) == max(len(histogram.edges) - 1, 0) <= MAX_BINS
    assert Histogram.model_validate_json(histogram.model_dump_json()) == histogram


@pytest.mark.parametrize(
    ("values", "edges", "counts", "missing"),
    [
        ([], (), (), 0),
        ([np.nan, np.nan], (), (), 2),
        ([3, 3, np.nan], (3, 3), (2,), 1),
        ([0, 1], tuple(np.linspace(0, 1, MAX_BINS + 1)), (1, *[0] * (MAX_BINS - 2), 1), 0),
    ],
)
def test_histogram_of_few_values(values, edges, counts, missing):
    assert Histogram.fit(np.array(values, np.float32)) == Histogram(edges=edges, counts=counts, missing=missing)


def test_bins_hold_equal_shares():
    histogram = Histogram.fit(np.random.default_rng(0).exponential(size=6400))
    assert len(histogram.counts) == MAX_BINS
    assert max(histogram.counts) - min(histogram.counts) <= 2


def test_profile_names_columns_and_counts_codes():
    schema = build_schema()
    rows = [
        {**row, "town": town} for row, town in zip(sample_rows(schema, 4), [None, "Bath", "York", "York"], strict=True)
    ]
    profile = Profile.fit(schema, Encoder(schema).encode_rows(rows), {"price": np.arange(4.0)})
    assert profile.n_samples == 4
    assert list(profile.numeric) == [c.name for c in schema.numeric_columns]
    assert profile.categorical["town"] == (1, 1, 0, 2)
    assert sum(profile.predictions["price"].counts) == 4
    assert Profile.model_validate_json(profile.model_dump_json()) == profile

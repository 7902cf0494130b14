"""Moments at the ends of the calendar and beyond are read and written without a traceback."""

from __future__ import annotations

import numpy as np
import pytest

from artifact.rows.encoding import Encoder
from artifact.rows.moments import FIRST_SECOND, LAST_SECOND, moment, unwritable
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.words.display import extent

TARGETS = (Target(name="y", minimum=0, maximum=1, std=1),)


def dated(minimum: float, maximum: float, **more) -> FeatureSchema:
    days = Feature(name="until", kind="datetime", parts=("days",), minimum=minimum, maximum=maximum, **more)
    return FeatureSchema(features=(days,), targets=TARGETS)


@pytest.mark.parametrize(
    ("seconds", "day"),
    [(0.0, "1970-01-01"), (FIRST_SECOND, "0001-01-01"), (LAST_SECOND, "9999-12-31"), (1e30, "9999-12-31"),
     (-1e300, "0001-01-01")],
)  # fmt: skip
def test_a_moment_is_within_the_years_that_can_be_written(seconds, day):
    assert str(moment(seconds).date()) == day


@pytest.mark.parametrize("unit", ["us", "ms", "s", "D"])
def test_moments_beyond_the_years_1_to_9999(unit):
    texts = ["0001-01-01", "9999-12-31", "10000-01-01", "0000-12-31", "NaT", "290000-01-01"]
    assert unwritable(np.array(texts, f"datetime64[{unit}]")).tolist() == [False, False, True, True, False, True]


def test_case_17c_a_range_that_ends_in_9999_or_beyond_is_shown():
    assert extent(dated(0, LAST_SECOND).features[0]) == "1970-01-01 to 9999-12-31"
    assert extent(dated(-1e20, 1e20).features[0]) == "0001-01-01 to 9999-12-31"


def test_a_warning_names_a_moment_outside_a_range_at_the_ends():
    encoder = Encoder(dated(FIRST_SECOND, LAST_SECOND - 1))
    (warning,) = encoder.encode_rows([{"until": "9999-12-31T23:59:59Z"}]).warnings
    assert "[0001-01-01T00:00:00+00:00, 9999-12-31T23:59:58+00:00]" in warning.message
    encoder = Encoder(dated(0, 1e20))
    (warning,) = encoder.encode_rows([{"until": "1969-01-01"}]).warnings
    assert "1969-01-01T00:00:00+00:00" in warning.message


def test_a_moment_that_no_text_can_hold_is_missing():
    """As in training: some databases write "infinity" this way."""
    moments = np.array(["2024-01-01", "12000-01-01", "-0005-01-01"], "datetime64[ms]")
    encoded = Encoder(dated(0, LAST_SECOND, missing="impute")).encode_columns({"until": moments})
    assert np.isnan(encoded.numeric[:, 0]).tolist() == [False, True, True]

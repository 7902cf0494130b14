import pytest

from artifact.rows.schema import Feature
from artifact.words.display import by_error, extent, number
from tests.builders import build_schema


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.84967, "0.8497"),
        (-999.96, "-1000"),
        (45103.4, "45,103"),
        (1e-5, "1.000e-05"),
        (-2e15, "-2.000e+15"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("age", "0 to 100"),
        ("garden", "false, true"),
        ("town", "Leeds, York"),
        ("sold", "2017-07-14 to 2023-11-14"),
    ],
)
def test_extent_is_the_range_or_the_categories(name, text):
    assert extent(build_schema().feature(name)) == text


def test_extent_counts_further_categories_and_is_empty_without_a_range():
    assert extent(Feature(name="c", kind="category", categories=tuple("abcdef")), limit=2) == "a, b and 4 more"
    assert extent(Feature(name="x", kind="number", minimum=1)) == ""


def test_models_stand_by_their_error_and_those_without_it_last():
    rows = {"new": {"rmse": 2.0}, "none": {"rmse": None}, "mean": {"rmse": 3.0}, "old": {}, "ridge": {"rmse": 1.0}}
    assert [name for name, _ in by_error(rows, "rmse")] == ["ridge", "new", "mean", "none", "old"]

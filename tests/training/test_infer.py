from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from artifact.facts import UnreadableValues
from training.table.corrections import Corrections, TargetCorrection
from training.table.infer import fit_categories, infer_features
from training.table.targets import TargetFacts, described_target


def infer(frame: pl.DataFrame, corrections: Corrections | None = None):
    return infer_features(frame, frame.columns, corrections or Corrections())


def feature(frame: pl.DataFrame, corrections: Corrections | None = None):
    (only,) = infer(frame, corrections).features
    return only


N = 60


def test_each_dtype_becomes_its_kind_with_its_range():
    inferred = infer(
        pl.DataFrame(
            {
                "number": [0.5 + i for i in range(N)],
                "integer": [i % 9 for i in range(N)],
                "boolean": [i % 2 == 0 for i in range(N)],
                "category": ["a" if i % 3 else "b" for i in range(N)],
                "datetime": [datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)],
            }
        )
    )
    assert [f.kind for f in inferred.features] == ["number", "integer", "boolean", "category", "datetime"]
    assert (inferred.features[0].minimum, inferred.features[0].maximum) == (0.5, 59.5)
    assert inferred.features[4].parts == ("days", "weekday_sin", "weekday_cos")
    assert inferred.features[4].example == "2024-01-31T00:00:00Z"
    assert inferred.sentences == []


def test_missing_is_imputed_only_where_training_saw_it():
    frame = pl.DataFrame({"seen": [None, *map(float, range(N))], "never": [1.5 * i for i in range(N + 1)]})
    assert [f.missing for f in infer(frame).features] == ["impute", "refuse"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([7] * N, "constant"),
        ([None] * N, "empty"),
        ([f"customer-{i}" for i in range(N)], "identifier"),
        (list(range(100, 100 + N)), "identifier"),
        ([7, *range(3, 2 + N)], "identifier"),
        ([*range(30), *range(33, N + 3)], "identifier"),
        ([[1]] * N, "type"),
        ([timedelta(days=i) for i in range(N)], "type"),
    ],
)
def test_a_useless_column_is_left_out_and_named(values, why):
    inferred = infer(pl.DataFrame({"odd": values, "good": [i % 7 for i in range(N)]}))
    assert [f.name for f in inferred.features] == ["good"]
    (fact,) = inferred.notes
    assert (fact.column, fact.why) == ("odd", why)
    assert inferred.sentences == [fact.sentence]


def test_a_correction_keeps_what_would_be_left_out():
    corrections = Corrections.model_validate({"features": {"day": {"kind": "integer", "unit": "days"}}})
    day = feature(pl.DataFrame({"day": range(N)}), corrections)
    assert (day.kind, day.unit) == ("integer", "days")


def test_infinite_values_count_as_missing_and_are_told():
    inferred = infer(pl.DataFrame({"x": [float("inf"), *map(float, range(N))]}))
    assert inferred.features[0].missing == "impute"
    assert inferred.notes == [UnreadableValues(column="x", count=1, are_moments=False)]
    assert inferred.sentences == [inferred.notes[0].sentence]


def test_no_usable_feature_is_refused_with_the_reasons():
    with pytest.raises(DataError, match="it is constant"):
        infer(pl.DataFrame({"x": [1] * N}))


def test_categories_come_from_the_training_rows_most_frequent_first():
    frame = pl.DataFrame({"c": ["a"] * 5 + ["b"] * 9 + ["rare"] * 2})
    (fitted,) = fit_categories([feature(frame)], frame, Corrections())
    assert fitted.categories == ("b", "a")


def test_categories_can_be_given():
    frame = pl.DataFrame({"c": ["a", "b"] * 20})
    corrections = Corrections.model_validate({"features": {"c": {"categories": ["b", "z"], "unseen": "refuse"}}})
    (fitted,) = fit_categories([feature(frame, corrections)], frame, corrections)
    assert (fitted.categories, fitted.unseen) == (("b", "z"), "refuse")


def test_a_far_offset_is_centred():
    assert feature(pl.DataFrame({"x": [1e9 + i % 3 for i in range(N)]})).offset == 1e9 + 1
    assert feature(pl.DataFrame({"x": [10.0 + i % 3 for i in range(N)]})).offset == 0


def test_targets_describe_their_training_rows():
    near = described_target("y", TargetFacts.of(np.array([1.0, 2.0, 3.0])), TargetCorrection(unit="kg"))
    assert (near.offset, near.minimum, near.maximum, near.unit) == (0, 1, 3, "kg")
    far = described_target("y", TargetFacts.of(np.array([1e9, 1e9 + 1])), TargetCorrection())
    assert far.offset == pytest.approx(1e9, abs=1)
    tiny = described_target("y", TargetFacts.of(np.array([1e-12, 1e-12 + 1e-15])), TargetCorrection())
    assert tiny.offset == pytest.approx(1e-12, rel=1e-2)


def test_a_schema_toml_that_names_no_column_lists_them():
    corrections = Corrections.model_validate({"features": {"rom": {"unit": "m"}}})
    with pytest.raises(DataError, match=r"'rom'.*'room'"):
        infer(pl.DataFrame({"room": range(N), "age": range(N)}), corrections)


def test_a_kind_that_does_not_fit_is_refused():
    corrections = Corrections.model_validate({"features": {"c": {"kind": "number"}}})
    with pytest.raises(DataError, match="'c'"):
        infer(pl.DataFrame({"c": ["a", "b"] * N}), corrections)


def test_drop_leaves_a_column_out():
    corrections = Corrections.model_validate({"features": {"a": {"drop": True}}})
    assert [f.name for f in infer(pl.DataFrame({"a": [1.5, 2.5] * N, "b": [1.5, 2.5] * N}), corrections).features] == [
        "b"
    ]

import re
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError, SchemaMismatchError
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature, FeatureSchema, Target
from training.table.encode import encode_frame, records

SCHEMA = FeatureSchema(
    features=(
        Feature(name="n", kind="number", minimum=0, maximum=10, missing="impute"),
        Feature(name="i", kind="integer", minimum=0, maximum=10),
        Feature(name="b", kind="boolean", minimum=0, maximum=1, missing="impute"),
        Feature(name="c", kind="category", categories=("1", "x"), missing="impute"),
        Feature(name="d", kind="datetime", parts=("days",), minimum=0, maximum=1e10, missing="impute"),
    ),
    targets=(Target(name="y", minimum=0, maximum=1, std=1),),
)
FRAME = pl.DataFrame(
    {
        "n": [1.5, None],
        "i": [1, 2],
        "b": [True, None],
        "c": ["x", None],
        "d": [datetime(1970, 1, 2), None],
        "y": [0.0, 1.0],
    }
)


def test_a_frame_and_its_records_encode_to_the_same_bits():
    by_frame = encode_frame(FRAME, SCHEMA)
    by_rows = Encoder(SCHEMA).encode_rows(records(FRAME, SCHEMA))
    np.testing.assert_array_equal(by_frame.numeric, by_rows.numeric)
    np.testing.assert_array_equal(by_frame.categorical, by_rows.categorical)
    assert by_frame.numeric[0].tolist() == [1.5, 1, 1, 1]


def test_column_order_other_columns_and_the_target_do_not_matter():
    shuffled = FRAME.select(reversed(FRAME.columns)).with_columns(extra=pl.lit(1)).drop("y")
    np.testing.assert_array_equal(encode_frame(shuffled, SCHEMA).numeric, encode_frame(FRAME, SCHEMA).numeric)


def test_other_types_that_mean_the_same_are_taken():
    frame = FRAME.with_columns(b=pl.Series([1, None]), c=pl.Series([1, None]), i=pl.Series([1.0, 2.0]))
    encoded = encode_frame(frame, SCHEMA)
    assert encoded.numeric[0, 2] == 1
    assert encoded.categorical[0, 0] == 2


def test_an_absent_column_is_refused_with_the_nearest_of_the_tables_own():
    renamed = FRAME.rename({"n": "N"})
    sentence = (
        "Expected column 'n'. Received: a table without it; its nearest column is 'N'. "
        "Rename it, or say --allow-missing-columns."
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        encode_frame(renamed, SCHEMA)
    with pytest.raises(
        DataError, match=r"'n'. Received: a table without it; its columns are 'i', 'b', 'c', 'd', 'y'\. Add"
    ):
        encode_frame(FRAME.drop("n"), SCHEMA)


def test_an_absent_column_is_missing_on_request_where_training_saw_it_missing():
    encoded = encode_frame(FRAME.drop("n", "c"), SCHEMA, missing_columns="impute")
    assert np.isnan(encoded.numeric[:, 0]).all()
    assert encoded.categorical[:, 0].tolist() == [0, 0]
    assert [(w.row, w.field, w.kind) for w in encoded.warnings] == [
        (row, name, "missing_column") for name in "nc" for row in (0, 1)
    ]
    for choice in ("refuse", "impute"):
        with pytest.raises(DataError, match=r"without it; .* Add it: training never saw a row without a value"):
            encode_frame(FRAME.drop("i"), SCHEMA, missing_columns=choice)


def test_many_absent_columns_are_counted():
    features = tuple(Feature(name=f"f{i}", kind="number", missing="impute") for i in range(30))
    schema = FeatureSchema(features=features, targets=SCHEMA.targets)
    with pytest.raises(DataError) as caught:
        encode_frame(pl.DataFrame({"f0": [1.0]}), schema)
    assert str(caught.value).count("Expected column") == 5
    assert str(caught.value).endswith("And 24 more of the model's features have no column.")


def test_text_in_a_column_of_numbers_names_its_row():
    with pytest.raises(SchemaMismatchError, match=r"Row 1, 'i'.*'two'"):
        encode_frame(FRAME.with_columns(i=pl.Series(["1", "two"])), SCHEMA)


def test_an_empty_text_column_is_missing():
    encoded = encode_frame(FRAME.with_columns(n=pl.Series([None, "NA"]), b=pl.Series([None, ""])), SCHEMA)
    assert np.isnan(encoded.numeric[:, [0, 2]]).all()


def test_a_table_without_any_feature_is_refused_though_all_may_be_missing():
    schema = FeatureSchema(features=(SCHEMA.features[0],), targets=SCHEMA.targets)
    with pytest.raises(
        DataError, match=r"Expected a column of the model's features, 'n'. Received: a table without any"
    ):
        encode_frame(FRAME.select("y"), schema, missing_columns="impute")

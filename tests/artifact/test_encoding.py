import time
from collections import deque
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.errors import SchemaMismatchError
from artifact.rows.encoding import Encoded, Encoder
from artifact.rows.schema import Feature
from artifact.rows.values import DAY, datetime_part, parse_datetime
from tests.artifact.encoders import encode, encoder_of, faults
from tests.artifact.strategies import MOMENTS, tables
from tests.builders import build_schema, plain_features, sample_rows

FLOAT32_MAX = float(np.finfo(np.float32).max)


def outcome(call: Any, *args: Any, **kwargs: Any) -> Any:
    """The result of a call, to the last bit, or its refusal."""
    try:
        encoded: Encoded = call(*args, **kwargs)
    except SchemaMismatchError as error:
        return [(f.row, f.field, f.reason) for f in error.faults]
    numeric = np.where(np.isnan(encoded.numeric), np.float32(np.nan), encoded.numeric)
    return numeric.shape, numeric.tobytes(), encoded.categorical.tolist(), sorted(encoded.warnings)


# Equal rows, equal arrays


@given(tables())
def test_rows_columns_checked_and_any_order_of_keys_give_equal_bits(table):
    schema, rows = table
    encoder = Encoder(schema)
    expected = outcome(encoder.encode_rows, rows)
    columns = {name: [row[name] for row in rows] for name in schema.names}
    backwards = [dict(reversed(row.items())) for row in rows]
    without_nulls = [{k: v for k, v in row.items() if v is not None} for row in rows]
    assert outcome(encoder.encode_rows, rows, checked=True) == expected
    assert outcome(encoder.encode_columns, columns) == expected
    assert outcome(encoder.encode_columns, columns, checked=True) == expected
    assert outcome(encoder.encode_rows, backwards) == expected
    assert outcome(encoder.encode_rows, without_nulls) == expected


@given(tables())
def test_a_row_is_encoded_the_same_alone_and_among_others(table):
    schema, rows = table
    encoder = Encoder(schema.lenient())
    try:
        whole = encoder.encode_rows(rows)
    except SchemaMismatchError:  # an int beyond float64
        return
    for i, row in enumerate(rows):
        alone = encoder.encode_rows([row])
        np.testing.assert_array_equal(alone.numeric[0], whole.numeric[i])
        np.testing.assert_array_equal(alone.categorical[0], whole.categorical[i])


@given(tables())
def test_shapes_dtypes_and_finiteness_hold_for_any_table(table):
    schema, rows = table
    try:
        X = Encoder(schema.lenient()).encode_rows(rows)
    except SchemaMismatchError as error:
        assert {f.message for f in error.faults} == {"Expected a finite number."}
        return
    assert (X.numeric.dtype, X.categorical.dtype) == (np.float32, np.int32)
    assert X.numeric.shape == (len(X), len(schema.numeric_columns))
    assert X.categorical.shape == (len(X), len(schema.categorical))
    assert not np.isinf(X.numeric).any()
    for j, cardinality in enumerate(schema.cardinalities):
        assert ((X.categorical[:, j] >= 0) & (X.categorical[:, j] < cardinality)).all()


def test_arrays_and_other_sequences_encode_as_lists_do():
    schema = build_schema()
    encoder = Encoder(schema)
    rows = sample_rows(schema, 50)
    lists = {name: [row[name] for row in rows] for name in schema.names}
    seconds = [np.nan if v is None else parse_datetime(v) * 1e6 for v in lists["sold"]]
    arrays = {
        "age": np.array(lists["age"]),
        "income": np.array(lists["income"], dtype=float),
        "rooms": np.array(lists["rooms"], dtype=np.int16),
        "garden": np.array([np.nan if v is None else v for v in lists["garden"]]),
        "town": np.array([np.nan if v is None else v for v in lists["town"]], dtype=object),
        "heating": np.array(lists["heating"]),
        "sold": np.array([np.datetime64("NaT") if np.isnan(s) else np.datetime64(round(s), "us") for s in seconds]),
    }
    expected = outcome(encoder.encode_rows, rows)
    assert outcome(encoder.encode_columns, arrays) == expected
    assert outcome(encoder.encode_columns, {k: deque(v) for k, v in lists.items()}) == expected
    assert outcome(encoder.encode_columns, {**lists, **{k: list(arrays[k]) for k in ("heating", "sold")}}) == expected


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("features", [plain_features(2), (Feature(name="c", kind="category"),)])
def test_no_rows_and_no_columns_of_a_kind_keep_their_shape(features, checked):
    schema = build_schema(features)
    encoder = Encoder(schema)
    for X in (encoder.encode_rows([], checked=checked), encoder.encode_columns({}, checked=checked)):
        assert len(X) == 0
        assert X.numeric.shape == (0, len(schema.numeric))
        assert X.categorical.shape == (0, len(schema.categorical))


# Numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_number_becomes_the_nearest_finite_float32(value):
    nearest = np.float32(np.clip(value, -FLOAT32_MAX, FLOAT32_MAX))
    assert encode(encoder_of("number"), value) == [nearest]


@given(offset=st.floats(-1e12, 1e12), difference=st.floats(-1e6, 1e6))
def test_an_offset_is_taken_off_in_float64(offset, difference):
    value = offset + difference
    exact = np.float32(float(Fraction(value) - Fraction(offset)))
    assert encode(encoder_of("number", offset=offset), value) == [exact]


def test_a_billion_and_one_stays_apart_from_a_billion():
    assert encode(encoder_of("number", offset=1e9), 1e9 - 1, 1e9, 1e9 + 1) == [-1, 0, 1]
    assert encode(encoder_of("integer", offset=1.7e18), 1_700_000_000_000_000_256) == [256]


def test_extremes_are_answered_and_never_become_infinite():
    least = 5e-324
    assert encode(encoder_of("number"), 1e300, -1e300, least, 1e-40) == [
        FLOAT32_MAX,
        -FLOAT32_MAX,
        0,
        np.float32(1e-40),
    ]
    assert encode(encoder_of("number", offset=1.7e308), -1.7e308) == [-FLOAT32_MAX]


@pytest.mark.parametrize("value", [True, "1", b"1", [1], {}, 1j, np.True_, object()])
def test_what_is_no_number_is_a_type_fault(value):
    assert faults(encoder_of("number", missing="impute"), 1.0, value) == [(1, "type")]


def test_integers_may_come_as_whole_floats_only():
    encoder = encoder_of("integer")
    assert encode(encoder, 3, 3.0, np.int8(3), np.float32(3), 2**53) == [3, 3, 3, 3, 2**53]
    assert faults(encoder, 3, 3.5, 1e-320) == [(1, "type"), (2, "type")]


def test_booleans_are_true_false_or_arrays_of_0_and_1():
    encoder = encoder_of("boolean", missing="impute")
    assert encode(encoder, True, False, np.True_) == [1, 0, 1]
    assert faults(encoder, 1, 0.0, "true") == [(0, "type"), (1, "type"), (2, "type")]
    for good in (np.array([True, False]), np.array([1, 0]), np.array([1.0, 0.0])):
        assert encoder.encode_columns({"x": good}).numeric.ravel().tolist() == [1, 0]
    with pytest.raises(SchemaMismatchError, match=r"Expected true or false\. .*\(1 more\)"):
        encoder.encode_columns({"x": np.array([0.5, 1, 7])})


def test_an_array_of_booleans_is_no_column_of_numbers():
    with pytest.raises(SchemaMismatchError, match="Expected a number"):
        encoder_of("number").encode_columns({"x": np.array([True])})


# Categories


@given(st.lists(st.text(), min_size=1, unique=True))
def test_codes_decode_to_any_unicode_category(categories):
    codes = encode(encoder_of("category", categories=tuple(categories)), *categories)
    assert [categories[code - 2] for code in codes] == categories


@pytest.mark.parametrize("value", [1, True, 1.5, ["a"], b"a", date(2024, 1, 1)])
def test_what_is_no_string_is_no_category(value):
    assert faults(encoder_of("category", categories=("a",)), "a", value) == [(1, "type")]


def test_a_text_that_looks_like_a_number_stays_text():
    assert encode(encoder_of("category", categories=("001", "1")), "001", "1") == [2, 3]


# Datetimes


@pytest.mark.parametrize(
    "form",
    [
        "2024-05-01T12:30:00Z",
        "2024-05-01T12:30:00",
        "2024-05-01 12:30",
        " 2024-05-01T12:30:00.000000+00:00 ",
        "2024-05-01T14:30:00+02:00",
        "2024-05-01T01:00:00-11:30",
        "20240501T123000Z",
        "2024-W18-3T12:30",
        datetime(2024, 5, 1, 12, 30),
        datetime(2024, 5, 1, 12, 30, tzinfo=UTC),
        datetime(2024, 5, 1, 18, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        np.datetime64("2024-05-01T12:30"),
        np.datetime64("2024-05-01T12:30:00.000000000"),
    ],
    ids=str,
)
def test_every_form_and_zone_of_a_moment_is_the_same_number(form):
    assert parse_datetime(form) == 1714566600
    assert encode(encoder_of("datetime", offset=1714566600), form) == [0]


def test_a_date_is_its_first_moment_in_utc():
    assert parse_datetime(date(2024, 5, 1)) == parse_datetime("2024-05-01") == 1714521600
    assert parse_datetime("1969-12-31") == -DAY


@given(MOMENTS)
def test_text_datetime_and_datetime64_agree_to_the_last_bit(moment):
    utc = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).replace(tzinfo=None)
    column = encoder_of("datetime", offset=1.7e9).encode_columns({"x": np.array([utc], "datetime64[us]")})
    assert encode(encoder_of("datetime", offset=1.7e9), moment.isoformat(), moment) == [column.numeric[0, 0]] * 2
    assert parse_datetime(moment.isoformat()) == parse_datetime(np.datetime64(utc, "us"))


@pytest.mark.parametrize(
    "value", ["", "soon", "2024-13-01", "2024-02-30", "12:30", "2024", 1714566600, True, ["2024-01-01"]]
)
def test_what_is_no_moment_is_a_type_fault(value):
    assert faults(encoder_of("datetime"), "2024-05-01", value) == [(1, "type")]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_that_leave_the_calendar_in_utc_are_answered_with_a_warning(moment):
    answer = encoder_of("datetime", minimum=0, maximum=1e9).encode_rows([{"x": moment}])
    assert np.isfinite(answer.numeric).all()
    assert answer.warnings[0].kind == "out_of_range"


def test_days_hold_a_second_apart():
    encoder = encoder_of("datetime", offset=1714566600)
    first, second = encode(encoder, "2024-05-01T12:30:00Z", "2024-05-01T12:30:01Z")
    assert (first, second) == (0, np.float32(1 / DAY))


@pytest.mark.parametrize(
    ("cycle", "start", "quarter"),
    [
        ("hour", "2024-05-01T00:00", "2024-05-01T06:00"),
        ("weekday", "2024-04-29T00:00", "2024-04-30T18:00"),
        ("season", "1970-01-01T00:00", "1970-04-02T07:27:18"),
    ],
)
def test_cycles_begin_at_midnight_monday_and_new_year(cycle, start, quarter):
    seconds = np.array([parse_datetime(start), parse_datetime(quarter), np.nan])
    for wave, expected in (("sin", [0, 1, np.nan]), ("cos", [1, 0, np.nan])):
        np.testing.assert_allclose(datetime_part(f"{cycle}_{wave}", seconds, 0.0), expected, atol=1e-9)


def test_parts_and_numbers_stand_in_schema_order():
    schema = build_schema(
        (
            Feature(name="a", kind="number", offset=100),
            Feature(name="d", kind="datetime", parts=("days", "hour_cos"), offset=DAY),
            Feature(name="b", kind="number"),
        )
    )
    X = Encoder(schema).encode_rows([{"b": 7, "d": "1970-01-03", "a": 101}])
    assert [c.name for c in schema.numeric_columns] == ["a", "d.days", "d.hour_cos", "b"]
    assert X.numeric.tolist() == [[1, 1, 1, 7]]


# What does not fit at all


@pytest.mark.parametrize("row", [5, None, "x", ["x"], [("x", 1)]])
def test_a_row_that_is_no_mapping_is_a_fault(row):
    with pytest.raises(SchemaMismatchError, match="Row 1: Expected a mapping"):
        encoder_of("number").encode_rows([{"x": 1}, row])


@pytest.mark.parametrize("column", [5, None, "abc", b"abc", {0: 1}, np.zeros((2, 1)), np.float64(1)])
@pytest.mark.parametrize("kind", ["number", "category", "datetime"])
def test_a_column_that_is_no_list_is_a_fault(kind, column):
    with pytest.raises(SchemaMismatchError, match="'x': Expected a list or a one-dimensional array"):
        encoder_of(kind).encode_columns({"x": column})


def test_columns_of_unequal_length_are_named():
    with pytest.raises(SchemaMismatchError, match=r"'f1': Expected columns of equal length, 2 as 'f0' has"):
        Encoder(build_schema(plain_features(2))).encode_columns({"f0": [1, 2], "f1": [1]})


@pytest.mark.parametrize("name", ["X", "", 5, "price"])
def test_an_unknown_name_lists_the_features(name):
    encoder = encoder_of("number")
    for call, data in ((encoder.encode_rows, [{"x": 1}, {name: 1}]), (encoder.encode_columns, {name: [1]})):
        with pytest.raises(SchemaMismatchError, match=rf"Unknown feature '{name}'\. There are: 'x'"):
            call(data)


# Speed


def test_a_million_rows_of_arrays_take_seconds():
    n = 1_000_000
    columns: dict[str, Any] = {f"f{i}": np.zeros(n) for i in range(13)}
    schema = build_schema((*plain_features(), Feature(name="c", kind="category", categories=("a", "b"))))
    began = time.perf_counter()
    assert len(Encoder(schema).encode_columns({**columns, "c": ["a", "b"] * (n // 2)})) == n
    assert time.perf_counter() - began < 5

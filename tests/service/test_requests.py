import json
import math
import random
import time

import pytest
from pydantic_core import ValidationError

from artifact.errors import SchemaMismatchError
from artifact.rows.encoding import Encoder
from service.predict.explain import explain
from service.predict.requests import RequestReader, validator
from service.wire.errors import ApiError, InvalidRequestError, NotJSONError, TooLargeError
from tests.builders import HOUSE_FEATURES, build_schema, sample_rows

SCHEMA = build_schema()
READER = RequestReader(SCHEMA, max_rows=50)
ROW = SCHEMA.example_row()


def refusal(body, reader=READER) -> ApiError:
    with pytest.raises(ApiError) as excinfo:
        reader.read(body if isinstance(body, bytes) else json.dumps(body).encode())
    return excinfo.value


def faults(body):
    error = refusal(body)
    assert isinstance(error, InvalidRequestError)
    json.dumps(json.loads(error.body()), allow_nan=False)
    return [(f.row, f.field, f.reason) for f in error.faults]


def with_value(name: str, text: str) -> bytes:
    row = {**ROW, name: "HERE"}
    return json.dumps({"rows": [row]}).replace('"HERE"', text).encode()


def test_rows_and_columns_read_as_they_were_sent():
    rows = sample_rows(SCHEMA, 5)
    request = READER.read(json.dumps({"rows": rows, "interval": 0.8}).encode())
    assert (request.n_rows, request.interval, request.columns) == (5, 0.8, None)
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    by_column = READER.read(json.dumps({"columns": columns, "rows": None, "interval": None}).encode())
    assert (by_column.n_rows, by_column.interval, by_column.rows) == (5, None, None)
    encoder = Encoder(SCHEMA)
    expected = encoder.encode_rows(rows)
    for X in (request.encode(encoder), by_column.encode(encoder)):
        assert X.numeric.tobytes() == expected.numeric.tobytes()
        assert X.categorical.tobytes() == expected.categorical.tobytes()


def test_an_imputed_feature_may_be_null_or_left_out():
    row = {**ROW, "income": None}
    del row["town"]
    assert READER.read(json.dumps({"rows": [row]}).encode()).n_rows == 1


def test_the_last_of_a_key_that_comes_twice_counts():
    request = READER.read(json.dumps({"rows": [ROW]}).replace('"age": 30.0', '"age": 1, "age": 2').encode())
    assert request.rows[0]["age"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"{} x",
        b"\xff\xfe",
        b'{"rows": [{"age": "\xff"}]}',
        b'{"rows": [{"town": "\\ud800"}]}',
        pytest.param(b"[" * 10_000, id="nested"),
        pytest.param(b'{"rows":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="nested rows"),
        pytest.param(b'{"rows":[{"age":' + b"1" * 5000 + b"}]}", id="huge integer"),
    ],
)
def test_not_json(body):
    error = refusal(body)
    assert isinstance(error, NotJSONError)
    assert error.message.startswith("Expected a JSON body. Received: ")


@pytest.mark.parametrize("body", [[], 1, "rows", None, [[1]]])
def test_not_an_object(body):
    assert faults(body) == [(None, None, "type")]


def test_rows_and_columns_exclude_each_other():
    assert faults({"rows": [ROW], "columns": {"age": [1]}}) == [(None, None, "type")]
    assert faults({}) == [(None, None, "type")]
    assert faults({"interval": 0.9}) == [(None, None, "type")]


def test_a_misspelt_key_lists_the_right_ones():
    error = refusal({"row": [ROW]})
    assert error.faults[0].message == "Unknown field 'row'. There are: 'rows', 'columns', 'interval', 'on_error'."


@pytest.mark.parametrize("rows", [[], {}, "x", 3])
def test_rows_must_be_a_list_of_at_least_one(rows):
    assert faults({"rows": rows}) == [(None, "rows", "type")]


@pytest.mark.parametrize("level", [0, 1, -1, 1.5, "0.9", True, [0.9]])
def test_interval_out_of_range(level):
    assert faults({"rows": [ROW], "interval": level}) == [(None, "interval", "range")]


def test_interval_that_is_no_number():
    assert faults(b'{"interval": NaN, "rows": [%s]}' % json.dumps(ROW).encode()) == [(None, "interval", "range")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("age", '"30"'),
        ("age", "true"),
        ("age", "[30]"),
        ("age", "{}"),
        ("age", "NaN"),
        ("age", "Infinity"),
        ("age", "-Infinity"),
        ("age", "1e400"),
        ("age", "1" * 400),
        ("income", "NaN"),
        ("rooms", "2.5"),
        ("rooms", '"2"'),
        ("garden", "1"),
        ("garden", '"true"'),
        ("town", "3"),
        ("town", "true"),
        ("sold", "1600000000"),
        ("sold", '"yesterday"'),
        ("sold", '"99999-01-01"'),
    ],
)
def test_a_wrong_type_or_an_infinite_number(name, text):
    body = with_value(name, text)
    try:
        request = READER.read(body)
    except InvalidRequestError as error:
        faults = [(f.row, f.field, f.reason) for f in error.faults]
    else:
        # The encoding refuses values whose type is right.
        with pytest.raises(SchemaMismatchError) as excinfo:
            request.encode(Encoder(SCHEMA))
        faults = [(f.row, f.field, f.reason) for f in excinfo.value.faults]
    assert faults == [(0, name, "type")]


def test_legal_extremes_pass():
    for text in ("-0", "1e308", "12345678901234567890123", "1e-400"):
        assert READER.read(with_value("age", text)).encode(Encoder(SCHEMA)).warnings is not None


@pytest.mark.parametrize("value", [None, "gone"])
def test_a_missing_value_where_training_saw_none(value):
    row = {**ROW, "age": None}
    if value == "gone":
        del row["age"]
    assert faults({"rows": [ROW, row]}) == [(1, "age", "missing")]


def test_a_misspelt_feature_lists_the_nearest_first():
    row = {**ROW, "incme": 5}
    error = refusal({"rows": [row]})
    assert error.faults[0].message.startswith("Unknown feature 'incme'. There are: 'income'")
    assert [(f.row, f.field, f.reason) for f in error.faults] == [(0, "incme", "unknown")]


def test_all_faults_of_all_rows_in_row_order():
    rows = [{**ROW, "age": "x", "rooms": 99}, ROW, 7, {**ROW, "heating": "coal", "garden": 1, "zz": 1}]
    assert sorted(faults({"rows": rows}), key=str) == sorted(
        [
            (0, "age", "type"),
            (0, "rooms", "range"),
            (2, None, "type"),
            (3, "zz", "unknown"),
            (3, "garden", "type"),
            (3, "heating", "unseen"),
        ],
        key=str,
    )
    assert [row for row, _, _ in faults({"rows": rows})] == [0, 0, 2, 3, 3, 3]


def test_columns_say_which_column_and_row():
    columns = {f.name: [ROW[f.name]] * 3 for f in HOUSE_FEATURES}
    assert faults({"columns": {**columns, "age": [1, "x", 3]}}) == [(1, "age", "type")]
    assert faults({"columns": {**columns, "age": 5}})[0] == (None, "age", "type")
    assert faults({"columns": {**columns, "zz": [1, 2, 3]}}) == [(None, "zz", "unknown")]
    assert faults({"columns": {k: v for k, v in columns.items() if k != "rooms"}}) == [(None, "rooms", "missing")]
    assert faults({"columns": {}}) == [(None, "columns", "type")]
    assert faults({"columns": []}) == [(None, "columns", "type")]
    assert (None, "age", "type") in faults({"columns": {name: [] for name in columns}})
    request = READER.read(json.dumps({"columns": {**columns, "age": [1, 2]}}).encode())
    with pytest.raises(SchemaMismatchError, match="columns of equal length"):
        request.encode(Encoder(SCHEMA))


def test_columns_that_are_too_long_are_told_so_where_the_fault_lies_beyond_what_is_looked_at():
    columns = {name: [value] * 2_000 for name, value in ROW.items()}
    columns["age"][1_500] = "x"
    error = refusal({"columns": columns})
    assert isinstance(error, TooLargeError)
    assert "Received: 2000." in str(error)
    columns["age"][5] = "x"
    (fault,) = refusal({"columns": columns}).faults
    assert (fault.row, fault.field) == (5, "age")


def test_too_many_rows():
    assert isinstance(refusal({"rows": [ROW] * 51}), TooLargeError)
    assert isinstance(refusal({"rows": [{"age": "x"}] * 51}), TooLargeError)
    assert isinstance(refusal({"columns": {k: [v] * 51 for k, v in ROW.items()}}), TooLargeError)


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [dict.fromkeys(map(str, range(50_000)), 1)]},
        {"rows": [{str(i): j for i in range(1000)} for j in range(50)]},
        {str(i): i for i in range(50_000)},
        {"columns": {str(i): [1] for i in range(50_000)}},
        {"columns": {"age": ["x"] * 50_000}},
        {"columns": {"age": [math.nan] * 500_000}},
        {"rows": [{"age": math.nan, "income": -math.inf}] * 50, "columns": None},
    ],
)
def test_a_hostile_body_is_refused_in_no_time(body):
    # Processor time is measured, so that other work on the machine does not count.
    started = time.process_time()
    error = refusal(body)
    assert time.process_time() - started < 2
    assert len(error.faults) == 100
    assert len(error.body()) < 60_000


@pytest.mark.parametrize("body", [{"rows": [{"age": "x"}] * 50}, {"columns": {"age": ["x"] * 50}}])
def test_the_validator_stops_at_the_first_fault_and_leaves_the_rest_to_the_explanation(body):
    with pytest.raises(ValidationError) as excinfo:
        validator(SCHEMA, 100)(json.dumps(body).encode())
    assert len({error["loc"][:3] for error in excinfo.value.errors() if error["type"] != "missing"}) == 1
    assert len(faults(body)) >= 50


def test_no_body_of_random_json_breaks_the_reader():
    rng = random.Random(0)
    atoms = [None, True, 0, -1.5, 1e300, 10**30, "", "Leeds", "2020-01-01", [], {}, [None], {"age": 1}]

    def value(depth=0):
        kind = rng.random()
        if depth > 3 or kind < 0.6:
            return rng.choice(atoms)
        if kind < 0.8:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        keys = [*SCHEMA.names, "rows", "columns", "interval", "zz"]
        return {rng.choice(keys): value(depth + 1) for _ in range(rng.randrange(6))}

    encoder = Encoder(SCHEMA)
    for _ in range(3000):
        body = {"rows": value(), "columns": value(), "interval": value()} if rng.random() < 0.5 else {"rows": [value()]}
        try:
            READER.read(json.dumps(body).encode()).encode(encoder)
        except ApiError as error:
            assert error.status in (400, 413, 422)
            assert error.faults or error.status != 422
            json.loads(error.body())
        except SchemaMismatchError as error:
            assert error.faults


def test_a_fault_that_only_the_validator_sees_is_still_an_answer():
    body = json.dumps({"rows": [ROW]}).encode()
    error = explain(body, Encoder(SCHEMA), 10, None)
    assert error.faults[0].message == "Expected rows that fit the schema."
    with pytest.raises(ValidationError) as excinfo:
        validator(SCHEMA, 100)(b'{"rows": 1}')
    assert explain(body, Encoder(SCHEMA), 10, excinfo.value).faults[0].message == "Input should be a valid array."

"""Tables without a feature's column, and targets that are no numbers, as the commands take them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature
from tests.builders import build_schema, build_version
from tests.trueline.test_commands import call, last_json

SCHEMA = build_schema(
    (
        Feature(name="town", kind="category", categories=("Cern", "Lodi"), missing="impute"),
        Feature(name="area", kind="number", minimum=30, maximum=200, missing="impute"),
        Feature(name="rooms", kind="integer", minimum=1, maximum=9),
    )
)
TABLE = pl.DataFrame(
    {"town": ["Cern", "Lodi", "Cern"], "area": [141.6, 73.8, 99.0], "rooms": [6, 2, 3], "price": [380.0, 191.0, 250.0]}
)
SENTENCE = (
    "Error: Expected column 'area'. Received: a table without it; its nearest column is 'Area'. "
    "Rename it, or say --allow-missing-columns.\n"
)
WRITERS = {"csv": "write_csv", "parquet": "write_parquet", "arrow": "write_ipc", "ndjson": "write_ndjson"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path)


@pytest.fixture
def model(home: LocalRegistry) -> Predictor:
    return Predictor.load(build_version(home, promote=True, schema=SCHEMA).path)


def write(frame: pl.DataFrame, path: Path) -> str:
    getattr(frame, WRITERS[path.suffix[1:]])(path)
    return str(path)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_case_06_a_renamed_column_is_refused_with_its_nearest_name(model, capsys, tmp_path, command, suffix):
    data = write(TABLE.rename({"area": "Area"}), tmp_path / f"06-new-renamed.{suffix}")
    assert call(capsys, command, "houses", data) == (2, "", SENTENCE)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_case_06_a_column_that_is_not_there_is_refused_with_those_that_are(model, capsys, tmp_path, command):
    data = write(TABLE.drop("area"), tmp_path / "06-new-without.csv")
    code, out, err = call(capsys, command, "houses", data)
    assert (code, out) == (2, "")
    assert err == (
        "Error: Expected column 'area'. Received: a table without it; its columns are 'town', 'rooms', 'price'. "
        "Add it, or say --allow-missing-columns.\n"
    )


def test_case_06b_a_category_is_refused_alike(model, capsys, tmp_path):
    for frame, hint in (
        (TABLE.rename({"town": "TOWN"}), "nearest column is 'TOWN'"),
        (TABLE.drop("town"), "its columns are 'area', 'rooms', 'price'"),
    ):
        code, _, err = call(capsys, "predict", "houses", write(frame, tmp_path / "new.parquet"))
        assert (code, "Expected column 'town'" in err, hint in err) == (2, True, True)


def test_a_key_that_no_line_of_ndjson_has_is_an_absent_column(model, capsys, tmp_path):
    rows = [{"town": "Cern", "area": 141.6, "rooms": 6}, {"town": "Lodi", "rooms": 2}]
    data = tmp_path / "new.ndjson"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = call(capsys, "predict", "houses", str(data))
    assert code == 0, err
    data.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "area"}) + "\n" for row in rows))
    assert "Expected column 'area'" in call(capsys, "predict", "houses", str(data))[2]


def test_case_06_on_request_an_absent_column_is_missing_in_each_row(model, capsys, tmp_path):
    data = write(TABLE.rename({"area": "Area"}), tmp_path / "new.csv")
    output = tmp_path / "out.parquet"
    arguments = ("houses", data, "--allow-missing-columns", "--json")
    code, out, err = call(capsys, "predict", *arguments, "-o", str(output))
    assert code == 0, err
    assert last_json(out)["rows_with_warnings"] == 3
    rows = [{"town": r["town"], "rooms": r["rooms"]} for r in TABLE.iter_rows(named=True)]
    expected = model.predict_rows(rows)
    assert pl.read_parquet(output)["value"].to_list() == expected.value[:, 0].tolist()
    code, out, err = call(capsys, "evaluate", *arguments)
    assert code == 0, err
    assert "The table has no column 'area': answered as missing in each row." in err
    errors = expected.value[:, 0] - TABLE["price"].to_numpy()
    assert last_json(out)["metrics"]["price"]["mae"] == pytest.approx(abs(errors).mean())


@pytest.mark.parametrize("more", [(), ("--allow-missing-columns",)])
def test_a_column_that_training_never_saw_missing_stays_refused(model, capsys, tmp_path, more):
    data = write(TABLE.rename({"rooms": "Rooms"}), tmp_path / "new.csv")
    for command in ("predict", "evaluate"):
        code, _, err = call(capsys, command, "houses", data, *more)
        assert code == 2
        assert "nearest column is 'Rooms'. Rename it: training never saw a row without a value." in err


def test_case_14_targets_that_are_no_finite_number_are_left_out_with_a_note(model, capsys, tmp_path):
    bad = [float("inf"), float("-inf"), float("nan"), None]
    rows = TABLE[0].select("town", "area", "rooms")
    for suffix in WRITERS:
        frame = pl.concat([TABLE, *(rows.with_columns(price=pl.lit(b, pl.Float64)) for b in bad)])
        data = write(frame, tmp_path / f"14-eval-inf.{suffix}")
        code, out, err = call(capsys, "evaluate", "houses", data, "--json")
        assert code == 0, err
        assert "4 of 7 rows are left out: they have no finite value of the target." in err
        assert "Traceback" not in err
        result = last_json(out)
        assert (result["rows"], result["rows_left_out"]) == (3, 4)
        clean = write(TABLE, tmp_path / "clean.csv")
        assert last_json(call(capsys, "evaluate", "houses", clean, "--json")[1])["metrics"] == result["metrics"]


def test_a_row_that_lacks_one_of_several_targets_is_left_out(home, capsys, tmp_path):
    build_version(home, promote=True, schema=build_schema(SCHEMA.features, targets=("price", "rent")))
    frame = TABLE.with_columns(rent=pl.Series([1.0, float("inf"), 3.0]))
    code, out, err = call(capsys, "evaluate", "houses", write(frame, tmp_path / "new.parquet"), "--json")
    assert code == 0, err
    assert (last_json(out)["rows"], last_json(out)["rows_left_out"]) == (2, 1)


def test_case_14b_negative_counts_are_measured(model, capsys, tmp_path):
    frame = TABLE.with_columns(price=pl.Series([-4, 3, 5]))
    code, out, err = call(capsys, "evaluate", "houses", write(frame, tmp_path / "14b-eval-negative.csv"), "--json")
    assert code == 0, err
    assert (last_json(out)["rows"], last_json(out)["rows_left_out"]) == (3, 0)


def test_targets_that_leave_no_rows_are_one_sentence(model, capsys, tmp_path):
    frame = TABLE.with_columns(price=pl.lit(float("inf")))
    code, _, err = call(capsys, "evaluate", "houses", write(frame, tmp_path / "new.csv"))
    assert code == 2
    assert "Expected at least 2 rows with a target. Received: 0." in err

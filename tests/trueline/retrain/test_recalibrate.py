"""``trueline recalibrate``: the same network, intervals that hold on new rows, in seconds and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import trueline
from artifact.manifest import ONNX_MODEL, REPORT
from artifact.predictor import Predictor
from artifact.recipe import Recipe
from tests.builders import build_version
from tests.processes import ROOT
from tests.trueline.retrain.conftest import houses, stored
from tests.trueline.test_commands import call, last_json
from trueline.scoring import features_of

# The first rows have no price.
LATER_ROWS = pl.when(pl.int_range(pl.len()) > 2).then("price")


def wrong(frame, column, value):
    """Rows of which the 17th has another value."""
    other = pl.when(pl.int_range(pl.len()) == 16).then(pl.lit(value)).otherwise(pl.col(column).cast(pl.String))
    return frame.with_columns(other.alias(column))


def sales(path, predictor, n=600, spread=3.0, seed=5):
    """Houses whose prices are the version's answers and noise, so that the right intervals are known."""
    rng = np.random.default_rng(seed)
    table = houses(n, seed)
    X = predictor.encoder.encode_columns(features_of(table, predictor.schema).to_dict(as_series=False))
    value = predictor.predict(X).value[:, 0].astype(np.float64)
    table.with_columns(price=value + spread * rng.normal(size=n)).write_csv(path)
    return path


def test_the_intervals_hold_on_the_new_rows_and_the_network_stays(home, tmp_path, capsys):
    version = stored(home, houses())
    before = Predictor.load(version.path)
    path = sales(tmp_path / "new.csv", before)
    code, out, err = call(capsys, "recalibrate", "houses", "--data", str(path), "--note", "winter", "--json")
    assert code == 0, err
    document = last_json(out)
    after = home.resolve(f"houses:{document['model_version']}")
    predictor, manifest = Predictor.load(after.path), home.manifest(*after[:2])
    assert 0.87 < document["coverage"]["covered"]["price"] < 0.93
    assert manifest.coverage.covered["price"] == document["coverage"]["covered"]["price"]
    assert manifest.files[ONNX_MODEL] == before.manifest.files[ONNX_MODEL]
    assert manifest.metrics == before.manifest.metrics
    # The scale of the errors is another one, and so are the bounds.
    assert predictor.bound(0.9)[0] != before.bound(0.9)[0]
    fresh = pl.read_csv(sales(tmp_path / "fresh.csv", before, 2000, seed=6))
    X = predictor.encoder.encode_columns(features_of(fresh, predictor.schema).to_dict(as_series=False))
    answer = predictor.predict(X)
    y = fresh["price"].to_numpy()[:, None]
    assert 0.86 < float(np.mean((answer.lower <= y) & (y <= answer.upper))) < 0.94
    assert (manifest.note, "calibrated anew on 600 rows" in manifest.notes[-1]) == ("winter", True)
    recipe = Recipe.read(after.path, manifest)
    assert (recipe.derivation.by, recipe.derivation.version) == ("recalibrate", f"houses:{version.version}")
    assert recipe.table == Recipe.read(version.path, before.manifest).table
    assert manifest.lineage.made_by == "recalibrate"
    # Nothing is live yet with which it could be compared.
    assert "trueline compare" not in out
    shown = call(capsys, "show", f"houses:{after.version}")[1]
    assert "Next: " not in shown
    assert f"Made by `trueline recalibrate` from houses:{version.version} with 600 rows" in shown


def test_python_calibrates_by_a_table_of_any_kind_as_the_command_does(home, tmp_path, capsys):
    version = stored(home, houses())
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    name = f"houses:{version.version}"
    code, out, err = call(capsys, "recalibrate", name, "--data", str(path), "--json")
    assert code == 0, err
    rows, model = pl.read_csv(path), trueline.load(name)
    for table, named in ((rows.to_pandas(), "a pandas DataFrame"), (rows.to_arrow(), "a pyarrow Table"), (path, path)):
        made = model.recalibrate(table, note="winter")
        assert made.coverage.model_dump() == last_json(out)["coverage"]
        assert (made.manifest.note, f"600 rows of {named}" in made.notes[-1]) == ("winter", True)
        recipe = Recipe.read(made.path, made.manifest)
        assert (recipe.derivation.version, recipe.derivation.data) == (name, str(named))
    assert model.version == version.version
    assert len(home.versions("houses")) == 5


def test_a_version_of_an_earlier_trueline_needs_no_recipe_for_it(home, tmp_path, capsys):
    version = build_version(home, promote=True)
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    code, out, _ = call(capsys, "recalibrate", "houses", "--data", str(path))
    assert (code, len(home.versions("houses"))) == (0, 2)
    newest = f"houses:{home.versions('houses')[-1]}"
    assert f"See first what its gates say: trueline compare {newest} houses:champion" in out


def test_the_report_says_that_its_intervals_are_the_earlier_version_s(home, tmp_path, capsys):
    with home.create("houses") as (name, folder):
        from tests.builders import write_version

        (folder / REPORT).mkdir()
        (folder / REPORT / "report.html").write_text("<html>\n<body>\n<h1>houses</h1></body></html>")
        write_version(folder, name)
    path = sales(tmp_path / "new.csv", Predictor.load(home.resolve("houses").path))
    assert call(capsys, "recalibrate", "houses", "--data", str(path))[0] == 0
    newest = home.resolve(f"houses:{home.versions('houses')[-1]}")
    page = (newest.path / REPORT / "report.html").read_text()
    assert page.index("What this report says about intervals belongs to that version") < page.index("<h1>")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop("price"), "price"),
        (lambda frame: frame.drop("age"), "'age'"),
        (lambda frame: frame[:99], "Expected at least 100 rows with a target"),
        (lambda frame: frame.clear(), "Expected rows in"),
        (lambda frame: frame.with_columns(price=pl.lit("dear")), "600 other values: 'dear' in row 1, 'dear' in row 2"),
        (lambda frame: wrong(frame, "price", "dear"), "Received: 1 other value: 'dear' in row 17."),
        (lambda frame: wrong(frame, "age", "old"), "row 17, 'age': Expected a number. Received: 'old'."),
        # Rows without a target are left out, and the others keep their numbers.
        (
            lambda frame: wrong(frame.with_columns(pl.when(pl.int_range(pl.len()) > 2).then("price")), "age", "old"),
            "row 17, 'age'",
        ),
    ],
)
def test_rows_that_cannot_calibrate_are_one_sentence_and_nothing_is_stored(home, tmp_path, capsys, change, sentence):
    stored(home)
    change(houses(600)).write_csv(tmp_path / "new.csv")
    code, _, err = call(capsys, "recalibrate", "houses", "--data", str(tmp_path / "new.csv"))
    assert code == 2
    assert sentence in err
    assert len(home.versions("houses")) == 1
    assert not [path for path in home.staging.iterdir() if not path.name.startswith(".")]


def test_the_table_that_trained_is_refused(home, tmp_path, capsys, monkeypatch):
    stored(home)
    houses(600).write_csv(tmp_path / "new.csv")
    monkeypatch.setattr("training.transfer.seen.is_its_table", lambda *_: True)
    code, _, err = call(capsys, "recalibrate", "houses", "--data", str(tmp_path / "new.csv"))
    assert (code, "Received: the table that trained it" in err) == (2, True)


def test_no_tensorflow_is_loaded(home, tmp_path):
    version = stored(home)
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    program = (
        "import sys; from trueline.main import run; "
        f"code = run(['recalibrate', 'houses', '--data', {str(path)!r}]); "
        "print(code, [name for name in ('tensorflow', 'keras', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_rows_in_another_unit_are_told(home, tmp_path, capsys):
    version = stored(home)
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    pl.read_csv(path).with_columns(age=100 + pl.col("age") * 3.28).write_csv(path)
    code, _, err = call(capsys, "recalibrate", "houses", "--data", str(path))
    assert (code, "Note: 100% of the values of 'age' lie outside of the range" in err) == (0, True), err


def test_the_coverage_gate_speaks_of_the_rows_that_calibrated(home, tmp_path, capsys):
    version = stored(home)
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    assert call(capsys, "recalibrate", "houses", "--data", str(path))[0] == 0
    out = call(capsys, "compare", f"houses:{home.versions('houses')[-1]}", f"houses:{version.version}")[1]
    assert "of the 600 rows that calibrated them anew." in out
    back = call(capsys, "compare", f"houses:{version.version}", f"houses:{home.versions('houses')[-1]}")[1]
    assert "rows that measured them at training." in back


def test_a_version_of_appended_rows_stays_one(home, tmp_path, capsys):
    """Its derivation is another one then; without data, a refit of it has to take the kept rows."""
    derivation = {"by": "refit", "version": "houses:1", "data": "new.csv", "new_rows": 5, "appended": True}
    version = stored(home, houses(), derivation=derivation)
    path = sales(tmp_path / "new.csv", Predictor.load(version.path))
    assert call(capsys, "recalibrate", "houses", "--data", str(path))[0] == 0
    after = home.resolve(f"houses:{home.versions('houses')[-1]}")
    recipe = Recipe.read(after.path, home.manifest(*after[:2]))
    assert (recipe.derivation.appended, recipe.is_data_a_part) == (False, True)

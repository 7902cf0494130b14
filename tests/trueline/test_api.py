"""The Python API: its imports, its frames, and that it does the same as the commands."""

from __future__ import annotations

import importlib
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import trueline
from artifact.errors import DataError
from artifact.registry.leases import Lease
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT
from tests.trueline.test_commands import call, last_json, table
from trueline.frames import ReadingWords, source_of
from trueline.gates.given import RowsWords
from trueline.main import COMMANDS
from trueline.retrain.call import RetrainWords
from trueline.trainer import TrainWords, default_name, request_of

HEAVY = ("tensorflow", "keras", "polars", "pandas", "sklearn", "numpy", "pydantic", "onnxruntime", "bentoml", "rich")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path / "home")


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    return pl.read_csv(table(tmp_path / "new.csv"))


def test_importing_is_quick_and_brings_nothing_that_is_slow():
    program = (
        "import sys, time; began = time.perf_counter(); import trueline; took = time.perf_counter() - began; "
        f"print(took, [name for name in {HEAVY} if name in sys.modules], trueline.__all__ <= dir(trueline))"
    )
    program = program.replace("trueline.__all__ <= dir(trueline)", "set(trueline.__all__) <= set(dir(trueline))")
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, rest = process.stdout.split(" ", 1)
    assert float(seconds) < 0.3
    assert rest.strip() == "[] True"


def test_every_name_is_there_and_another_is_an_attribute_error():
    for name in trueline.__all__:
        assert getattr(trueline, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = trueline.trian


def test_train_is_the_function_after_every_command_was_imported(rows):
    for module in {*COMMANDS.values()}:
        importlib.import_module(module)
    with pytest.raises(trueline.DataError, match="Unknown column 'prise'"):
        trueline.train(rows, target="prise", quiet=True)


def test_pandas_is_imported_by_nobody_who_is_given_none(tmp_path):
    table(tmp_path / "new.csv")
    program = (
        "import sys, trueline, polars; frame = polars.read_csv('new.csv'); "
        "from trueline.frames import source_of; source_of(frame); source_of('new.csv'); "
        "assert 'pandas' not in sys.modules"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)


def test_a_model_answers_with_a_frame_of_the_kind_that_came_in(home, rows, tmp_path):
    version = build_version(home, promote=True)
    model = trueline.load("houses")
    assert (model.name, model.version, model.reference) == ("houses", version.version, f"houses:{version.version}")
    answers = model.predict(rows)
    assert isinstance(answers, pl.DataFrame)
    assert answers.columns == ["value", "lower", "upper", "warnings"]
    assert answers.height == rows.height
    frame = rows.to_pandas().set_index("id")
    answers_frame = model.predict(frame)
    assert isinstance(answers_frame, pd.DataFrame)
    assert answers_frame.index.equals(frame.index)
    assert np.array_equal(answers_frame["value"].to_numpy(), answers["value"].to_numpy())
    arrow = model.predict(rows.to_arrow())
    assert isinstance(arrow, pa.Table)
    assert pl.DataFrame(pl.from_arrow(arrow)).equals(answers)
    path = tmp_path / "new.csv"
    assert model.predict(path).equals(answers)
    narrow = model.predict(str(path), interval=0.5)
    assert (narrow["upper"] - narrow["lower"] < answers["upper"] - answers["lower"]).all()


def test_answers_warnings_and_refusals_are_those_of_the_command(home, rows, tmp_path, capsys):
    build_version(home, promote=True)
    path = tmp_path / "new.csv"
    code, out, _ = call(capsys, "predict", "houses", str(path))
    assert code == 0
    printed = pl.read_csv(out.encode(), columns=["value", "lower", "upper", "warnings"])
    answers = trueline.load("houses").predict(rows)
    assert printed.equals(answers)
    assert answers["warnings"].null_count() < answers.height
    bad = rows.with_columns(heating=pl.when(pl.col("id") == "r3").then(pl.lit("wood")).otherwise("heating"))
    bad.write_csv(path)
    _, _, error = call(capsys, "predict", "houses", str(path))
    with pytest.raises(trueline.DataError) as caught:
        trueline.load("houses").predict(bad)
    assert error.strip() == f"Error: {caught.value}"
    assert "row 4, 'heating'" in error
    with pytest.raises(trueline.DataError, match="Expected column 'age'"):
        trueline.load("houses").predict(rows.drop("age"))
    assert trueline.load("houses").predict(rows.drop("income"), allow_missing_columns=True).height == rows.height


def test_what_is_no_table_is_refused_and_so_are_names_that_repeat_and_mixed_columns():
    with pytest.raises(trueline.DataError, match="a polars DataFrame or a pandas DataFrame or a pyarrow Table"):
        source_of([1, 2])
    with pytest.raises(trueline.DataError, match="'a' as columns 1 and 2"):
        source_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(trueline.DataError, match="one type of values in column 'a'"):
        source_of(pd.DataFrame({"a": [1, "x", {}]}))


def test_figures_are_those_of_the_command(home, rows, tmp_path, capsys):
    build_version(home, promote=True)
    labelled = rows.with_columns(price=pl.Series([float(i) for i in range(rows.height)]))
    labelled.write_csv(tmp_path / "sold.csv")
    code, out, _ = call(capsys, "evaluate", "houses", str(tmp_path / "sold.csv"), "--json")
    assert code == 0
    for data in (labelled, labelled.to_pandas(), labelled.to_arrow(), tmp_path / "sold.csv"):
        evaluation = trueline.evaluate("houses", data)
        assert json.loads(json.dumps(evaluation.document())) == last_json(out)
    assert trueline.evaluate(trueline.load("houses"), labelled).metrics == evaluation.metrics


def test_promoting_is_refused_as_by_the_command(home):
    version = build_version(home, beats_mean=False)
    model = trueline.load(f"houses:{version.version}")
    with pytest.raises(trueline.RefusedError, match="does not beat predicting the mean"):
        model.promote()
    assert model.promote(force="verdict", why="a first try") is model
    assert home.resolve("houses:champion").version == version.version
    with pytest.raises(trueline.NotFoundError, match="There are: 'houses'"):
        trueline.load("house")


def test_a_notebook_shows_the_comparison_and_the_verdict_and_no_markup_of_the_table(home):
    build_version(home, name="a.b", promote=True)
    model = trueline.load("a.b")
    html = model._repr_html_()
    assert "<td>mean</td>" in html
    assert model.verdict.sentence.replace("'", "&#x27;") in html
    assert repr(model).startswith(f"Model('{model.reference}', mlp: ")


def test_every_option_of_the_command_is_a_word_of_the_function():
    options = {p.name for p in importlib.import_module("trueline.commands.train").train_command.params}
    of_the_command_alone = {"data", "target", "promote", "force", "why", "on_event", "quiet", "verbose", "as_json"}
    assert options - of_the_command_alone == set(TrainWords.__annotations__)
    assert all(f"``{word}``" in trueline.train.__doc__ for word in TrainWords.__annotations__)
    with pytest.raises(TypeError, match=r"Unknown option 'presets'\. There are: 'preset'"):
        trueline.train("houses.csv", "price", presets="fast")


@pytest.mark.parametrize(
    ("command", "function", "words", "of_the_command_alone"),
    [
        ("retrain:refit", trueline.Model.refit, RetrainWords, {"appended"}),
        ("retrain:finetune", trueline.Model.finetune, RetrainWords, set()),
        ("retrain:recalibrate", trueline.Model.recalibrate, ReadingWords, set()),
        ("reproduce:reproduce", trueline.Model.reproduce, None, set()),
        ("gates:compare", trueline.compare, RowsWords, {"missing_columns", "output"}),
        ("deploy:promote", trueline.Model.promote, RowsWords, {"missing_columns", "runtime"}),
        ("deploy:rollback", trueline.rollback, None, set()),
        ("history:history", trueline.history, None, set()),
    ],
)
def test_every_option_of_a_command_is_an_argument_of_its_function(command, function, words, of_the_command_alone):
    module, name = command.split(":")
    parameters = getattr(importlib.import_module(f"trueline.commands.{module}"), f"{name}_command").params
    options = {option.name for option in parameters} - {"model", "as_json", "on_event"} - of_the_command_alone
    further = set() if words is None else set(words.__annotations__)
    arguments = set(inspect.signature(function).parameters) | further
    assert options <= arguments
    rest = arguments - options - {"self", "registry", "model"}
    assert rest == ({"append"} if name == "refit" else {"allow_missing_columns"} if words is RowsWords else set()) | (
        {"words", "reading", "rows"} & rest
    )
    documentation = f"{function.__doc__} {trueline.Model.refit.__doc__} {trueline.Model.promote.__doc__}"
    assert all(f"``{word}``" in documentation for word in further)


def test_another_argument_is_refused_by_a_list_of_those_there_are(home):
    build_version(home, promote=True)
    model = trueline.load("houses")
    for refused in (
        lambda: model.refit("new.csv", holdout=False),
        lambda: model.finetune("new.csv", hold_outs=False),
        lambda: model.recalibrate("new.csv", separater=";"),
        lambda: model.promote(group="town"),
        lambda: trueline.compare(model, model, group="town"),
    ):
        with pytest.raises(TypeError, match=r"Unknown option '\w+'\. There are: '(hold_out|separator|groups)'"):
            refused()


def test_what_is_live_changes_and_is_told_as_by_the_commands(home, capsys):
    first, second = build_version(home, promote=True), build_version(home)
    assert trueline.load(f"houses:{second.version}").promote(why="new rows").version == second.version
    model = trueline.rollback("houses", why="too high")
    assert (model.reference, home.deployment("houses").champion) == (f"houses:{first.version}", first.version)
    history = trueline.history("houses")
    told = [(entry.number, entry.action, entry.champion, entry.source, entry.why) for entry in history]
    assert told[:2] == [
        (3, "rollback", first.version, "trueline.rollback", "too high"),
        (2, "promote", second.version, "trueline.Model.promote", "new rows"),
    ]
    listed = last_json(call(capsys, "history", "houses", "--json")[1])["entries"]
    assert [entry.model_dump(mode="json") for entry in history] == listed
    for unknown in (lambda: trueline.history("hauses"), lambda: trueline.rollback("hauses")):
        with pytest.raises(trueline.NotFoundError, match="There are: 'houses'"):
            unknown()
    # One more step back is not there.
    with pytest.raises(trueline.DataError, match="Expected a former champion"):
        trueline.rollback("houses")
    # Entries that do not count are told, and those that do are given.
    (home.home / "trueline" / "deployments" / "houses" / "00000003.json").write_text("{")
    assert [entry.number for entry in trueline.history("houses")] == [2, 1]
    assert "00000003" in capsys.readouterr().err


def test_what_a_promotion_or_a_rollback_did_not_do_is_noted(home, capsys):
    versions = [build_version(home, promote=True) for _ in range(3)]
    last = trueline.load(f"houses:{versions[-1].version}")
    capsys.readouterr()
    last.promote(why="again")
    assert capsys.readouterr().err == f"Note: Nothing changed: {last.reference} was the champion already.\n"
    assert len(home.history("houses")) == 3
    shutil.rmtree(versions[1].path)
    assert trueline.rollback("houses").version == versions[0].version
    assert capsys.readouterr().err.startswith(f"Note: Skipped houses:{versions[1].version}, which was live after")
    last.promote()
    assert capsys.readouterr().err == ""
    for change in (last.promote, lambda **words: trueline.rollback("houses", **words)):
        for seconds in (float("nan"), -1):
            with pytest.raises(trueline.DataError, match=r"at least 0 seconds .* Received: (nan|-1)\."):
                change(timeout=seconds)
    assert len(home.history("houses")) == 5


def test_a_promotion_that_waits_names_the_worker_that_is_late(home):
    first, second = build_version(home, promote=True), build_version(home)
    home.write_lease("houses", Lease(worker="w1", service="s", version=first.version, number=1))
    with pytest.raises(trueline.RefusedError, match=rf"0 of 1 after .* w1 still has {first.version} live"):
        trueline.load(f"houses:{second.version}").promote(wait=True, timeout=0.1)
    # The promotion itself was done.
    assert home.deployment("houses").champion == second.version
    home.write_lease("houses", Lease(worker="w1", service="s", version=second.version, number=3))
    assert trueline.rollback("houses", wait=True, timeout=5.0).version == first.version


def test_words_become_the_same_request_as_options(rows):
    words: TrainWords = {
        "cv": 3,
        "preset": "fast",
        "settings": {"epochs": 2},
        "schema": {"features": {"age": {"unit": "years"}}},
        "missing_value": "n/v",
        "decimal": ",",
    }
    request = request_of(source_of(rows), ["price"], words)
    assert (request.data, request.name, request.table is rows) == ("a polars DataFrame", "price", True)
    assert (request.config.folds, request.config.preset, request.config.epochs) == (3, "fast", 2)
    assert request.corrections.features["age"].unit == "years"
    assert (request.corrections.missing_values, request.corrections.decimal) == (("n/v",), ",")
    assert request_of(source_of("My houses.csv"), "price", {}).name == default_name("My houses.csv") == "my-houses"
    with pytest.raises(trueline.DataError, match="schema: Unknown key 'unt'"):
        request_of(source_of(rows), "price", {"schema": {"features": {"age": {"unt": "years"}}}})


def test_arguments_of_a_wrong_kind_are_one_sentence_and_change_nothing(home):
    first = build_version(home)
    home.promote(f"houses:{first.version}")
    model = trueline.load(f"houses:{build_version(home).version}")
    for deed, sentence in (
        (lambda: model.promote(timeout="x"), r"Expected at least 0 seconds .* Received: 'x'\."),
        (lambda: model.promote(timeout=-1), r"Expected at least 0 seconds .* Received: -1\."),
        (lambda: model.promote(wait=True, timeout=float("nan")), "Expected at least 0 seconds"),
        (lambda: model.promote(timeout=None), "Expected at least 0 seconds"),
        (lambda: model.promote(force=None, why="x"), r"Expected names of gates in 'force', .* Received: None\."),
        (lambda: model.promote(force=[1], why="x"), "Expected names of gates in 'force'"),
        (lambda: model.promote(data=3), r"Expected a path, .* Received: int\."),
        (lambda: model.promote(data="new.csv", groups=3), r"Expected 'groups' as names of columns, .* Received: 3\."),
        (lambda: trueline.compare(model, 3), r"Expected a model from trueline\.load, or its name .* Received: 3\."),
        (lambda: trueline.compare(None, model), r"Expected a model .* Received: None\."),
        (lambda: trueline.compare(model, "houses:champion", 3), "Expected a path"),
        (lambda: trueline.evaluate(3, "new.csv"), "Expected a model from"),
        (lambda: trueline.load(3), "Expected a model's name"),
        (lambda: trueline.rollback(3), "Expected a model's name"),
        (lambda: trueline.rollback("houses", timeout=-1), "Expected at least 0 seconds"),
        (lambda: trueline.history(None), "Expected a model's name"),
    ):
        with pytest.raises(DataError, match=sentence):
            deed()
    assert (home.alias("houses").version, len(home.history("houses"))) == (first.version, 1)

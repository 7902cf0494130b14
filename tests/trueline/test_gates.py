"""``compare`` and ``promote`` by their gates: on rows, by figures, overruled, and where something is wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import numpy_helper
from sklearn.metrics import mean_pinball_loss

import trueline
from artifact.gates.judge import judge
from artifact.gates.side import Side
from artifact.intervals.calibration import Calibration
from artifact.manifest import INT8_MODEL, ONNX_MODEL
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.runtimes import Outputs
from tests.builders import HOUSE_FEATURES, build_graph, build_schema, build_version, sample_rows, write_version
from tests.keras_builders import build_keras_version
from tests.processes import ROOT
from training.table.reading import Reading
from trueline.gates.rows import Given, compared
from trueline.main import run

SCHEMA = build_schema()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return LocalRegistry(tmp_path)


def call(capsys, *arguments):
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def gates_of(out):
    """The results in the last line of JSON, by gate."""
    return {result["gate"]: result for result in json.loads(out.strip().splitlines()[-1])["gates"]}


def graph_with(name, change, seed=0, schema=SCHEMA):
    """The graph of a version, one of its weights changed in place."""
    graph = build_graph(schema, seed=seed)
    for i, weight in enumerate(graph.graph.initializer):
        if weight.name == name:
            values = numpy_helper.to_array(weight).copy()
            change(values)
            graph.graph.initializer[i].CopyFrom(numpy_helper.from_array(values, name))
    return graph


def rows_for(version, n=600, noise=0.3, schema=SCHEMA, seed=9):
    """Rows whose targets are a version's answers and noise: no other version can do better there."""
    rows = sample_rows(schema, n, seed=seed)
    value = Predictor.load(version.path).predict_rows(rows).value.astype(float)
    value += np.random.default_rng(seed).normal(0, noise, value.shape)
    targets = {name: value[:, j] for j, name in enumerate(schema.target_names)}
    return pl.DataFrame(rows).with_columns(**{name: pl.Series(column) for name, column in targets.items()})


@pytest.fixture
def champion(home):
    return build_version(home, promote=True)


@pytest.fixture
def data(champion, tmp_path):
    path = tmp_path / "new.csv"
    rows_for(champion).write_csv(path)
    return str(path)


def test_an_equal_version_goes_live_and_the_log_has_what_the_gates_measured(home, champion, data, capsys):
    equal = build_version(home)
    code, out, err = call(capsys, "promote", f"houses:{equal.version}", "--data", data, "--why", "a try", "--json")
    assert code == 0, err
    gates = gates_of(out)
    assert (gates["error"]["figure"], gates["groups"]["passed"], gates["width"]["figure"]) == (1.0, True, 1.0)
    assert "On 600 rows the RMSE is equal to the champion's." in gates["error"]["sentence"]
    assert f"Gates of houses:{equal.version}, beside houses:{champion.version}" in out
    last = home.history("houses")[-1]
    assert [gate.model_dump(mode="json") for gate in last.gates] == list(gates.values())
    assert (last.champion, last.why, last.source, last.forced) == (equal.version, "a try", "trueline promote", ())


def test_a_worse_version_is_refused_by_name_and_goes_live_when_overruled(home, champion, data, capsys):
    worse = build_version(home, seed=3)
    code, out, err = call(capsys, "promote", "houses", "--data", data, "--json")
    assert code == 1
    named = re.search(rf"houses:{worse.version}, refused by the gates ([a-z, ]+)\.", err)[1].split(", ")
    assert {"error", "groups"} <= set(named)
    assert named == [name for name, result in gates_of(out).items() if not result["passed"]]
    assert json.loads(out.splitlines()[-1])["alias"] is None
    assert home.resolve("houses:champion").version == champion.version
    # Overruling one of them leaves the others.
    assert call(capsys, "promote", "houses", "--data", data, "--force", "error", "--why", "a try")[0] == 1
    code, out, err = call(capsys, "promote", "houses", "--data", data, "--force", ",".join(named), "--why", "I must")
    assert code == 0, err
    assert "overruled" in out
    last = home.history("houses")[-1]
    assert (last.champion, list(last.forced), last.why) == (worse.version, named, "I must")
    assert ",".join(named).replace(",", ", ") in call(capsys, "history", "houses")[1].replace("\n", " ")


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("80", 80), ("150", 150), ("", 120)])
def test_the_gates_take_the_width_that_columns_says_or_that_of_a_page(
    home, champion, data, capsys, monkeypatch, columns, widest
):
    worse = build_version(home, seed=3)
    monkeypatch.setenv("COLUMNS", columns)
    _, out, _ = call(capsys, "compare", f"houses:{worse.version}", "houses", data)
    title, *lines = out.splitlines()
    assert title.startswith("Gates of houses:")
    assert max(map(len, lines)) <= widest
    # Some sentence needs all of the width, none is cut, and no line has spaces at its end.
    assert max(map(len, lines)) > widest - 25
    _, out, _ = call(capsys, "compare", f"houses:{worse.version}", "houses", data, "--json")
    whole = " ".join(" ".join(lines).split())
    assert all(f"{name} {result['sentence']}" in whole for name, result in gates_of(out).items() if name != "latency")
    assert [line for line in lines if line != line.rstrip()] == []


def test_only_what_refused_is_logged_as_overruled(home, champion, capsys):
    build_version(home)
    assert call(capsys, "promote", "houses", "--force", "size,verdict", "--why", "to be sure")[0] == 0
    assert home.history("houses")[-1].forced == ()


def test_a_group_that_gets_worse_is_refused_by_its_name(home, champion, data, capsys):
    def one_town(values):
        values[3] += 2.0

    build_version(home, graph=graph_with("table0", one_town))
    _, out, _ = call(capsys, "compare", "houses:" + home.versions("houses")[-1], "houses", data, "--json")
    groups = gates_of(out)["groups"]
    assert not groups["passed"]
    assert groups["sentence"].startswith("'town' York (")


def test_columns_that_are_no_features_make_groups(home, champion, data, tmp_path, capsys):
    worse = build_version(home, seed=3)
    agents = pl.read_csv(data).with_columns(agent=pl.Series(["a", "b", "c"] * 200))
    agents.write_csv(tmp_path / "agents.csv")
    names = f"houses:{worse.version}", "houses", str(tmp_path / "agents.csv")
    _, out, _ = call(capsys, "compare", *names, "--groups", "agent", "--json")
    assert "'agent' a" in gates_of(out)["groups"]["sentence"]
    code, _, err = call(capsys, "compare", *names, "--groups", "agents")
    assert (code, "Unknown group column 'agents'. There are: 'agent'" in err) == (2, True)
    code, _, err = call(capsys, "compare", *names[:2], "--groups", "agent")
    assert (code, "Expected rows with --groups" in err) == (2, True)


def test_compare_changes_nothing_and_writes_a_page_in_the_reports_style(home, champion, data, tmp_path, capsys):
    worse = build_version(home, seed=3)
    page = tmp_path / "gates.html"
    code, out, _ = call(capsys, "compare", f"houses:{worse.version}", "houses", data, "-o", str(page), "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["passes"] is False
    assert [entry.champion for entry in home.history("houses")] == [champion.version]
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "May it go live?" in html
    assert "No: refused by error, groups" in html
    assert all(f"<td>{gate}</td>" in html for gate in gates_of(out))
    code, _, err = call(capsys, "compare", f"houses:{worse.version}", "houses", "-o", str(tmp_path / "no" / "x.html"))
    assert (code, "Expected a file in a folder that exists" in err) == (2, True)


def test_without_rows_the_figures_of_both_trainings_are_compared_and_it_is_said(home, champion, capsys):
    build_version(home, seed=3)
    code, out, _ = call(capsys, "promote", "houses", "--json")
    assert code == 0
    error = gates_of(out)["error"]
    assert error["limit"] == 1.05
    assert error["sentence"].startswith("No rows were given. By the figures of both trainings,")
    assert gates_of(out)["groups"]["measured"] is False


def test_rows_that_trained_one_of_the_two_are_not_compared_and_it_is_said(home, champion, tmp_path, capsys):
    build_version(home, seed=3)
    # The golden rows stand for the table that trained the champion: all of them are here.
    golden = json.loads((champion.path / "golden.json").read_bytes())
    rows = pl.DataFrame(golden["rows"]).with_columns(price=pl.Series([row[0] for row in golden["value"]]))
    rows.write_csv(tmp_path / "old.csv")
    names = f"houses:{home.versions('houses')[-1]}", "houses", str(tmp_path / "old.csv")
    _, out, _ = call(capsys, "compare", *names, "--json")
    sentence = gates_of(out)["error"]["sentence"]
    table = f"of the table that trained houses:{champion.version} in every feature"
    assert f"{table}: they are not new to both versions." in sentence


def test_a_table_of_few_different_rows_is_not_taken_for_the_one_of_training(home, tmp_path, capsys):
    schema = build_schema([f for f in HOUSE_FEATURES if f.name in ("heating", "garden", "rooms")])
    first = build_version(home, schema=schema, promote=True)
    build_version(home, schema=schema)
    rows_for(first, schema=schema).write_csv(tmp_path / "new.csv")
    _, out, _ = call(
        capsys, "compare", f"houses:{home.versions('houses')[-1]}", "houses", str(tmp_path / "new.csv"), "--json"
    )
    assert gates_of(out)["error"]["sentence"].startswith("On 600 rows")


def test_a_schema_that_would_refuse_requests_is_refused_and_told(home, champion, capsys):
    features = [f.model_copy(update={"missing": "refuse"}) if f.name == "income" else f for f in HOUSE_FEATURES]
    build_version(home, schema=build_schema(features))
    code, _, err = call(capsys, "promote", "houses")
    assert code == 1
    assert "refused by the gate schema." in err
    assert "'income' now refuses missing values." in err
    assert "--force schema --why TEXT" in err


def test_rows_that_a_schema_refuses_are_left_out_for_both(home, champion, data, capsys):
    features = [f.model_copy(update={"missing": "refuse"}) if f.name == "income" else f for f in HOUSE_FEATURES]
    strict = build_version(home, schema=build_schema(features))
    absent = pl.read_csv(data)["income"].null_count()
    _, out, err = call(capsys, "compare", f"houses:{strict.version}", "houses", data, "--json")
    assert absent > 0, err
    sentence = gates_of(out)["error"]["sentence"]
    assert f"On {600 - absent} rows" in sentence
    assert f"{absent} rows are left out, which the schema of one of the two refuses." in sentence


def test_several_targets_and_weights_are_taken_in(home, tmp_path, capsys):
    schema = build_schema(targets=("price", "rent"))
    first = build_version(home, schema=schema, promote=True)

    def one_target(values):
        values[:, 1] *= 2.0

    with home.create("houses") as (version, folder):
        manifest = write_version(folder, version, schema=schema, graph=graph_with("head_w", one_target, schema=schema))
        config = {**manifest.lineage.config, "weight": "w"}
        update = {"lineage": manifest.lineage.model_copy(update={"config": config})}
        manifest.model_copy(update=update).write(folder)
    rows = rows_for(first, schema=schema).with_columns(w=pl.Series([1.0, 0.0] * 300))
    rows.write_csv(tmp_path / "new.csv")
    names = f"houses:{home.versions('houses')[-1]}", "houses", str(tmp_path / "new.csv")
    _, out, _ = call(capsys, "compare", *names, "--json")
    assert "the RMSE of 'rent' is" in gates_of(out)["error"]["sentence"]
    weighted = gates_of(out)["error"]["figure"]
    rows.drop("w").write_csv(tmp_path / "new.csv")
    _, out, _ = call(capsys, "compare", *names, "--json")
    assert "has no column 'w', which weighted the training" in gates_of(out)["error"]["sentence"]
    assert gates_of(out)["error"]["figure"] != weighted
    rows.with_columns(w=pl.lit(-1.0)).write_csv(tmp_path / "new.csv")
    code, _, err = call(capsys, "compare", *names)
    assert (code, "Expected weights in 'w' that are finite and at least 0" in err) == (2, True)


def test_a_comparison_in_python_is_that_of_the_command_whatever_the_table_is(home, champion, data, capsys):
    worse = build_version(home, seed=3)
    names = f"houses:{worse.version}", "houses:champion"
    _, out, _ = call(capsys, "compare", *names, data, "--groups", "town", "--json")
    expected = gates_of(out)
    rows = pl.read_csv(data)
    model = trueline.load(names[0])
    for table in (data, rows, rows.to_pandas(), rows.to_arrow()):
        judgement = trueline.compare(model, names[1], table, groups=["town"])
        gates = {gate.gate: gate.model_dump(mode="json") for gate in judgement.gates}
        assert {**gates, "latency": None} == {**expected, "latency": None}
    assert (judgement.passes, judgement.beside) == (False, f"houses:{champion.version}")
    assert "<caption>Gates of houses:" in judgement._repr_html_()
    assert trueline.compare(*names, data, groups="town").gates[4:6] == judgement.gates[4:6]
    assert trueline.compare(*names).gates[4].measured is True
    with pytest.raises(trueline.DataError, match="Expected rows with --groups"):
        trueline.compare(*names, groups="town")
    with pytest.raises(trueline.DataError, match="Expected two versions"):
        trueline.compare(model, model)


def test_the_gates_hold_in_python_too(home, champion, data):
    worse = build_version(home, seed=3)
    model = trueline.load(f"houses:{worse.version}")
    with pytest.raises(trueline.RefusedError, match="refused by the gates error, groups"):
        model.promote(data=pl.read_csv(data))
    with pytest.raises(trueline.DataError, match="Unknown group column 'agent'"):
        model.promote(data=data, groups=["agent"])
    with pytest.raises(
        trueline.DataError, match=r"Expected names of gates in 'force', such as 'verdict'\. Received: True"
    ):
        model.promote(force=True)
    with pytest.raises(trueline.DataError, match="Unknown gate 'eror'"):
        trueline.train(data, "price", promote=True, force="eror", why="x")
    with pytest.raises(trueline.DataError, match="Expected a reason for overruling a gate"):
        model.promote(force=("error",))
    assert home.resolve("houses:champion").version == champion.version
    assert model.promote(why="figures alone").reference == f"houses:{home.resolve('houses:champion').version}"


# Bad input.


def test_versions_of_different_targets_are_not_compared(home, champion, capsys):
    build_version(home, name="flats", schema=build_schema(targets=("rent",)))
    code, _, err = call(capsys, "compare", "flats", "houses")
    assert code == 2
    assert "Expected two versions that predict the same targets. Received: flats:" in err
    assert "predicts 'rent'" in err
    # Another model of the same target can be compared, and cannot be promoted in its place.
    build_version(home, name="huts")
    assert call(capsys, "compare", "huts", "houses")[0] == 0
    code, _, err = call(capsys, "compare", "houses", "houses:champion")
    assert (code, "Expected two versions. Received: houses:" in err) == (2, True)
    code, _, err = call(capsys, "compare", "houses", "hoses")
    assert (code, "Unknown model 'hoses'. There are: 'houses'" in err) == (2, True)


def test_a_version_of_another_target_is_refused_in_the_champions_place(home, champion, data, capsys):
    build_version(home, schema=build_schema(targets=("rent",)))
    other = pl.read_csv(data).rename({"price": "rent"})
    other.write_csv(data)
    code, out, err = call(capsys, "promote", "houses", "--data", data, "--json")
    assert (code, "'price' is no longer predicted." in err) == (1, True)
    assert "The champion predicts price, and not rent." in gates_of(out)["error"]["sentence"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows.drop("price"), "Unknown target column 'price'"),
        (lambda rows: rows.head(0), "Received:"),
        (lambda rows: rows.head(20), "Received: 20 of 20 that have one. Give more rows, or none"),
        (lambda rows: rows.with_columns(price=pl.lit(None, pl.Float64)), "Received: none of 600."),
        (lambda rows: rows.with_columns(price=pl.lit("dear")), "Expected numbers in 'price'"),
        (lambda rows: rows.drop("rooms"), "Expected column 'rooms'"),
        (lambda rows: rows.with_columns(rooms=pl.lit("many")), "'rooms'"),
    ],
    ids=["no target", "no rows", "few rows", "no target's value", "words", "no feature", "texts for numbers"],
)
def test_rows_that_cannot_be_compared_are_wrong_data(home, champion, data, capsys, change, sentence):
    build_version(home)
    change(pl.read_csv(data)).write_csv(data)
    for command in (
        ("promote", "houses", "--data", data),
        ("compare", f"houses:{home.versions('houses')[-1]}", "houses", data),
    ):
        code, _, err = call(capsys, *command)
        assert (code, sentence in err) == (2, True), err
        assert "Traceback" not in err
    assert home.resolve("houses:champion").version == champion.version


@pytest.mark.parametrize("gone", [False, True])
def test_a_champion_that_is_damaged_or_gone_is_replaced_and_it_is_said(home, champion, data, capsys, gone):
    new = build_version(home)
    if gone:
        shutil.rmtree(champion.path.parent / champion.version)
    else:
        (champion.path / "model.onnx").write_bytes(b"x")
    code, out, err = call(capsys, "promote", f"houses:{new.version}", "--data", data, "--json")
    assert code == 0, err
    assert f"Note: houses:{champion.version} gives no answers, and another version can take its place:" in err
    assert ("is not in the store any more" in err) == gone
    assert gates_of(out)["groups"]["sentence"].startswith("The champion gives no answers:")
    # The candidate's own intervals are measured on the rows all the same.
    assert "of 600 rows" in gates_of(out)["coverage"]["sentence"]
    assert home.resolve("houses:champion").version == new.version


def test_a_champion_that_lacks_a_column_in_the_rows_is_compared_by_figures(home, champion, data, capsys):
    fewer = build_version(home, schema=build_schema([f for f in HOUSE_FEATURES if f.name != "age"]))
    pl.read_csv(data).drop("age").write_csv(data)
    _, out, _ = call(capsys, "compare", f"houses:{fewer.version}", "houses", data, "--json")
    assert gates_of(out)["error"]["sentence"].startswith(
        "The champion cannot answer these rows: Expected column 'age'."
    )


def test_versions_in_8_bit_integers_are_compared_as_they_are_served(home, champion, data, capsys):
    int8 = build_version(home)
    code, _, err = call(capsys, "promote", f"houses:{int8.version}", "--runtime", "onnx-int8")
    assert (code, f"Expected {INT8_MODEL} in" in err) == (1, True)
    assert "refused by the gate files" in err
    # The copy of one version answers otherwise than its network does: served by it, the version is worse.
    graph = graph_with("head_w", lambda values: np.multiply(values, 1.5, out=values))
    for version, model in ((champion, build_graph(SCHEMA)), (int8, graph)):
        onnx.save(model, version.path / INT8_MODEL)
        manifest = home.manifest("houses", version.version)
        tolerant = {"tolerance": 1e6, "difference": 0.0, "rmse_ratio": 1.0, "rmse_limit": 2.0}
        type(manifest).model_validate({**manifest.model_dump(), "int8": tolerant}).write(version.path)
    names = f"houses:{int8.version}", f"houses:{champion.version}", data
    assert gates_of(call(capsys, "compare", *names, "--json")[1])["error"]["passed"]
    served = gates_of(call(capsys, "compare", *names, "--runtime", "onnx-int8", "--json")[1])
    assert not served["error"]["passed"]


def test_versions_that_keras_serves_are_compared_as_they_are_served(home, capsys, tmp_path):
    first = build_keras_version(home, promote=True, with_onnx=False)
    rows_for(first).write_csv(tmp_path / "new.csv")
    build_keras_version(home, with_onnx=False)
    code, out, err = call(capsys, "promote", "houses", "--data", str(tmp_path / "new.csv"), "--json")
    assert code == 0, err
    assert gates_of(out)["error"]["figure"] == 1.0
    assert gates_of(out)["latency"]["measured"]
    build_version(home, seed=3)
    code, out, _ = call(capsys, "promote", "houses", "--data", str(tmp_path / "new.csv"), "--json")
    assert (code, gates_of(out)["error"]["passed"]) == (1, False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--force"], r"Expected names of gates after --force\. Received: none\. .* There are: size, latency, schema,"),
        (["--force", "--json"], r"Expected names of gates after --force\. Received: none\."),
        (["--force", "eror", "--why", "x"], r"Unknown gate 'eror'\. There are: 'error', 'size'"),
        (["--force", "files", "--why", "x"], r"Expected a gate that can be overruled: size, .* Received: 'files'"),
        (["--force", "error"], r"Expected a reason for overruling a gate\. Received: error without one\."),
        (["--force", "error", "--why", " "], r"Expected a reason for overruling a gate\."),
    ],
)
def test_what_is_wrong_about_force_is_said_before_any_work(home, champion, capsys, words, sentence):
    code, _, err = call(capsys, "promote", "houses", *words)
    assert code == 2
    assert re.search(sentence, err)
    code, _, err = call(capsys, "train", "no-such-file.csv", "--target", "price", "--promote", *words)
    assert code == 2
    assert re.search(sentence, err)


def test_gates_without_rows_load_nothing_of_training(home, champion):
    build_version(home)
    script = (
        "import sys\n"
        "for name in ('polars', 'sklearn', 'keras', 'tensorflow', 'pandas', 'pyarrow', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from trueline.main import run\n"
        "assert run(['compare', 'houses:' + sys.argv[1], 'houses', '-o', sys.argv[2]]) == 0\n"
        "assert run(['promote', 'houses', '--json']) == 0\n"
        "assert run(['promote', 'houses', '--data', 'x.csv']) == 2\n"
    )
    page = home.home / "x.html"
    last = home.versions("houses")[-1]
    done = subprocess.run(
        [sys.executable, "-c", script, last, str(page)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert page.is_file()
    assert "training extra" in done.stderr


LEVELS = (0.05, 0.5, 0.95)


class Heads:
    """A runtime whose values are those of another one, with quantiles around them."""

    def __init__(self, inner, width):
        self.inner, self.width = inner, width
        self.name, self.device = inner.name, inner.device

    def run(self, numeric, categorical):
        value = self.inner.run(numeric, categorical).value
        steps = np.array([-self.width, 0.0, self.width], np.float32)
        return Outputs(value, None, value[:, :, None] + steps)


def quantile_side(version, width, objective="quantile"):
    """A version as one of the quantile objective would be, its outer quantiles ``width`` off the median."""
    loaded = Predictor.load(version.path)
    y = np.random.default_rng(0).normal(0, 1, (400, 1))
    calibration = Calibration.fit(y, np.zeros_like(y), None, np.tile([-width, 0.0, width], (400, 1, 1)))
    config = {"objective": objective, **({"quantiles": list(LEVELS)} if objective == "quantile" else {})}
    lineage = loaded.manifest.lineage.model_copy(update={"config": config})
    manifest = loaded.manifest.model_copy(update={"objective": objective, "lineage": lineage})
    predictor = Predictor(loaded.schema, Heads(loaded.runtime, width), calibration, manifest)
    return Side.of(f"houses:{version.version}", version.path, predictor)


def test_quantiles_are_judged_by_their_pinball_loss(home, champion):
    rows = rows_for(champion, noise=1.0)
    right, wide = quantile_side(champion, 1.645), quantile_side(build_version(home), 6.0)
    judged = compared(Given(rows, Reading()), wide, right).rows
    assert (judged.plain, judged.root) == ("pinball loss", False)
    value = wide.predictor.predict_rows(rows.drop("price").to_dicts()).value[:, 0]
    heads = [value + step for step in (-6.0, 0.0, 6.0)]
    y = rows["price"].to_numpy()
    expected = np.mean([mean_pinball_loss(y, head, alpha=level) for head, level in zip(heads, LEVELS, strict=True)])
    assert judged.candidate.errors.mean() == pytest.approx(expected, rel=1e-5)
    # The values are the same: only the quantiles tell the two apart.
    results = {result.gate: result for result in judge(wide, right, judged)}
    assert not results["error"].passed
    assert "the pinball loss is" in results["error"].sentence
    # Where the objectives differ, both are judged by what they have in common.
    other = quantile_side(build_version(home), 1.645, objective="mse")
    judged = compared(Given(rows, Reading()), other, right).rows
    assert (judged.plain, judged.root) == ("RMSE", True)
    assert judged.notes == ("They are compared by the RMSE, for their objectives differ: mse and quantile.",)
    np.testing.assert_allclose(judged.candidate.errors, judged.champion.errors)


def test_rows_beyond_what_adds_knowledge_are_drawn_at_random(home, champion, monkeypatch):
    monkeypatch.setattr("trueline.gates.rows.MOST_ROWS", 100)
    version = build_version(home)
    sides = [Side.candidate(f"houses:{one.version}", one.path) for one in (version, champion)]
    judged = compared(Given(rows_for(champion), Reading()), *sides).rows
    assert len(judged) == 100
    assert judged.notes == ("They are drawn at random from 600.",)
    assert max(cell.rows.max() for cell in judged.cells) < 100


def test_answers_that_are_no_numbers_are_refused(home, champion):
    broken, whole = quantile_side(build_version(home), 1.645, "mse"), quantile_side(champion, 1.645, "mse")
    broken.predictor.runtime.inner = Silent(broken.predictor.runtime.inner)
    rows = compared(Given(rows_for(champion), Reading()), broken, whole).rows
    results = judge(broken, whole, rows)
    assert {"files", "error", "coverage"} <= {result.gate for result in results if not result.passed}
    assert json.dumps([result.model_dump() for result in results], allow_nan=False)


class Silent:
    """A runtime whose answers are no numbers."""

    def __init__(self, inner):
        self.inner = inner

    def run(self, numeric, categorical):
        return Outputs(np.full_like(self.inner.run(numeric, categorical).value, np.nan))


@pytest.mark.parametrize("name", ["gates.pdf", "gates.json", "gates"])
def test_a_page_has_the_ending_of_html(home, champion, tmp_path, capsys, name):
    code, _, err = call(capsys, "compare", "houses", "houses:champion", "-o", str(tmp_path / name))
    assert code == 2
    assert "Expected a page of HTML, a file of .html or .htm. Received: " in err
    assert "Write it to gates.html; a browser prints it as PDF. For JSON, say --json." in err


def test_what_is_wrong_with_a_damaged_candidate_is_told_once(home, champion, capsys):
    version = build_version(home)
    path = version.path / ONNX_MODEL
    path.write_bytes(path.read_bytes() + b"?")
    for words in (
        ("promote", f"houses:{version.version}"),
        ("compare", f"houses:{version.version}", "houses:champion"),
    ):
        out = call(capsys, *words)[1]
        assert out.count("sha256") == 1, out
        assert f"houses:{version.version} does not load." in out


def test_what_is_wrong_with_a_damaged_champion_is_told_once(home, champion, data, capsys):
    path = home.resolve("houses:champion").path / ONNX_MODEL
    path.write_bytes(path.read_bytes() + b"?")
    version = build_version(home)
    for words in ((), ("--data", data)):
        _, out, err = call(capsys, "promote", f"houses:{version.version}", "--force", "width", "--why", "x", *words)
        if "Nothing changed" not in out:
            assert (out + err).count("sha256") == 1, out + err


def test_a_wait_without_a_worker_says_what_is_known(home, champion, capsys):
    build_version(home)
    out = call(capsys, "promote", "houses", "--wait")[1]
    assert "No running service says in this store that it follows 'houses'." in out
    assert "with a read-only mount, follows all the same and cannot say so" in out

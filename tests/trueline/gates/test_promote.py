"""``compare`` and ``promote`` by their gates: on rows, by figures, overruled."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import trueline
from tests.builders import HOUSE_FEATURES, build_schema, build_version
from tests.trueline.gates.conftest import call, gates_of, graph_with, rows_for


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

"""The gates that need no rows: what each measures, where it refuses, and what a refusal says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from artifact.errors import DataError
from artifact.gates.cost import best_medians, latency_gate, size_gate
from artifact.gates.figures import coverage_by_figures, error_by_figures, width_by_figures
from artifact.gates.gate import GATES, GateResult, checked_force, refusal, refusing
from artifact.gates.judge import judge
from artifact.gates.schema import changes_of, schema_gate
from artifact.gates.side import Side
from artifact.gates.verdict import verdict_gate
from artifact.intervals.calibration import Calibration
from artifact.manifest import Manifest
from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature, FeatureSchema
from artifact.rows.texts.format import TextFormat
from tests.builders import HOUSE_FEATURES, build_manifest, build_schema, build_version
from tests.processes import ROOT

FEATURES = {feature.name: feature for feature in HOUSE_FEATURES}


@pytest.fixture
def registry(tmp_path):
    return LocalRegistry(tmp_path)


def side(version):
    return Side.candidate(f"{version.name}:{version.version}", version.path)


def with_feature(name, **changes) -> FeatureSchema:
    """The houses' schema, one feature of it another one."""
    features = [Feature(**{**f.model_dump(), **changes}) if f.name == name else f for f in HOUSE_FEATURES]
    return build_schema(features)


def changed(schema, old=None):
    return changes_of(old or build_schema(), schema)


def manifest(fingerprint="0" * 64, rmse=4.2, **changes) -> Manifest:
    made = build_manifest(build_schema(), "houses", "1")
    lineage = made.lineage.model_copy(update={"data_fingerprint": fingerprint})
    return made.model_copy(update={"metrics": {"price": {"rmse": rmse}}, "lineage": lineage, **changes})


def coverage(covered=0.9, width=10.0, level=0.9):
    made = build_manifest(build_schema(), "houses", "1").coverage
    return made.model_copy(update={"covered": {"price": covered}, "mean_width": {"price": width}, "level": level})


def test_equal_versions_pass_every_gate_and_each_gate_has_a_result(registry):
    first, second = build_version(registry), build_version(registry)
    results = judge(side(second), side(first))
    assert [result.gate for result in results] == list(GATES)
    assert all(result.passed for result in results)
    measured = {result.gate for result in results if result.measured}
    assert measured == set(GATES) - {"groups"}
    for result in results:
        assert GateResult.model_validate_json(result.model_dump_json()) == result
        assert result.sentence.endswith(".")
        assert (result.figure is None) <= (result.limit is None)


def test_a_first_version_has_nothing_to_be_compared_with(registry):
    results = {result.gate: result for result in judge(side(build_version(registry)), None)}
    unmeasured = {name for name, result in results.items() if not result.measured}
    assert unmeasured == {"schema", "error", "groups", "width"}
    assert results["size"].limit == 1000
    assert results["latency"].limit == 20


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (build_schema([f for f in HOUSE_FEATURES if f.name != "age"]), "'age' is no field any more"),
        (build_schema([*HOUSE_FEATURES, Feature(name="new", kind="number")]), "'new' is a new field that must be sent"),
        (with_feature("age", kind="integer"), "'age' is of kind integer, not number"),
        (with_feature("income", missing="refuse"), "'income' now refuses missing values"),
        (with_feature("town", unseen="refuse"), "'town' now refuses unknown categories"),
        (with_feature("age", out_of_range="refuse"), "'age' now refuses values out of range"),
        (with_feature("rooms", maximum=9), "'rooms' refuses values beyond 1 to 9"),
        (with_feature("heating", categories=("gas", "oil")), "'heating' refuses 'heat pump', which it knew"),
        (build_schema(HOUSE_FEATURES[::-1]), "The fields stand in another order"),
        (build_schema(targets=("rent",)), "'price' is no longer predicted"),
    ],
)
def test_what_would_refuse_an_answered_request_is_told_and_refused(schema, words):
    refusing_changes = [change.sentence for change in changed(schema) if change.refuses]
    assert len(refusing_changes) == 1
    assert words in refusing_changes[0]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            build_schema([*HOUSE_FEATURES, Feature(name="new", kind="number", missing="impute")]),
            "'new' is a new field;",
        ),
        (with_feature("rooms", kind="number"), "'rooms' is of kind number, not integer"),
        (with_feature("age", missing="impute"), "'age' now takes missing values"),
        (with_feature("heating", unseen="other"), "'heating' now takes unknown categories"),
        (with_feature("town", categories=("York",)), "'town' does not know 'Leeds' any more"),
        (with_feature("town", categories=("York", "Leeds", "Ely")), "'town' knows 'Ely' too"),
        (with_feature("heating", categories=("gas", "oil"), rare=("heat pump",)), ""),
        (with_feature("age", maximum=60), "'age' was trained on 0 to 60, a narrower range"),
        (with_feature("age", unit="months"), "'age' is in months, not in years"),
        (with_feature("age", text=TextFormat(decimal=",")), "'age' is read from texts, as in a CSV, by other rules"),
        (build_schema(targets=("price", "rent")), "'rent' is a new target"),
    ],
)
def test_what_callers_may_notice_is_told_and_passes(schema, words):
    changes = changed(schema)
    assert not [change for change in changes if change.refuses]
    assert [change.sentence for change in changes if words in change.sentence] or not words


def test_texts_that_would_be_misread_refuse():
    old = with_feature("age", text=TextFormat(decimal=","))
    assert [change.refuses for change in changed(build_schema(), old)] == [True]
    rules = TextFormat(decimal=",", missing_values=("n/v",))
    assert [change.refuses for change in changed(with_feature("age", text=rules), old)] == [False]


def test_schemas_that_are_equal_differ_in_nothing():
    assert changed(build_schema()) == []


def test_a_schema_is_judged_by_the_gate_with_both_kinds_of_changes(registry):
    first = build_version(registry)
    second = build_version(registry, schema=with_feature("income", missing="refuse", unit="GBP"))
    result = next(result for result in judge(side(second), side(first)) if result.gate == "schema")
    assert (result.passed, result.figure, result.limit) == (False, 1, 0)
    assert "'income' now refuses missing values. Callers may notice: 'income' is in GBP, not in EUR." in result.sentence


def test_a_changed_file_is_refused_by_a_gate_that_cannot_be_overruled(registry):
    first, second = build_version(registry), build_version(registry)
    (second.path / "model.onnx").write_bytes(b"x")
    results = judge(side(second), side(first))
    refused = refusing(results)
    assert [result.gate for result in refused] == ["files"]
    assert "sha256" in refused[0].sentence
    message = str(refusal("houses:1", refused))
    assert message.endswith("Train again, or promote another version.")
    with pytest.raises(DataError, match="Expected a gate that can be overruled: size,"):
        checked_force(["files"], "because")


@pytest.mark.parametrize("damage", ["model", "manifest", "schema", "gone"])
def test_a_damaged_champion_lets_another_version_take_its_place(registry, damage):
    first, second = build_version(registry), build_version(registry)
    if damage == "gone":
        champion = Side.gone("houses:1")
    else:
        name = {"model": "model.onnx", "manifest": "manifest.json", "schema": "schema.json"}[damage]
        path = first.path / name
        if damage == "schema":
            content = json.loads(path.read_bytes())
            content["features"] = content["features"][:2]
            path.write_text(json.dumps(content))
        else:
            path.write_bytes(b"{}")
        champion = Side.champion("houses:1", first.path)
    assert champion.problem
    assert champion.predictor is None
    results = judge(side(second), champion)
    assert all(result.passed for result in results)
    schema = next(result for result in results if result.gate == "schema")
    # A schema that somebody changed is not what callers know.
    assert schema.measured == (damage == "model")


def test_size_is_limited_by_the_champions_and_in_all(registry, monkeypatch):
    small, large = build_version(registry), build_version(registry, hidden=(64, 64))
    monkeypatch.setattr("artifact.gates.limits.SIZE_SMALL", 0.0)
    result = size_gate(side(large), side(small))
    assert result.passed
    monkeypatch.setattr("artifact.gates.limits.SIZE_TIMES", result.figure / result.limit * 5 * 0.99)
    assert not size_gate(side(large), side(small)).passed
    monkeypatch.setattr("artifact.gates.limits.SIZE_LARGEST", 0.01)
    assert not size_gate(side(small), None).passed


def test_one_row_that_takes_much_longer_is_refused(registry, monkeypatch):
    fast, slow = side(build_version(registry)), side(build_version(registry))
    assert latency_gate(slow, fast).passed
    monkeypatch.setattr("artifact.gates.cost.best_medians", lambda _: [9.0, 0.1])
    result = latency_gate(slow, fast)
    assert (result.passed, result.figure, result.limit, result.unit) == (False, 9.0, 2.0, "ms")
    monkeypatch.setattr("artifact.gates.cost.best_medians", lambda _: [9.0, 3.1])
    assert latency_gate(slow, fast).passed


def test_medians_are_of_the_best_round_and_bounded_in_time():
    calls = []
    (median,) = best_medians([lambda: calls.append(1)])
    assert 0 <= median < 1
    assert 30 <= len(calls) <= 1000


def test_figures_of_one_table_are_compared_strictly_and_of_others_loosely():
    result = error_by_figures(manifest(rmse=4.4), manifest(rmse=4.2), "No rows were given.")
    assert (result.passed, result.limit) == (True, 1.05)
    assert result.sentence.startswith("No rows were given. By the figures of both trainings, on the rows of one table,")
    assert not error_by_figures(manifest(rmse=4.62), manifest(rmse=4.2), "").passed
    other = error_by_figures(manifest("1" * 64, rmse=4.62), manifest(rmse=4.2), "")
    assert (other.passed, other.limit) == (True, 1.25)
    assert "so each RMSE is divided by that of predicting the mean. By these figures the RMSE is" in other.sentence
    # The constant's error is 9.9 on the champion's rows, and twice that on the candidate's: it does better there.
    doubled = {"mean": {"price": {"rmse": 19.8}}}
    assert error_by_figures(manifest("1" * 64, rmse=8.4, baselines=doubled), manifest(rmse=4.2), "").passed
    assert not error_by_figures(manifest("1" * 64, rmse=8.4), manifest(rmse=4.2), "").passed


def test_manifests_without_an_error_in_common_compare_nothing():
    other = manifest().model_copy(update={"metrics": {"rent": {"rmse": 1.0}}})
    assert not error_by_figures(other, manifest(), "").measured


def test_coverage_is_refused_only_beyond_chance():
    # 50 rows measured it: 85% may be chance, 60% is none.
    assert coverage_by_figures(manifest(coverage=coverage(0.85)), None).passed
    refused = coverage_by_figures(manifest(coverage=coverage(0.6)), None)
    assert (refused.passed, refused.limit) == (False, 0.88)
    # A champion that covers as little is no reason to keep it.
    assert coverage_by_figures(manifest(coverage=coverage(0.6)), manifest(coverage=coverage(0.6))).passed


def test_width_is_compared_where_both_intervals_hold_what_they_promise():
    before = manifest(coverage=coverage(width=10))
    assert width_by_figures(manifest(coverage=coverage(width=12)), before).passed
    assert not width_by_figures(manifest(coverage=coverage(width=13)), before).passed
    narrow = manifest(coverage=coverage(0.7, width=10))
    assert not width_by_figures(manifest(coverage=coverage(width=13)), narrow).measured
    assert not width_by_figures(manifest("1" * 64, coverage=coverage(width=13)), before).measured
    assert not width_by_figures(manifest(coverage=coverage(level=0.8, width=13)), before).measured


def test_the_verdict_is_told_with_the_error_beside_the_constants():
    good, bad = (build_manifest(build_schema(), "houses", "1", beats_mean=beats) for beats in (True, False))
    assert (verdict_gate(good, "houses:1").passed, verdict_gate(good, "houses:1").figure) == (True, 0.4242)
    assert not verdict_gate(bad, "houses:1").passed
    assert "does not beat predicting the mean beyond chance" in verdict_gate(bad, "houses:1").sentence


def test_names_that_are_no_gate_are_refused_with_those_there_are():
    with pytest.raises(DataError, match=r"Unknown gate 'eror'\. There are: 'error'"):
        checked_force(["eror"], "because")
    with pytest.raises(DataError, match=r"for overruling a gate\. Received: error, size without one"):
        checked_force(["error", "size", "error"], "  ")
    assert checked_force(["error", "size", "error"], "because") == ("error", "size")
    assert checked_force([], "") == ()


def test_a_refusal_names_each_gate_and_what_it_measured():
    results = [
        GateResult(gate=name, passed=name == "size", sentence=f"On {name}.") for name in ("size", "error", "width")
    ]
    assert [result.gate for result in refusing(results)] == ["error", "width"]
    assert [result.gate for result in refusing(results, ("error",))] == ["width"]
    message = str(refusal("houses:1", refusing(results)))
    assert message == (
        "Expected a version that passes its gates. Received: houses:1, refused by the gates error, width.\n"
        "  error: On error.\n  width: On width.\n  Mend it, or overrule them with --force error,width --why TEXT."
    )


def test_figures_are_shown_with_their_interval_and_unit():
    result = GateResult(gate="error", passed=True, figure=1.0312, low=0.99, high=1.1, limit=1.02)
    assert (result.figure_text, result.limit_text, result.state) == ("1.031 (0.99 to 1.1)", "1.02", "passed")
    assert GateResult(gate="size", passed=False, figure=1234.5, unit="MB").figure_text == "1,234 MB"
    assert GateResult.unmeasured("groups", "No rows.").state == "not measured"


def test_a_version_whose_folder_is_gone_meanwhile_is_refused(registry):
    version = build_version(registry)
    shutil.rmtree(version.path)
    results = judge(side(version), None)
    assert [result.gate for result in refusing(results)] == ["files"]


def test_a_store_is_opened_without_numpy():
    script = "import sys, artifact.registry.local; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_a_level_of_intervals_that_is_no_longer_promised_is_refused(registry):
    first, second = side(build_version(registry)), side(build_version(registry))
    few = np.random.default_rng(0).random((50, 1))
    second.predictor.calibration = Calibration.fit(few, np.zeros_like(few), np.ones_like(few))
    result = schema_gate(second, first)
    assert not result.passed
    assert "Intervals of 0.99 are refused: too few rows calibrate them." in result.sentence
    assert schema_gate(first, second).passed


def test_another_objective_is_told_to_callers(registry):
    first, second = side(build_version(registry)), side(build_version(registry))
    other = second.manifest.model_copy(update={"objective": "mae"})
    result = schema_gate(replace(second, manifest=other), first)
    assert result.passed
    assert "The objective is mae, not gaussian" in result.sentence
